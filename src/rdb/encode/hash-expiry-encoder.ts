import { TYPE } from '../format.ts';
import { formatSafeInt, INT64_TEXT_BYTES } from '../numbers/int-text.ts';
import { appendInt64, appendLength, appendString } from './length.ts';
import { ListpackBuilder } from './listpack-builder.ts';
import { LIMIT } from './target-format.ts';
import { TextStage } from './text-stage.ts';
import type { ValueBuffer } from './value-buffer.ts';

/** In the place of an expiry: the field stays. */
const NONE = 0;

/**
 * Hashes of which a field expires (docs/formats/rdb.md, hash variants): Redis types 24 and 25,
 * Valkey type 22. The expiry is known after its pair, and stands before it or in another order:
 * pairs are staged.
 */
export class HashExpiryEncoder {
  readonly #buffer: ValueBuffer;
  readonly #listpack: ListpackBuilder;
  readonly #stage = new TextStage();
  readonly #digits = new Uint8Array(INT64_TEXT_BYTES);
  #expiries = new Float64Array(LIMIT.hashPairs);
  #isCompact = true;
  #expiring = 0;

  constructor(buffer: ValueBuffer) {
    this.#buffer = buffer;
    this.#listpack = new ListpackBuilder(buffer.out);
  }

  /** Bytes that wait here. */
  get stagedBytes(): number {
    return this.#stage.out.length;
  }

  begin(): void {
    this.#stage.clear();
    this.#isCompact = true;
    this.#expiring = 0;
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    if (this.#buffer.draining && this.#stage.count === 2) this.#flush();
    if (end - start > LIMIT.textBytes) this.#isCompact = false;
    this.#stage.add(bytes, start, end);
    const pairs = (this.#stage.count + 1) >> 1;
    if (pairs > this.#expiries.length) {
      const grown = new Float64Array(pairs * 2);
      grown.set(this.#expiries);
      this.#expiries = grown;
    }
    this.#expiries[pairs - 1] = NONE;
  }

  /** The expiry of the pair that was given last. */
  expireAt(ms: number): void {
    this.#expiries[(this.#stage.count >> 1) - 1] = ms;
    this.#expiring++;
  }

  /** Takes texts from strings that `appendString` wrote: integers and plain ones below 2^32. */
  takeStrings(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      const first = bytes[at];
      if (first >= 0xc0) {
        const width = 1 << (first & 3);
        this.text(this.#digits, 0, formatSafeInt(bytes.readIntLE(at + 1, width), this.#digits, 0));
        at += 1 + width;
        continue;
      }
      let size = first;
      at += 1;
      if (first >= 0x80) {
        size = bytes.readUInt32BE(at);
        at += 4;
      } else if (first >= 0x40) {
        size = ((first & 0x3f) << 8) | bytes[at];
        at += 1;
      }
      this.text(bytes, at, at + size);
      at += size;
    }
  }

  /** With pieces leaving early the least expiry is not known: zero serves as well. */
  settle(declared: number): boolean {
    this.#flushAllButLast();
    this.#seal(declared, 0);
    return true;
  }

  end(): void {
    const buffer = this.#buffer;
    if (buffer.draining) {
      this.#flush();
      return;
    }
    const pairs = this.#stage.count >> 1;
    if (this.#expiring === 0) {
      this.#appendPlain();
      buffer.sealCounted(TYPE.hash, pairs);
      return;
    }
    const least = this.#leastExpiry();
    const isValkey = buffer.format.fieldExpiry === 'valkey';
    if (!isValkey && this.#isCompact && pairs <= LIMIT.hashPairs) {
      this.#appendListpack(pairs);
      buffer.prependLength(buffer.out.length - buffer.bodyStart);
      buffer.prependInt64(least);
      buffer.seal(TYPE.hashListpackExpiry);
      return;
    }
    for (let pair = 0; pair < pairs; pair++) this.#appendPair(pair, least);
    this.#seal(pairs, least);
  }

  #seal(pairs: number, least: number): void {
    this.#buffer.prependLength(pairs);
    if (this.#buffer.format.fieldExpiry === 'valkey') {
      this.#buffer.seal(TYPE.hash22);
      return;
    }
    this.#buffer.prependInt64(least);
    this.#buffer.seal(TYPE.hashExpiry);
  }

  /** The last pair may be incomplete, or its expiry still to come. */
  #flushAllButLast(): void {
    const stage = this.#stage;
    const last = (stage.count - 1) & ~1;
    for (let pair = 0; pair < last >> 1; pair++) this.#appendPair(pair, 0);
    const kept: Buffer[] = [];
    for (let i = last; i < stage.count; i++) {
      kept.push(Buffer.from(stage.bytes.subarray(stage.start(i), stage.end(i))));
    }
    stage.clear();
    for (const text of kept) stage.add(text, 0, text.length);
    this.#expiries[0] = NONE;
  }

  #flush(): void {
    const pairs = this.#stage.count >> 1;
    for (let pair = 0; pair < pairs; pair++) this.#appendPair(pair, 0);
    this.#stage.clear();
  }

  #appendPair(pair: number, least: number): void {
    const { out, format } = this.#buffer;
    const expiry = this.#expiries[pair];
    if (format.fieldExpiry === 'redis') appendLength(out, expiry === NONE ? 0 : expiry - least + 1);
    this.#appendText(pair * 2);
    this.#appendText(pair * 2 + 1);
    if (format.fieldExpiry === 'valkey') appendInt64(out, expiry === NONE ? -1 : expiry);
  }

  #appendText(index: number): void {
    const stage = this.#stage;
    appendString(this.#buffer.out, stage.bytes, stage.start(index), stage.end(index));
  }

  #appendPlain(): void {
    for (let i = 0; i < this.#stage.count; i++) this.#appendText(i);
  }

  /** Triples, the sooner expiring first and those that stay last. */
  #appendListpack(pairs: number): void {
    const stage = this.#stage;
    const order = Array.from({ length: pairs }, (_, i) => i);
    const rank = (pair: number): number => this.#expiries[pair] || Number.POSITIVE_INFINITY;
    order.sort((a, b) => (rank(a) === rank(b) ? a - b : rank(a) - rank(b)));
    this.#listpack.begin();
    for (const pair of order) {
      const field = pair * 2;
      this.#listpack.text(stage.bytes, stage.start(field), stage.end(field));
      this.#listpack.text(stage.bytes, stage.start(field + 1), stage.end(field + 1));
      this.#listpack.integer(this.#expiries[pair]);
    }
    this.#listpack.finish();
  }

  #leastExpiry(): number {
    let least = Number.POSITIVE_INFINITY;
    for (let pair = 0; pair < this.#stage.count >> 1; pair++) {
      const expiry = this.#expiries[pair];
      if (expiry !== NONE && expiry < least) least = expiry;
    }
    return least;
  }
}
