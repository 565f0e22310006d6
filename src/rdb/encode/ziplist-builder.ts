import type { ByteBuilder } from '../../base/index.ts';
import { canonicalInt, parseCanonicalInt } from '../numbers/int-text.ts';
import type { CompactBuilder } from './compact-builder.ts';
import { writeInt32 } from './length.ts';

const HEADER_BYTES = 10;
/** Most that the previous size and the encoding can take beside the data. */
const OVERHEAD_BYTES = 14;
/** Longer texts are never tried as integers. */
const INT_TEXT_BYTES = 31;
const TWO_32 = 4294967296;

/**
 * ziplist, the compact container before Redis 7.0 (docs/formats/rdb.md, compact containers):
 *
 *   u32 total bytes · u32 offset of the last entry · u16 count (65535: unknown) · entries · ff
 *
 * An entry begins with the size of the one before it (one byte, or fe and u32 from 254 on), then
 *   00xxxxxx · 01xxxxxx b · 80 u32 BE     string of up to 63 bytes, 16383 bytes, more
 *   c0 d0 e0 f0 fe · f1–fd                int16, 32, 64, 24, 8 · 0 to 12
 */
export class ZiplistBuilder implements CompactBuilder {
  count = 0;
  readonly #out: ByteBuilder;
  #from = 0;
  #last = 0;

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
    this.#last = this.#out.length;
    this.count = 0;
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (size <= INT_TEXT_BYTES && size > 0 && bytes[start] <= 57) {
      if (parseCanonicalInt(bytes, start, end)) {
        this.#int64(canonicalInt.high, canonicalInt.low);
        return;
      }
    }
    const out = this.#out;
    out.reserve(size + OVERHEAD_BYTES);
    const at = this.#previous();
    if (size < 64) {
      out.bytes[at] = size;
      out.length = at + 1;
    } else if (size < 16384) {
      out.bytes[at] = 0x40 | (size >>> 8);
      out.bytes[at + 1] = size & 0xff;
      out.length = at + 2;
    } else {
      out.bytes[at] = 0x80;
      out.length = out.bytes.writeUInt32BE(size, at + 1);
    }
    out.append(bytes, start, end);
  }

  integer(value: number): void {
    if (value === (value | 0)) this.#int64(value >> 31, value);
    else this.#int64(Math.floor(value / TWO_32) | 0, (value % TWO_32) | 0);
  }

  #int64(high: number, low: number): void {
    const out = this.#out;
    out.reserve(OVERHEAD_BYTES);
    const at = this.#previous();
    const bytes = out.bytes;
    if (high !== low >> 31) {
      bytes[at] = 0xe0;
      writeInt32(bytes, at + 1, low);
      out.length = writeInt32(bytes, at + 5, high);
      return;
    }
    if (low >= 0 && low <= 12) {
      bytes[at] = 0xf1 + low;
      out.length = at + 1;
      return;
    }
    writeInt32(bytes, at + 1, low);
    if (low >= -128 && low <= 127) {
      bytes[at] = 0xfe;
      out.length = at + 2;
    } else if (low >= -32768 && low <= 32767) {
      bytes[at] = 0xc0;
      out.length = at + 3;
    } else if (low >= -8388608 && low <= 8388607) {
      bytes[at] = 0xf0;
      out.length = at + 4;
    } else {
      bytes[at] = 0xd0;
      out.length = at + 5;
    }
  }

  finish(): void {
    const out = this.#out;
    out.byte(0xff);
    const from = this.#from;
    writeInt32(out.bytes, from, out.length - from);
    writeInt32(out.bytes, from + 4, this.#last - from);
    const count = Math.min(this.count, 0xffff);
    out.bytes[from + 8] = count & 0xff;
    out.bytes[from + 9] = count >>> 8;
  }

  /** Begins an entry with the size of the one before; returns where its encoding goes. */
  #previous(): number {
    const out = this.#out;
    const at = out.length;
    const size = at - this.#last;
    this.#last = at;
    this.count++;
    if (size < 254) {
      out.bytes[at] = size;
      return at + 1;
    }
    out.bytes[at] = 0xfe;
    return writeInt32(out.bytes, at + 1, size);
  }
}
