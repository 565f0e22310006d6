import type { ByteBuilder } from '../../base/index.ts';
import { canonicalInt, INT64_TEXT_BYTES, parseCanonicalInt } from '../numbers/int-text.ts';
import type { CompactBuilder } from './compact-builder.ts';
import { writeInt32 } from './length.ts';

const HEADER_BYTES = 6;
/** Most that encoding and backward size can take beside the data. */
const OVERHEAD_BYTES = 10;
const TWO_32 = 4294967296;

/**
 * listpack (docs/formats/rdb.md, compact containers):
 *
 *   u32 total bytes · u16 count (65535: unknown) · entries · ff
 *
 *   0xxxxxxx            0 to 127                11100000–11101111 b   string, 12-bit length
 *   10xxxxxx            string of 0 to 63       f0 u32                string
 *   110xxxxx b          13-bit integer          f1 f2 f3 f4           int16, 24, 32, 64
 *
 * Behind each entry its size in 7-bit groups, most significant first, all but the first with bit 7.
 */
export class ListpackBuilder implements CompactBuilder {
  count = 0;
  readonly #out: ByteBuilder;
  #from = 0;

  constructor(out: ByteBuilder) {
    this.#out = out;
  }

  get size(): number {
    return this.#out.length - this.#from + 1;
  }

  begin(): void {
    this.#from = this.#out.length;
    this.#out.reserve(HEADER_BYTES + 1);
    this.#out.length += HEADER_BYTES;
    this.count = 0;
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (size <= INT64_TEXT_BYTES && size > 0 && bytes[start] <= 57) {
      if (parseCanonicalInt(bytes, start, end)) {
        this.int64(canonicalInt.high, canonicalInt.low);
        return;
      }
    }
    const out = this.#out;
    out.reserve(size + OVERHEAD_BYTES);
    const at = out.length;
    if (size < 64) {
      out.bytes[at] = 0x80 | size;
      out.length = at + 1;
    } else if (size < 4096) {
      out.bytes[at] = 0xe0 | (size >>> 8);
      out.bytes[at + 1] = size & 0xff;
      out.length = at + 2;
    } else {
      out.bytes[at] = 0xf0;
      out.length = writeInt32(out.bytes, at + 1, size);
    }
    out.append(bytes, start, end);
    this.#back(out.length - at);
  }

  integer(value: number): void {
    if (value === (value | 0)) this.int64(value >> 31, value);
    else this.int64(Math.floor(value / TWO_32) | 0, (value % TWO_32) | 0);
  }

  /** Appends the integer with these halves, each as a signed 32-bit integer. */
  int64(high: number, low: number): void {
    const out = this.#out;
    out.reserve(OVERHEAD_BYTES);
    const bytes = out.bytes;
    const at = out.length;
    this.count++;
    if (high === 0 && low >= 0 && low <= 127) {
      bytes[at] = low;
      bytes[at + 1] = 1;
      out.length = at + 2;
      return;
    }
    let size = 9;
    if (high !== low >> 31) {
      bytes[at] = 0xf4;
      writeInt32(bytes, at + 1, low);
      writeInt32(bytes, at + 5, high);
    } else if (low >= -4096 && low <= 4095) {
      bytes[at] = 0xc0 | ((low >>> 8) & 0x1f);
      bytes[at + 1] = low & 0xff;
      size = 2;
    } else {
      writeInt32(bytes, at + 1, low);
      size = low >= -32768 && low <= 32767 ? 3 : low >= -8388608 && low <= 8388607 ? 4 : 5;
      bytes[at] = 0xee + size;
    }
    bytes[at + size] = size;
    out.length = at + size + 1;
  }

  /** Appends `count` entries that another listpack builder made. */
  entries(bytes: Uint8Array, start: number, end: number, count: number): void {
    this.#out.append(bytes, start, end);
    this.count += count;
  }

  /** Forgets everything behind a place noted earlier (`out.length`, `count`). */
  rewind(length: number, count: number): void {
    this.#out.length = length;
    this.count = count;
  }

  finish(): void {
    const out = this.#out;
    out.byte(0xff);
    const from = this.#from;
    writeInt32(out.bytes, from, out.length - from);
    const count = Math.min(this.count, 0xffff);
    out.bytes[from + 4] = count & 0xff;
    out.bytes[from + 5] = count >>> 8;
  }

  #back(size: number): void {
    const out = this.#out;
    const bytes = out.bytes;
    let at = out.length;
    this.count++;
    if (size < 128) {
      bytes[at++] = size;
    } else if (size < 16384) {
      bytes[at++] = size >>> 7;
      bytes[at++] = 0x80 | (size & 0x7f);
    } else {
      const groups = size < 2097152 ? 3 : size < 268435456 ? 4 : 5;
      bytes[at++] = Math.floor(size / 128 ** (groups - 1));
      for (let group = groups - 2; group >= 0; group--) {
        bytes[at++] = 0x80 | ((size >>> (7 * group)) & 0x7f);
      }
    }
    out.length = at;
  }
}
