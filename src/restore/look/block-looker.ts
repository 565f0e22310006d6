import { ByteBuilder } from '../../base/index.ts';
import type { RedisConnection } from '../../redis/index.ts';
import { CommandWriter, type Reply, ReplyError } from '../../resp/index.ts';
import { digestOfPayload, digestOfText } from '../command-parts.ts';
import { equalExpiry, equalToPayload, expiryCommand, readDigest, timeOf } from '../comparison.ts';
import { NO_EXPIRY } from '../policies.ts';
import { refused } from '../refusals.ts';
import {
  ABSENT,
  type BlockSight,
  DIFFERENT,
  EQUAL,
  type LookOptions,
  type LookWish,
  PRINT_BYTES,
} from './block-sight.ts';
import { CommandTable } from './command-table.ts';
import { writePrint, writeSizePrint } from './fingerprint.ts';
import { ReplyBatches } from './reply-batches.ts';

/** Keys that one EXISTS asks for. */
const EXISTS_KEYS = 64;

/** No key of one line takes more memory than this, in any encoding: more cannot be equal. */
const MAX_COMPARED_BYTES = 64 << 20;

/** Bytes of values that one round trip may bring. */
const ROUND_BYTES = 16 << 20;

/** Texts up to this size are read whole for a fingerprint. */
const SMALL_TEXT_BYTES = 1024;

/** What a key counts for beside its value when a round is filled. */
const KEY_BYTES = 128;

const NO_SUFFIX = new Uint8Array(0);

/**
 * Looks at what a target has under the keys of a block: whether the key exists, and whether it
 * holds what the block's command would write. Reads only as much as the comparison takes: of a
 * string one byte more than is wanted. Changes nothing. Runs in a worker.
 */
export class BlockLooker {
  readonly #replies: ReplyBatches;
  readonly #options: LookOptions;
  readonly #table = new CommandTable();
  readonly #out = new ByteBuilder(1 << 16);
  readonly #writer = new CommandWriter(this.#out);
  /** Behind every key that is asked for. */
  #suffix: Uint8Array = NO_SUFFIX;
  #asked = 0;
  #nowMs = 0;
  #mayExpire = true;
  #prints = new Uint8Array(0);
  /** By command: whether the target's expiry is the wanted one, and which it is. */
  #isDue = new Uint8Array(0);
  #expireAtMs = new Float64Array(0);

  /** Takes the connection over. */
  constructor(conn: RedisConnection, options: LookOptions) {
    this.#replies = new ReplyBatches(conn);
    this.#options = options;
  }

  /** TARGET_LOST, TARGET_REFUSED. One call at a time. */
  async look(wish: LookWish): Promise<BlockSight> {
    const { count } = wish;
    await this.#open(wish.targetDb);
    this.#table.read(wish, this.#nowMs);
    this.#isDue = new Uint8Array(count);
    this.#expireAtMs = new Float64Array(count);
    const states = new Uint8Array(count);
    const copies = new Uint8Array(wish.copies ? count : 0);
    const prints = new Uint8Array(wish.prints ? count * PRINT_BYTES : 0);
    const all = Array.from({ length: count }, (_, i) => i);
    this.#prints = prints;
    this.#suffix = NO_SUFFIX;
    await this.#examine(all, states);
    if (wish.copies) {
      this.#prints = new Uint8Array(0);
      this.#suffix = Buffer.from(this.#options.renameSuffix);
      await this.#examine(all, copies);
    }
    return { states, prints, copies };
  }

  close(): void {
    this.#replies.close();
  }

  async #open(db: number): Promise<void> {
    this.#command(2, 'SELECT');
    this.#writer.integer(db);
    this.#command(1, 'TIME');
    this.#command(2, 'INFO');
    this.#writer.word('keyspace');
    const [selected, time, info] = await this.#send();
    if (selected instanceof ReplyError) throw refused('SELECT', selected);
    this.#nowMs = timeOf(time);
    const text = Buffer.isBuffer(info) ? info.toString('latin1') : undefined;
    const expiring = new RegExp(`^db${db}:.*\\bexpires=(\\d+)`, 'm').exec(text ?? '')?.[1];
    // Where no key of the database expires, none has to be asked for it.
    this.#mayExpire = text === undefined || expiring !== '0';
  }

  async #examine(keys: readonly number[], states: Uint8Array): Promise<void> {
    let round: number[] = [];
    let bytes = 0;
    for (const i of await this.#existing(keys)) {
      round.push(i);
      bytes += this.#table.valueEnd[i] - this.#table.valueStart[i] + KEY_BYTES;
      if (bytes < ROUND_BYTES) continue;
      await this.#compare(round, states);
      round = [];
      bytes = 0;
    }
    await this.#compare(round, states);
  }

  /** Asks for many at once, and for each alone where only some of them exist. */
  async #existing(keys: readonly number[]): Promise<number[]> {
    const groups: (readonly number[])[] = [];
    for (let first = 0; first < keys.length; first += EXISTS_KEYS) {
      const group = keys.slice(first, first + EXISTS_KEYS);
      groups.push(group);
      this.#command(group.length + 1, 'EXISTS');
      for (const i of group) this.#key(i);
    }
    const counts = (await this.#send()).map((reply) => numberOf('EXISTS', reply));
    const mixed = groups.filter((group, n) => counts[n] > 0 && counts[n] < group.length).flat();
    for (const i of mixed) this.#ask(2, 'EXISTS', i);
    const replies = (await this.#send()).map((reply) => numberOf('EXISTS', reply));
    const absent = new Set(mixed.filter((_, n) => replies[n] === 0));
    return groups
      .filter((_, n) => counts[n] > 0)
      .flat()
      .filter((i) => !absent.has(i));
  }

  async #compare(keys: readonly number[], states: Uint8Array): Promise<void> {
    const { isSet } = this.#table;
    for (const i of keys) {
      if (this.#mayExpire) this.#ask(2, expiryCommand(this.#options.facts), i);
      if (isSet[i] === 0) continue;
      this.#ask(4, 'GETRANGE', i);
      this.#writer.integer(0);
      this.#writer.integer(this.#lastRead(i));
    }
    const replies = await this.#send();
    const undecided: number[] = [];
    let at = 0;
    for (const i of keys) {
      this.#noteExpiry(i, this.#mayExpire ? replies[at++] : NO_EXPIRY);
      states[i] = DIFFERENT;
      if (isSet[i] === 1) {
        if (!this.#compareText(i, replies[at++], states)) undecided.push(i);
      } else if (this.#isDue[i] === 1 || this.#wantsPrints) undecided.push(i);
    }
    await this.#compareDumps(undecided, states);
  }

  #noteExpiry(i: number, reply: Reply): void {
    const { facts, ttl } = this.#options;
    const isDue = equalExpiry(this.#table.expireAtMs[i], reply, this.#nowMs, facts, ttl);
    this.#isDue[i] = isDue ? 1 : 0;
    const value = Number(reply);
    // A time to live is told at another instant each time: no part of a fingerprint.
    this.#expireAtMs[i] = value < 0 ? NO_EXPIRY : facts.expireTime ? value : 0;
  }

  get #wantsPrints(): boolean {
    return this.#prints.length > 0;
  }

  /** The index of the last byte that GETRANGE is asked for: one more than is wanted. */
  #lastRead(i: number): number {
    const size = this.#table.valueEnd[i] - this.#table.valueStart[i];
    return this.#wantsPrints ? Math.max(size, SMALL_TEXT_BYTES) : size;
  }

  /** False: more has to be read for the fingerprint. */
  #compareText(i: number, seen: Reply, states: Uint8Array): boolean {
    if (seen instanceof ReplyError && seen.code === 'WRONGTYPE') return !this.#wantsPrints;
    if (!Buffer.isBuffer(seen)) throw refused('GETRANGE', seen);
    const { bytes, valueStart, valueEnd } = this.#table;
    const isSame =
      this.#isDue[i] === 1 &&
      seen.length === valueEnd[i] - valueStart[i] &&
      seen.compare(bytes, valueStart[i], valueEnd[i]) === 0;
    if (isSame) {
      states[i] = EQUAL;
      return true;
    }
    if (!this.#wantsPrints) return true;
    if (seen.length > this.#lastRead(i)) return false;
    writePrint(this.#prints, i * PRINT_BYTES, digestOfText(seen), this.#expireAtMs[i]);
    return true;
  }

  /** Reads values by DUMP, those of bounded size. */
  async #compareDumps(keys: readonly number[], states: Uint8Array): Promise<void> {
    const usages = await this.#usages(keys);
    let round: number[] = [];
    let bytes = 0;
    for (const [n, i] of keys.entries()) {
      const usage = usages[n];
      if (usage > MAX_COMPARED_BYTES) {
        if (this.#wantsPrints) writeSizePrint(this.#prints, i * PRINT_BYTES, usage);
        continue;
      }
      round.push(i);
      bytes += usage;
      if (bytes < ROUND_BYTES) continue;
      await this.#readDumps(round, states);
      round = [];
      bytes = 0;
    }
    await this.#readDumps(round, states);
  }

  /**
   * Bytes of memory. MEMORY USAGE looks at five elements and is far off where one of them is long:
   * it is asked again for the truth before a key is called too large. 0 where nobody tells.
   */
  async #usages(keys: readonly number[]): Promise<number[]> {
    for (const i of keys) this.#ask(3, 'MEMORY', i, 'USAGE');
    const usages = (await this.#send()).map((reply) => (typeof reply === 'number' ? reply : 0));
    for (const [n, usage] of usages.entries()) {
      if (usage <= MAX_COMPARED_BYTES) continue;
      this.#ask(5, 'MEMORY', keys[n], 'USAGE');
      this.#writer.word('SAMPLES');
      this.#writer.integer(0);
      const [truth] = await this.#send();
      if (typeof truth === 'number') usages[n] = truth;
    }
    return usages;
  }

  async #readDumps(keys: readonly number[], states: Uint8Array): Promise<void> {
    for (const i of keys) this.#ask(2, 'DUMP', i);
    const payloads = await this.#send();
    for (const [n, i] of keys.entries()) {
      const payload = payloads[n];
      if (payload === null) states[i] = ABSENT;
      else if (!Buffer.isBuffer(payload)) throw refused('DUMP', payload);
      else states[i] = this.#judge(i, payload);
    }
  }

  #judge(i: number, payload: Buffer): number {
    const { bytes, valueStart, valueEnd, isSet } = this.#table;
    const wanted = bytes.subarray(valueStart[i], valueEnd[i]);
    const nowMs = this.#nowMs;
    const isSame =
      isSet[i] === 0 &&
      this.#isDue[i] === 1 &&
      (payload.equals(wanted) ||
        equalToPayload(() => digestOfPayload(wanted, nowMs), payload, nowMs));
    if (isSame) return EQUAL;
    if (this.#wantsPrints) {
      const digest = readDigest(payload, nowMs) ?? digestOfText(payload);
      writePrint(this.#prints, i * PRINT_BYTES, digest, this.#expireAtMs[i]);
    }
    return DIFFERENT;
  }

  /** Begins a question about one key, whose further parts may follow. */
  #ask(parts: number, name: string, i: number, word?: string): void {
    this.#command(parts, name);
    if (word !== undefined) this.#writer.word(word);
    this.#key(i);
  }

  #command(parts: number, name: string): void {
    this.#writer.begin(parts);
    this.#writer.word(name);
    this.#asked++;
  }

  #key(i: number): void {
    const { bytes, keyStart, keyEnd } = this.#table;
    this.#writer.joined(bytes, keyStart[i], keyEnd[i], this.#suffix);
  }

  async #send(): Promise<Reply[]> {
    const asked = this.#asked;
    const bytes = this.#out.copy();
    this.#out.clear();
    this.#asked = 0;
    return await this.#replies.ask(bytes, asked);
  }
}

function numberOf(name: string, reply: Reply): number {
  if (typeof reply !== 'number') throw refused(name, reply);
  return reply;
}
