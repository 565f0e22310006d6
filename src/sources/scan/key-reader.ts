import { CodedError } from '../../base/index.ts';
import { errorOfReply, type RedisConnection } from '../../redis/index.ts';
import { type CommandArg, type Reply, ReplyError, replyText } from '../../resp/index.ts';
import { type Abilities, missingRight } from './abilities.ts';
import { type Expiry, ExpiryQuestion } from './expiry.ts';
import type { BigKeyBounds } from './scan-options.ts';

/** A key and what is known of it before its value is read. */
export type SizedKey = {
  readonly key: Buffer;
  /** Memory at the server, or a guess. */
  readonly bytes: number;
  readonly isBig: boolean;
};

export type ReadKey = {
  readonly key: Buffer;
  /** `null`: gone. */
  readonly payload: Buffer | null;
  readonly expireAtMs: number | undefined;
};

/** One transaction: short enough that nobody at the server waits for it. */
const GROUP_KEYS = 64;
const GROUP_BYTES = 256 << 10;

/** What a collection is guessed to take per element where the server does not tell memory. */
const ELEMENT_BYTES = 64;
const LENGTH_OF: Readonly<Record<string, string>> = {
  string: 'STRLEN',
  list: 'LLEN',
  set: 'SCARD',
  zset: 'ZCARD',
  hash: 'HLEN',
  stream: 'XLEN',
};

/** Reads keys of the connection's database by DUMP, many in one pipeline. */
export class KeyReader {
  readonly #conn: RedisConnection;
  readonly #abilities: Abilities;
  readonly #bounds: BigKeyBounds;
  readonly #expiry: ExpiryQuestion;

  constructor(conn: RedisConnection, abilities: Abilities, bounds: BigKeyBounds) {
    this.#conn = conn;
    this.#abilities = abilities;
    this.#bounds = bounds;
    this.#expiry = new ExpiryQuestion(abilities);
  }

  /** How large each key is; those that are gone already are left out. */
  async measure(keys: readonly Buffer[]): Promise<SizedKey[]> {
    const { memoryUsage, type } = this.#abilities;
    if (memoryUsage) return await this.#measureMemory(keys);
    if (type) return await this.#measureLengths(keys);
    return keys.map((key) => ({ key, bytes: ELEMENT_BYTES, isBig: false }));
  }

  async #measureMemory(keys: readonly Buffer[]): Promise<SizedKey[]> {
    const replies = await this.#conn.pipeline(keys.map((key) => ['MEMORY', 'USAGE', key]));
    return keys.flatMap((key, i) => {
      const bytes = this.#value(replies[i], 'MEMORY USAGE');
      if (typeof bytes !== 'number') return [];
      return [{ key, bytes, isBig: bytes >= this.#bounds.bytes }];
    });
  }

  async #measureLengths(keys: readonly Buffer[]): Promise<SizedKey[]> {
    const types = await this.#conn.pipeline(keys.map((key) => ['TYPE', key]));
    const known = keys.flatMap((key, i) => {
      const type = replyText(this.#value(types[i], 'TYPE'));
      return type === 'none' ? [] : [{ key, type, command: LENGTH_OF[type] }];
    });
    const asked = known.filter(({ command }) => command !== undefined);
    const lengths = await this.#conn.pipeline(asked.map(({ key, command }) => [command, key]));
    const lengthOf = new Map(asked.map(({ key }, i) => [key, lengths[i]]));
    return known.map(({ key, type }) => {
      // Any error here (another type by now, no right) leaves the key to DUMP.
      const length = lengthOf.get(key);
      const count = typeof length === 'number' ? length : 0;
      const bytes = type === 'string' ? count : count * ELEMENT_BYTES;
      const limit = type === 'string' ? this.#bounds.bytes : this.#bounds.elements;
      return { key, bytes, isBig: count >= limit };
    });
  }

  /**
   * Value and expiry of each key, both of one moment where there are transactions. Without them
   * they are asked for directly one after the other, and an expiry that is set just in between is
   * that of the next value.
   */
  async read(keys: readonly SizedKey[]): Promise<ReadKey[]> {
    const groups = groupKeys(keys);
    const commands = groups.flatMap((group) => this.#commands(group));
    const replies = await this.#conn.pipeline(commands);
    const read: ReadKey[] = [];
    let at = 0;
    for (const group of groups) {
      const size = this.#commands(group).length;
      read.push(...this.#collect(group, replies.slice(at, at + size)));
      at += size;
    }
    return read;
  }

  #commands(group: readonly Buffer[]): CommandArg[][] {
    const asked = [
      ...this.#expiry.commands(group),
      ...group.map((key): CommandArg[] => ['DUMP', key]),
    ];
    return this.#abilities.transactions ? [['MULTI'], ...asked, ['EXEC']] : asked;
  }

  #collect(group: readonly Buffer[], replies: readonly Reply[]): ReadKey[] {
    let answers = replies;
    if (this.#abilities.transactions) {
      // What was refused while it was queued says why EXEC was.
      for (const reply of replies) this.#value(reply, 'DUMP');
      const result = replies.at(-1);
      if (!Array.isArray(result)) throw garbage('EXEC');
      answers = result;
    }
    const expiries = this.#expiry.read(answers.slice(0, this.#expiry.replies(group.length)));
    const payloads = answers.slice(-group.length);
    return group.map((key, i) => this.#readKey(key, expiries[i], payloads[i]));
  }

  #readKey(key: Buffer, expiry: Expiry, answer: Reply): ReadKey {
    const payload = this.#value(answer, 'DUMP');
    if (payload === null || expiry === 'gone') return { key, payload: null, expireAtMs: undefined };
    if (!(payload instanceof Buffer)) throw garbage('DUMP');
    return { key, payload, expireAtMs: expiry === 'none' ? undefined : expiry };
  }

  #value(reply: Reply, what: string): Reply {
    if (!(reply instanceof ReplyError)) return reply;
    if (reply.code === 'NOPERM') throw missingRight(this.#conn, reply, what);
    throw errorOfReply(reply, what);
  }
}

/** Keys that are read in one transaction. */
export function groupKeys(keys: readonly SizedKey[]): Buffer[][] {
  const groups: Buffer[][] = [];
  let group: Buffer[] = [];
  let bytes = 0;
  for (const sized of keys) {
    if (group.length === GROUP_KEYS || (group.length > 0 && bytes + sized.bytes > GROUP_BYTES)) {
      groups.push(group);
      group = [];
      bytes = 0;
    }
    group.push(sized.key);
    bytes += sized.bytes;
  }
  if (group.length > 0) groups.push(group);
  return groups;
}

function garbage(what: string): CodedError {
  return new CodedError('SOURCE_GARBAGE', `Cannot understand the reply to ${what}`);
}
