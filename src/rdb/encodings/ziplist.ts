import { be32, le32 } from '../byte-order.ts';
import { ElementReader } from './element-reader.ts';

/**
 * ziplist (docs/formats/rdb.md, compact containers), the listpack's predecessor:
 *
 *   u32 total bytes · u32 offset of the last entry · u16 count (65535: unknown) · entries · ff
 *
 * Each entry begins with the size of the one before: a byte below 254, or fe and a u32 (which may
 * hold a small size too). Then:
 *
 *   00xxxxxx  string up to 63     c0 d0 e0  int16, 32, 64     f1–fd  0 to 12
 *   01xxxxxx  14-bit length       f0 fe     int24, int8
 *   80 u32    string, big endian
 */
export class ZiplistReader extends ElementReader {
  #count = 0;
  #seen = 0;

  get count(): number {
    return this.#count;
  }

  protected begin(): void {
    this.need(11);
    if (le32(this.box, this.pos) >>> 0 !== this.stop - this.pos) throw this.corrupt('its size');
    const count = this.box[this.pos + 8] | (this.box[this.pos + 9] << 8);
    this.#count = count === 0xffff ? -1 : count;
    this.#seen = 0;
    this.pos += 10;
  }

  next(): boolean {
    this.need(1);
    const first = this.box[this.pos];
    if (first === 0xff) {
      if (this.pos + 1 !== this.stop) throw this.corrupt('its end');
      if (this.#count >= 0 && this.#seen !== this.#count) throw this.corrupt('its count');
      return false;
    }
    this.#seen++;
    this.pos += first < 254 ? 1 : 5;
    this.need(2);
    const encoding = this.box[this.pos];
    if (encoding < 0x40) this.#string(1, encoding);
    else if (encoding < 0x80) {
      this.#string(2, ((encoding & 0x3f) << 8) | this.box[this.pos + 1]);
    } else if (encoding === 0x80) {
      this.need(5);
      this.#string(5, be32(this.box, this.pos + 1));
    } else this.#integer(encoding);
    return true;
  }

  #string(header: number, size: number): void {
    const start = this.pos + header;
    this.need(header + size);
    this.setText(start, start + size);
    this.pos = start + size;
  }

  #integer(encoding: number): void {
    if (encoding >= 0xf1 && encoding <= 0xfd) {
      this.setInteger(encoding - 0xf1);
      this.pos += 1;
      return;
    }
    const size = INTEGER_BYTES[encoding];
    if (size === undefined) throw this.corrupt('an entry');
    this.need(1 + size);
    const box = this.box;
    const at = this.pos + 1;
    if (size === 1) this.setInteger((box[at] << 24) >> 24);
    else if (size === 2) this.setInteger(((box[at] | (box[at + 1] << 8)) << 16) >> 16);
    else if (size === 3) {
      this.setInteger(((box[at] | (box[at + 1] << 8) | (box[at + 2] << 16)) << 8) >> 8);
    } else if (size === 4) this.setInteger(le32(box, at));
    else this.setInt64(le32(box, at + 4), le32(box, at));
    this.pos = at + size;
  }
}

const INTEGER_BYTES: Readonly<Record<number, number>> = {
  0xc0: 2,
  0xd0: 4,
  0xe0: 8,
  0xf0: 3,
  0xfe: 1,
};
