import type { ByteBuilder } from '../../base/index.ts';
import { canonicalInt, formatInt64, INT64_TEXT_BYTES } from '../numbers/int-text.ts';
import { writeInt32 } from './length.ts';
import { LIMIT } from './target-format.ts';

/**
 * Collects the integers of a set and writes them as intset (docs/formats/rdb.md, compact
 * containers): u32 width (2, 4, 8), u32 count, ascending little-endian integers of that width.
 */
export class IntsetBuilder {
  count = 0;
  readonly #high = new Int32Array(LIMIT.intsetMembers);
  readonly #low = new Int32Array(LIMIT.intsetMembers);
  #width = 2;
  #sorted = true;
  readonly #text = new Uint8Array(INT64_TEXT_BYTES);

  begin(): void {
    this.count = 0;
    this.#width = 2;
    this.#sorted = true;
  }

  /** Takes the integer that `parseCanonicalInt` left; there must be room. */
  add(): void {
    const { high, low } = canonicalInt;
    const i = this.count++;
    this.#high[i] = high;
    this.#low[i] = low;
    if (high !== low >> 31) this.#width = 8;
    else if (this.#width === 2 && low !== (low << 16) >> 16) this.#width = 4;
    if (i > 0 && this.#sorted) {
      const before = this.#high[i - 1];
      this.#sorted = before < high || (before === high && this.#low[i - 1] >>> 0 < low >>> 0);
    }
  }

  /** Gives the decimal text of every member, in the order in which they came. */
  forEachText(take: (bytes: Uint8Array, start: number, end: number) => void): void {
    for (let i = 0; i < this.count; i++) {
      take(this.#text, 0, formatInt64(this.#high[i], this.#low[i], this.#text, 0));
    }
  }

  appendTo(out: ByteBuilder): void {
    if (!this.#sorted) this.#sort();
    const width = this.#width;
    out.reserve(8 + this.count * width);
    const bytes = out.bytes;
    let at = writeInt32(bytes, writeInt32(bytes, out.length, width), this.count);
    for (let i = 0; i < this.count; i++) {
      const low = this.#low[i];
      if (width === 2) {
        bytes[at++] = low & 0xff;
        bytes[at++] = (low >>> 8) & 0xff;
        continue;
      }
      at = writeInt32(bytes, at, low);
      if (width === 8) at = writeInt32(bytes, at, this.#high[i]);
    }
    out.length = at;
  }

  #sort(): void {
    const { count } = this;
    if (this.#width < 8) {
      const low = this.#low.subarray(0, count).sort();
      for (let i = 0; i < count; i++) this.#high[i] = low[i] >> 31;
      return;
    }
    const wide = new BigInt64Array(count);
    const words = new DataView(wide.buffer);
    for (let i = 0; i < count; i++) {
      words.setInt32(i * 8, this.#low[i], true);
      words.setInt32(i * 8 + 4, this.#high[i], true);
    }
    wide.sort();
    for (let i = 0; i < count; i++) {
      this.#low[i] = words.getInt32(i * 8, true);
      this.#high[i] = words.getInt32(i * 8 + 4, true);
    }
  }
}
