import { CodedError } from '../../base/index.ts';
import { MAX_BLOCK_BYTES, sha256 } from '../data-file/block.ts';
import { encodeFileHeader, frameContent, skippableFrame } from '../data-file/data-file-format.ts';
import { decodeFrame, encodeFrame } from '../data-file/zstd-frame.ts';
import { checkRequirements } from '../records/document.ts';
import { Fields } from '../records/fields.ts';
import { markId } from './mark-id.ts';
import type {
  ArrivalTime,
  LogMark,
  MarkKind,
  SegmentBlock,
  SegmentDirectory,
  SegmentRecord,
} from './log-records.ts';

/**
 * The bytes of a segment around its blocks (docs/formats/segment.md):
 *
 *   header TMHD | blocks, each one zstd frame of text | times TMTI | directory TMSG | trailer TMTR
 *
 * Header, frames and trailer are those of data files. Directory and times are JSON, the times as
 * one zstd frame inside their frame.
 */
const TIMES_TAG = 'TMTI';
const DIRECTORY_TAG = 'TMSG';
const FORMAT = 'tidemark-segment';
export const SEGMENT_VERSION = 1;

/** No directory of a valid segment is larger. */
export const MAX_DIRECTORY_BYTES = 64 << 20;
const MAX_TIMES_BYTES = 64 << 20;

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const REPLID = /^[0-9a-f]{40}$/;
const COMMAND = /^[\x20-\x7e]{1,4096}$/;
const KINDS: readonly MarkKind[] = [
  'FLUSHALL',
  'FLUSHDB',
  'SWAPDB',
  'FUNCTION',
  'SCRIPT',
  'TRIMSLOTS',
  'CLUSTER',
];

export type SegmentPlace = {
  readonly repository: string;
  readonly source: string;
  readonly shard: string;
  readonly lineage: string;
  readonly startOffset: number;
};

export function encodeSegmentHeader(place: SegmentPlace): Buffer {
  return encodeFileHeader(FORMAT, SEGMENT_VERSION, place);
}

/** Throws unless a header frame says that the segment belongs where it was found. */
export function checkSegmentHeader(text: string, place: SegmentPlace, object: string): void {
  const fields = new Fields(parseJson(text, 'its header', object), object);
  fields.oneOf('format', [FORMAT]);
  fields.integer('formatVersion', 1, SEGMENT_VERSION);
  checkRequirements(fields.texts('requires'), object);
  fields.oneOf('codec', ['zstd']);
  fields.oneOf('digest', ['sha256']);
  const same =
    fields.isNull('cipher') &&
    fields.isNull('keyId') &&
    fields.text('repository') === place.repository &&
    fields.text('source') === place.source &&
    fields.text('shard') === place.shard &&
    fields.text('lineage') === place.lineage &&
    fields.integer('startOffset') === place.startOffset;
  if (!same) throw corrupt(object, 'its header names another place');
}

/** Where the times frame lies and what it decodes to. */
export type TimesPlace = {
  readonly offset: number;
  readonly length: number;
  /** Of the JSON text. */
  readonly rawLength: number;
  /** `sha256:<64 hex>` of the frame. */
  readonly digest: string;
};

/** `[offset, ms, …]`, each as the difference to the pair before; the first to start and firstMs. */
export function encodeTimes(
  times: readonly ArrivalTime[],
  startOffset: number,
  firstMs: number,
): { readonly frame: Buffer; readonly rawLength: number } {
  const numbers: number[] = [];
  let at = { offset: startOffset, ms: firstMs };
  for (const pair of times) {
    numbers.push(pair.offset - at.offset, pair.ms - at.ms);
    at = pair;
  }
  const raw = Buffer.from(JSON.stringify(numbers));
  return { frame: skippableFrame(TIMES_TAG, encodeFrame(raw)), rawLength: raw.length };
}

/** Checked against what the directory says of the segment. */
export function decodeTimes(
  frame: Buffer,
  place: TimesPlace,
  facts: { startOffset: number; endOffset: number; firstMs: number; lastMs: number },
  object: string,
): ArrivalTime[] {
  if (digestText(frame) !== place.digest) throw corrupt(object, 'its times have another SHA-256');
  const raw = decodeFrame(frameContent(frame, TIMES_TAG, object), place.rawLength);
  const numbers = parseJson(raw.toString('latin1'), 'its times', object);
  const times: ArrivalTime[] = [];
  let at = { offset: facts.startOffset, ms: facts.firstMs };
  if (!Array.isArray(numbers) || numbers.length === 0 || numbers.length % 2 !== 0) {
    throw corrupt(object, 'its times are no pairs');
  }
  for (let i = 0; i < numbers.length; i += 2) {
    at = { offset: at.offset + (numbers[i] as number), ms: at.ms + (numbers[i + 1] as number) };
    const last = times.at(-1);
    const first = last === undefined && at.offset === facts.startOffset && at.ms >= facts.firstMs;
    const rises = last !== undefined && at.offset > last.offset && at.ms > last.ms;
    const whole = Number.isSafeInteger(at.offset) && Number.isSafeInteger(at.ms);
    if (!whole || !(first || rises)) throw corrupt(object, 'its times do not rise');
    times.push(at);
  }
  if (at.offset < facts.endOffset && at.ms === facts.lastMs) return times;
  throw corrupt(object, 'its times and its directory disagree');
}

/** The header frame, which begins the object. */
export type HeaderPlace = {
  readonly length: number;
  /** `sha256:<64 hex>` of the frame. */
  readonly digest: string;
};

/** What is stored in a directory frame; the rest of a `SegmentDirectory` follows from it. */
export type StoredDirectory = SegmentFacts & {
  readonly header: HeaderPlace;
  readonly blocks: readonly SegmentBlock[];
  readonly times: TimesPlace;
  readonly brackets: readonly ArrivalTime[];
};

export function encodeSegmentDirectory(directory: StoredDirectory): Buffer {
  const document = {
    directoryVersion: SEGMENT_VERSION,
    requires: [],
    optional: [],
    ...encodeFacts(directory),
    brackets: directory.brackets.map(({ offset, ms }) => [offset, ms]),
    header: directory.header,
    times: directory.times,
    blocks: directory.blocks,
  };
  return skippableFrame(DIRECTORY_TAG, Buffer.from(`${JSON.stringify(document)}\n`));
}

/** Every field checked. `offset`: where the frame begins in its object. */
export function decodeSegmentDirectory(
  frame: Buffer,
  offset: number,
  object: string,
): StoredDirectory {
  const text = frameContent(frame, DIRECTORY_TAG, object).toString('utf8');
  const fields = new Fields(parseJson(text, 'its directory', object), object);
  const version = fields.integer('directoryVersion', 1);
  if (version !== SEGMENT_VERSION) {
    const found = `Cannot read '${object}': its directory has version ${version}`;
    throw new CodedError('REPOSITORY_UNSUPPORTED', found, { object });
  }
  checkRequirements(fields.texts('requires'), object);
  const header = fields.fields('header');
  const directory: StoredDirectory = {
    ...readFacts(fields),
    header: { length: header.integer('length', 1), digest: header.text('digest', DIGEST) },
    brackets: rows(fields, 'brackets', 2).map(([at, ms]) => ({ offset: at, ms })),
    times: readTimesPlace(fields.fields('times')),
    blocks: fields.items('blocks', readBlock),
  };
  checkBlocks(directory, offset, object);
  return directory;
}

/** What directories and day indexes say of a segment, in the same words. */
export type SegmentFacts = Omit<SegmentRecord, 'name' | 'size' | 'directoryDigest'>;

export function encodeFacts(facts: SegmentFacts): Record<string, unknown> {
  const { shard, lineage, startOffset, endOffset, firstMs, lastMs, database } = facts;
  const { rawDigest, predecessor, replids, commands, verbatimScripts, unknownCommands } = facts;
  return {
    shard,
    lineage,
    startOffset,
    endOffset,
    firstMs,
    lastMs,
    database,
    rawDigest,
    predecessor,
    replids,
    commands,
    verbatimScripts,
    unknownCommands,
    uncertain: facts.uncertain.map((span) => [span.startOffset, span.endOffset, span.sinceMs]),
    marks: facts.marks.map(({ kind, startOffset: start, endOffset: end, ms, database: db }) => ({
      kind,
      at: [start, end, ms, db],
    })),
  };
}

export function readFacts(fields: Fields): SegmentFacts {
  const shard = fields.text('shard');
  const lineage = fields.text('lineage');
  const facts: SegmentFacts = {
    shard,
    lineage,
    startOffset: fields.integer('startOffset'),
    endOffset: fields.integer('endOffset', 1),
    firstMs: fields.integer('firstMs'),
    lastMs: fields.integer('lastMs'),
    database: fields.integer('database'),
    rawDigest: fields.text('rawDigest', DIGEST),
    predecessor: readPredecessor(fields.fieldsOrNull('predecessor')),
    replids: fields.items('replids', (item) => ({
      offset: item.integer('offset'),
      replid: item.text('replid', REPLID),
    })),
    commands: fields.integer('commands'),
    verbatimScripts: fields.integer('verbatimScripts'),
    unknownCommands: fields.texts('unknownCommands', COMMAND),
    uncertain: rows(fields, 'uncertain', 3).map(([startOffset, endOffset, sinceMs]) => ({
      startOffset,
      endOffset,
      sinceMs,
    })),
    marks: fields.items('marks', (item) => readMark(item, shard, lineage)),
  };
  checkFacts(facts, fields);
  return facts;
}

function readMark(fields: Fields, shard: string, lineage: string): LogMark {
  const kind = fields.oneOf('kind', KINDS);
  const [startOffset, endOffset, ms, database] = fields.integers('at', 0, Number.MAX_SAFE_INTEGER);
  if (database === undefined) throw fields.inconsistent('a mark is cut');
  const id = markId(shard, lineage, startOffset);
  return { id, kind, startOffset, endOffset, ms, database };
}

function checkFacts(facts: SegmentFacts, fields: Fields): void {
  const { startOffset, endOffset, firstMs, lastMs, replids } = facts;
  const wrong = (what: string) => fields.inconsistent(`${what} is impossible`);
  if (endOffset <= startOffset || lastMs < firstMs) throw wrong('its extent');
  if (replids.length === 0 || replids[0].offset > startOffset) throw wrong('its first replid');
  const rising = replids.every(({ offset }, i) => i === 0 || offset >= replids[i - 1].offset);
  if (!rising || replids[replids.length - 1].offset > endOffset) throw wrong('a replid');
  for (const span of [...facts.uncertain, ...facts.marks]) {
    const inside = span.startOffset >= startOffset && span.endOffset <= endOffset;
    if (!inside || span.startOffset >= span.endOffset) throw wrong('a mark or uncertain span');
  }
}

function readPredecessor(fields: Fields | null): SegmentDirectory['predecessor'] {
  if (fields === null) return null;
  return { name: fields.text('name'), digest: fields.text('digest', DIGEST) };
}

function readTimesPlace(fields: Fields): TimesPlace {
  return {
    offset: fields.integer('offset'),
    length: fields.integer('length', 1, MAX_TIMES_BYTES),
    rawLength: fields.integer('rawLength', 1, MAX_TIMES_BYTES),
    digest: fields.text('digest', DIGEST),
  };
}

function readBlock(fields: Fields): SegmentBlock {
  return {
    offset: fields.integer('offset'),
    storedLength: fields.integer('storedLength', 1),
    rawLength: fields.integer('rawLength', 1, MAX_BLOCK_BYTES),
    startOffset: fields.integer('startOffset'),
    endOffset: fields.integer('endOffset'),
    database: fields.integer('database'),
    continues: fields.boolean('continues'),
    inserted: fields.integers('inserted', 0, MAX_BLOCK_BYTES),
    digest: fields.text('digest', /^[0-9a-f]{64}$/),
  };
}

/** An array of arrays of `width` whole numbers. */
function rows(fields: Fields, name: string, width: number): number[][] {
  return fields.arrays(name).map((row) => {
    if (row.length === width && row.every((n) => Number.isSafeInteger(n) && n >= 0)) return row;
    throw fields.inconsistent(`${name} should be rows of ${width} whole numbers`);
  });
}

function checkBlocks(directory: StoredDirectory, offset: number, object: string): void {
  const { startOffset, endOffset, database, header, times, blocks } = directory;
  const wrong = (what: string) => corrupt(object, `${what} of its directory is impossible`);
  if (times.offset + times.length !== offset) throw wrong('the place of the times');
  let at = startOffset;
  let stored = header.length;
  for (const [index, block] of blocks.entries()) {
    const placed = block.offset === stored && block.startOffset === at && block.endOffset > at;
    const begins = index > 0 || (!block.continues && block.database === database);
    if (!placed || !begins || !insertsFit(block)) throw wrong(`block ${index}`);
    at = block.endOffset;
    stored = block.offset + block.storedLength;
  }
  if (at !== endOffset || stored !== times.offset) throw wrong('the last block');
}

function insertsFit({ inserted, rawLength, startOffset, endOffset }: SegmentBlock): boolean {
  let end = 0;
  let sum = 0;
  for (let i = 0; i < inserted.length; i += 2) {
    if (inserted[i] < end || !(inserted[i + 1] > 0)) return false;
    end = inserted[i] + inserted[i + 1];
    sum += inserted[i + 1];
  }
  return end <= rawLength && rawLength - sum === endOffset - startOffset;
}

export function digestText(bytes: Uint8Array): string {
  return `sha256:${sha256(bytes).toString('hex')}`;
}

function parseJson(text: string, what: string, object: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw corrupt(object, `${what} is no JSON`, error);
  }
}

export function corrupt(object: string, found: string, cause?: unknown): CodedError {
  const message = `Cannot read '${object}': ${found}`;
  return new CodedError('OBJECT_CORRUPT', message, { object, cause });
}
