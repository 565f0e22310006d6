import { CodedError } from '../../base/index.ts';
import type { EntrySelection } from '../../entries/index.ts';
import { errorOfReply, type RedisConnection } from '../../redis/index.ts';
import { type CommandArg, type Reply, ReplyError, replyText } from '../../resp/index.ts';
import { missingRight } from './abilities.ts';
import { Distinct } from './distinct.ts';

/** Keys per SCAN: a few hundred microseconds of the server's time. */
const PAGE_KEYS = 500;
/** What SCAN TYPE calls as we do. */
const NATIVE_TYPES = new Set<string>(['string', 'list', 'set', 'zset', 'hash', 'stream']);

export type PageOptions = {
  readonly selection: EntrySelection;
  /** Whether SCAN has TYPE. */
  readonly scanType: boolean;
  readonly tempFolder: string;
  /** Told of keys that were listed again. */
  readonly onDuplicates: (count: number) => void;
};

/**
 * The keys of the connection's database, each exactly once, in pages. What the server can leave out
 * is left out there: MATCH for a single pattern, TYPE for a single type, no SCAN at all for exact
 * keys. Every key that is there from the first page to the last is listed.
 */
export async function* listKeys(
  conn: RedisConnection,
  options: PageOptions,
): AsyncGenerator<Buffer[], void, void> {
  const { selection } = options;
  if (selection.keys !== undefined && selection.match === undefined) {
    yield* exactKeys(selection.keys);
    return;
  }
  const size = await conn.attempt(['DBSIZE']);
  const expected = typeof size === 'number' ? size : PAGE_KEYS;
  const distinct = new Distinct<Buffer>(expected, options.tempFolder);
  try {
    for await (const page of scan(conn, scanArguments(options))) {
      const fresh = page.filter((key) => distinct.take(key, key, key.length));
      if (fresh.length > 0) yield fresh;
      if (distinct.isFull) yield* decided(distinct);
    }
    yield* decided(distinct);
  } finally {
    options.onDuplicates(distinct.repeated);
    distinct.close();
  }
}

/** Keys that only looked as if they had come before, in pages. */
async function* decided(distinct: Distinct<Buffer>): AsyncGenerator<Buffer[], void, void> {
  yield* inPages(await distinct.decide());
}

function* exactKeys(keys: readonly Uint8Array[]): Generator<Buffer[], void, void> {
  const once = new Map(keys.map((key) => [Buffer.from(key).toString('latin1'), Buffer.from(key)]));
  yield* inPages([...once.values()]);
}

function* inPages(keys: readonly Buffer[]): Generator<Buffer[], void, void> {
  for (let at = 0; at < keys.length; at += PAGE_KEYS) yield keys.slice(at, at + PAGE_KEYS);
}

/** Everything behind the cursor. */
export function scanArguments(options: Pick<PageOptions, 'selection' | 'scanType'>): CommandArg[] {
  const { keys, match, types } = options.selection;
  const args: CommandArg[] = ['COUNT', PAGE_KEYS];
  const [pattern] = match ?? [];
  if (pattern !== undefined && match?.length === 1 && keys === undefined) {
    args.push('MATCH', pattern);
  }
  const [type] = types ?? [];
  if (type !== undefined && types?.length === 1 && NATIVE_TYPES.has(type) && options.scanType) {
    args.push('TYPE', type);
  }
  return args;
}

async function* scan(
  conn: RedisConnection,
  args: readonly CommandArg[],
): AsyncGenerator<Buffer[], void, void> {
  let cursor = '0';
  do {
    const reply = await conn.attempt(['SCAN', cursor, ...args]);
    if (reply instanceof ReplyError) {
      if (reply.code === 'NOPERM') throw missingRight(conn, reply, 'SCAN');
      throw errorOfReply(reply, 'SCAN');
    }
    const [next, keys] = readPage(reply);
    yield keys;
    cursor = next;
  } while (cursor !== '0');
}

/** The cursor and the items of SCAN, HSCAN, SSCAN or ZSCAN. Throws SOURCE_GARBAGE. */
export function readPage(reply: Reply): [string, Buffer[]] {
  if (Array.isArray(reply) && reply.length === 2) {
    const [cursor, items] = reply;
    const text = replyText(cursor);
    if (/^\d{1,20}$/.test(text) && isBytes(items)) {
      return [text, items];
    }
  }
  throw new CodedError('SOURCE_GARBAGE', 'Cannot understand the reply to a SCAN');
}

/** Whether a reply is a list of bulk strings. */
export function isBytes(reply: Reply | undefined): reply is Buffer[] {
  return Array.isArray(reply) && reply.every((item) => item instanceof Buffer);
}
