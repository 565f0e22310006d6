import { CodedError } from '../../base/index.ts';
import { parseDouble, type StreamInfo, type ValueKind } from '../../rdb/index.ts';
import { errorOfReply, type RedisConnection } from '../../redis/index.ts';
import { type CommandArg, type Reply, ReplyError, replyText } from '../../resp/index.ts';
import type { Abilities } from './abilities.ts';
import { Distinct } from './distinct.ts';
import type { ElementSpool } from './element-spool.ts';
import { isBytes, readPage } from './key-pages.ts';
import { nextStreamId, parseStreamId, readStreamFacts } from './stream-facts.ts';

export type ElementRequest = {
  readonly conn: RedisConnection;
  readonly key: Buffer;
  /** Memory of the whole value, or a guess. */
  readonly bytes: number;
  readonly partBytes: number;
  readonly fieldExpiry: Abilities['fieldExpiry'];
  readonly tempFolder: string;
  /** Waits where the scan has to: limits, pauses. Told of the bytes that came. */
  readonly onPart: (bytes: number) => Promise<void>;
};

/** What was put into the spool. */
export type Elements = { readonly kind: ValueKind; readonly info: StreamInfo | null };

/** A value that cannot be read in parts, and why. */
export class NotInParts {
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }
}

const MIN_COUNT = 10;
const MAX_COUNT = 5000;
/** More pending entries than this are not asked for in one reply. */
const MAX_PENDING = 10_000;

/** Puts the whole value of `type`, as TYPE says it, into the spool. `null`: the key is gone. */
export async function readElements(
  type: string,
  request: ElementRequest,
  spool: ElementSpool,
): Promise<Elements | NotInParts | null> {
  switch (type) {
    case 'none':
      return null;
    case 'string':
      await readString(request, spool);
      break;
    case 'list':
      await readList(request, spool);
      break;
    case 'hash':
      if (request.fieldExpiry === 'hidden') {
        return new NotInParts('expiries of its fields cannot be asked for');
      }
      await readHash(request, spool);
      break;
    case 'set':
      await readMembers('SSCAN', request, spool);
      break;
    case 'zset':
      await readMembers('ZSCAN', request, spool);
      break;
    case 'stream':
      return await readStream(request, spool);
    default:
      return new NotInParts(`a ${type} has no parts`);
  }
  return { kind: type as ValueKind, info: null };
}

async function readString(request: ElementRequest, spool: ElementSpool): Promise<void> {
  spool.begin('string');
  for (;;) {
    const from = spool.count;
    const to = from + request.partBytes - 1;
    const part = await ask(request, ['GETRANGE', request.key, from, to]);
    if (!(part instanceof Buffer)) throw garbage('GETRANGE');
    if (part.length > 0) spool.stringPart(part);
    await request.onPart(part.length);
    if (part.length < request.partBytes) return;
  }
}

async function readList(request: ElementRequest, spool: ElementSpool): Promise<void> {
  spool.begin('list');
  const pace = await Pace.of('LLEN', request);
  for (;;) {
    const from = spool.count;
    const wanted = pace.count;
    const items = await ask(request, ['LRANGE', request.key, from, from + wanted - 1]);
    if (!isBytes(items)) throw garbage('LRANGE');
    for (const item of items) spool.text(item);
    spool.count += items.length;
    await pace.took(items);
    if (items.length < wanted) return;
  }
}

/** A pair or a score with its member, as it waits to be written. */
type Pair = readonly [Buffer, Buffer | null, number | null];

async function readHash(request: ElementRequest, spool: ElementSpool): Promise<void> {
  await readDistinct('hash', 'HLEN', 'HSCAN', request, spool, async (items) => {
    const fields = items.filter((_, i) => i % 2 === 0);
    const expiries = await fieldExpiries(request, fields);
    return fields.map((field, i): Pair => [field, items[i * 2 + 1], expiries?.[i] ?? null]);
  });
}

async function readMembers(
  command: 'SSCAN' | 'ZSCAN',
  request: ElementRequest,
  spool: ElementSpool,
): Promise<void> {
  if (command === 'SSCAN') {
    const members = async (items: Buffer[]) => items.map((item): Pair => [item, null, null]);
    await readDistinct('set', 'SCARD', 'SSCAN', request, spool, members);
    return;
  }
  await readDistinct('zset', 'ZCARD', 'ZSCAN', request, spool, async (items) =>
    items
      .filter((_, i) => i % 2 === 0)
      .map((member, i): Pair => {
        const text = items[i * 2 + 1];
        const score = parseDouble(text, 0, text.length);
        if (Number.isNaN(score)) throw garbage('ZSCAN');
        return [member, null, score];
      }),
  );
}

/** Goes through a collection by its SCAN; what comes again is taken once. */
async function readDistinct(
  kind: 'hash' | 'set' | 'zset',
  lengthCommand: string,
  command: string,
  request: ElementRequest,
  spool: ElementSpool,
  read: (items: Buffer[]) => Promise<Pair[]>,
): Promise<void> {
  spool.begin(kind);
  const put = ([name, value, number]: Pair): void => {
    spool.text(name);
    if (kind === 'hash') {
      spool.text(value as Buffer);
      if (number !== null) spool.fieldExpireAt(number);
    } else if (kind === 'zset') spool.score(number as number);
    spool.count++;
  };
  const pace = await Pace.of(lengthCommand, request);
  const distinct = new Distinct<Pair>(pace.elements, request.tempFolder);
  try {
    let cursor = '0';
    do {
      const reply = await ask(request, [command, request.key, cursor, 'COUNT', pace.count]);
      const [next, items] = readPage(reply);
      for (const pair of await read(items)) {
        const [name, value] = pair;
        if (distinct.take(name, pair, name.length + (value?.length ?? 0))) put(pair);
      }
      if (distinct.isFull) for (const pair of await distinct.decide()) put(pair);
      await pace.took(items);
      cursor = next;
    } while (cursor !== '0');
    for (const pair of await distinct.decide()) put(pair);
  } finally {
    distinct.close();
  }
}

/** Unix milliseconds, `null` for fields that stay; `null` altogether where fields do not expire. */
async function fieldExpiries(
  request: ElementRequest,
  fields: readonly Buffer[],
): Promise<(number | null)[] | null> {
  if (request.fieldExpiry === 'none' || fields.length === 0) return null;
  const args = ['HPEXPIRETIME', request.key, 'FIELDS', fields.length, ...fields];
  const reply = await ask(request, args);
  if (!Array.isArray(reply) || reply.length !== fields.length) {
    // The key is gone, or of another type: its end will show.
    return null;
  }
  return reply.map((ms) => (typeof ms === 'number' && ms >= 0 ? ms : null));
}

async function readStream(
  request: ElementRequest,
  spool: ElementSpool,
): Promise<Elements | NotInParts> {
  const groups = await ask(request, ['XINFO', 'GROUPS', request.key]);
  const pending = countPending(groups);
  if (pending > MAX_PENDING) return new NotInParts(`a stream with ${pending} pending entries`);
  const count = Math.max(1, pending);
  const facts = await ask(request, ['XINFO', 'STREAM', request.key, 'FULL', 'COUNT', count]);
  // Looks for what it cannot tell before the entries are read.
  if (readStreamFacts(facts, 0) === null) {
    return new NotInParts('a stream of which XINFO does not tell all');
  }
  spool.begin('stream');
  const pace = await Pace.of('XLEN', request);
  let from = '-';
  for (;;) {
    const wanted = pace.count;
    const entries = await ask(request, ['XRANGE', request.key, from, '+', 'COUNT', wanted]);
    if (!Array.isArray(entries)) throw garbage('XRANGE');
    const texts: Buffer[] = [];
    for (const entry of entries) from = putEntry(entry, spool, texts);
    spool.count += entries.length;
    await pace.took(texts);
    if (entries.length < wanted) break;
  }
  return { kind: 'stream', info: readStreamFacts(facts, spool.count) };
}

/** Gives the id at which the next page begins. */
function putEntry(entry: Reply, spool: ElementSpool, texts: Buffer[]): string {
  const [id, fields] = Array.isArray(entry) ? entry : [];
  const parsed = id instanceof Buffer ? parseStreamId(id.toString('latin1')) : null;
  if (parsed === null || !isBytes(fields)) throw garbage('XRANGE');
  spool.streamEntry(parsed.ms, parsed.seq, fields.length / 2);
  for (const field of fields) {
    spool.text(field);
    texts.push(field);
  }
  return nextStreamId(parsed);
}

function countPending(reply: Reply): number {
  if (!Array.isArray(reply)) throw garbage('XINFO GROUPS');
  return reply.reduce<number>((sum, group) => {
    const at = Array.isArray(group) ? group.findIndex((part) => replyText(part) === 'pending') : -1;
    const count = Array.isArray(group) && at >= 0 ? group[at + 1] : 0;
    return sum + (typeof count === 'number' ? count : 0);
  }, 0);
}

/** How many elements to ask for, so that a reply is about as large as wanted. */
class Pace {
  readonly elements: number;
  readonly #request: ElementRequest;
  count: number;

  private constructor(elements: number, request: ElementRequest) {
    this.elements = elements;
    this.#request = request;
    this.count = this.#fit(request.bytes / Math.max(1, elements));
  }

  static async of(lengthCommand: string, request: ElementRequest): Promise<Pace> {
    const length = await ask(request, [lengthCommand, request.key]);
    return new Pace(typeof length === 'number' ? length : 0, request);
  }

  /** Learns from what came; waits where a limit wants it. */
  async took(texts: readonly Buffer[]): Promise<void> {
    const bytes = texts.reduce((sum, text) => sum + text.length, 0);
    if (texts.length > 0) {
      // Memory at the server counts overhead that no reply has, and elements differ in size.
      const fitting = this.#fit((bytes / texts.length) * 2);
      this.count = Math.min(this.count * 2, fitting);
    }
    await this.#request.onPart(bytes);
  }

  #fit(elementBytes: number): number {
    const fitting = Math.floor(this.#request.partBytes / Math.max(1, elementBytes));
    return Math.max(MIN_COUNT, Math.min(MAX_COUNT, fitting));
  }
}

async function ask(request: ElementRequest, args: CommandArg[]): Promise<Reply> {
  const reply = await request.conn.attempt(args);
  if (reply instanceof ReplyError) throw errorOfReply(reply, String(args[0]));
  return reply;
}

function garbage(what: string): CodedError {
  return new CodedError('SOURCE_GARBAGE', `Cannot understand the reply to ${what}`);
}
