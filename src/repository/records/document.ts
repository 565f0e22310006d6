import { CodedError } from '../../base/index.ts';
import { sha256 } from '../data-file/block.ts';
import { Fields } from './fields.ts';

/**
 * The one form of every JSON object in a repository:
 *
 *   {
 *     "format": "tidemark-…",
 *     "formatVersion": 1,
 *     "requires": [],
 *     "optional": [],
 *     …
 *     "documentDigest": "sha256:<64 hex>"
 *   }
 *
 * The last two lines are exactly as long as shown, and the digest covers all bytes before them:
 * `head -n -2 FILE | sha256sum` gives it. A document with one flipped bit is REPOSITORY_CORRUPT.
 */
export const DOCUMENT_VERSION = 1;

/** What this version can be required to know. Anything else is refused by name. */
export const KNOWN_REQUIREMENTS: readonly string[] = [];

export const MAX_DOCUMENT_BYTES = 4 << 20;

const DIGEST_MEMBER = '  "documentDigest": "sha256:';
const TAIL = '"\n}\n';
const TAIL_BYTES = DIGEST_MEMBER.length + 64 + TAIL.length;

export type DocumentHead = {
  readonly requires: readonly string[];
  readonly optional: readonly string[];
};

export function encodeDocument(
  format: string,
  members: Readonly<Record<string, unknown>>,
  head: DocumentHead = { requires: [], optional: [] },
): Buffer {
  const { requires, optional } = head;
  const all = { format, formatVersion: DOCUMENT_VERSION, requires, optional, ...members };
  const text = JSON.stringify(all, null, 2);
  const body = Buffer.from(`${text.slice(0, -'\n}'.length)},\n`);
  const digest = sha256(body).toString('hex');
  return Buffer.concat([body, Buffer.from(DIGEST_MEMBER + digest + TAIL)]);
}

/**
 * Checks digest, format, version and requirements. REPOSITORY_CORRUPT, or REPOSITORY_UNSUPPORTED
 * naming what a newer version requires.
 */
export function parseDocument(bytes: Buffer, format: string, object: string): Fields {
  const body = bytes.subarray(0, Math.max(0, bytes.length - TAIL_BYTES));
  const tail = bytes.subarray(body.length).toString('latin1');
  if (tail !== `${DIGEST_MEMBER}${sha256(body).toString('hex')}${TAIL}`) {
    throw corrupt(object, 'its documentDigest does not match');
  }
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw corrupt(object, (error as Error).message, error);
  }
  const fields = new Fields(value, object);
  fields.oneOf('format', [format]);
  const version = fields.integer('formatVersion', 1);
  if (version !== DOCUMENT_VERSION) throw unsupported(object, `format version ${version}`);
  fields.texts('optional');
  checkRequirements(fields.texts('requires'), object);
  return fields;
}

/** Throws REPOSITORY_UNSUPPORTED for the first requirement that this version does not know. */
export function checkRequirements(requires: readonly string[], object: string): void {
  const unknown = requires.find((name) => !KNOWN_REQUIREMENTS.includes(name));
  if (unknown !== undefined) throw unsupported(object, JSON.stringify(unknown));
}

function unsupported(object: string, what: string): CodedError {
  const message = `Cannot read '${object}': it requires ${what}, which this version does not know`;
  return new CodedError('REPOSITORY_UNSUPPORTED', message, { object });
}

function corrupt(object: string, found: string, cause?: unknown): CodedError {
  const message = `Cannot read '${object}': ${found}`;
  return new CodedError('REPOSITORY_CORRUPT', message, { object, cause });
}
