import { le32 } from '../byte-order.ts';
import { ElementReader } from './element-reader.ts';

/**
 * listpack (docs/formats/rdb.md, compact containers):
 *
 *   u32 total bytes · u16 count (65535: unknown) · entries · ff
 *
 *   0xxxxxxx            0 to 127                11100000–11101111 b   string, 12-bit length
 *   10xxxxxx            string of 0 to 63       f0 u32                string
 *   110xxxxx b          13-bit integer          f1 f2 f3 f4           int16, 24, 32, 64
 *
 * Behind each entry its size in 7-bit groups, so that it can be walked backwards.
 */
export class ListpackReader extends ElementReader {
  #count = 0;
  #seen = 0;

  get count(): number {
    return this.#count;
  }

  protected begin(): void {
    this.need(7);
    if (le32(this.box, this.pos) >>> 0 !== this.stop - this.pos) throw this.corrupt('its size');
    const count = this.box[this.pos + 4] | (this.box[this.pos + 5] << 8);
    this.#count = count === 0xffff ? -1 : count;
    this.#seen = 0;
    this.pos += 6;
  }

  next(): boolean {
    this.need(1);
    const at = this.pos;
    const first = this.box[at];
    if (first === 0xff) {
      if (at + 1 !== this.stop) throw this.corrupt('its end');
      if (this.#count >= 0 && this.#seen !== this.#count) throw this.corrupt('its count');
      return false;
    }
    this.#seen++;
    if (first < 0x80) {
      this.setInteger(first);
      this.pos = at + 1;
    } else if (first < 0xc0) this.#string(at + 1, first & 0x3f);
    else if (first < 0xe0) {
      this.need(2);
      const value = ((first & 0x1f) << 8) | this.box[at + 1];
      this.setInteger(value >= 4096 ? value - 8192 : value);
      this.pos = at + 2;
    } else if (first < 0xf0) {
      this.need(2);
      this.#string(at + 2, ((first & 0x0f) << 8) | this.box[at + 1]);
    } else this.#wide(first, at);
    this.#back(this.pos - at);
    return true;
  }

  #string(start: number, size: number): void {
    this.pos = start;
    this.need(size);
    this.setText(start, start + size);
    this.pos = start + size;
  }

  #wide(first: number, at: number): void {
    // The smallest of them is followed by its backward size and the end.
    this.need(5);
    const box = this.box;
    if (first === 0xf0) {
      this.#string(at + 5, le32(box, at + 1) >>> 0);
    } else if (first === 0xf1) {
      this.setInteger(((box[at + 1] | (box[at + 2] << 8)) << 16) >> 16);
      this.pos = at + 3;
    } else if (first === 0xf2) {
      this.setInteger(((box[at + 1] | (box[at + 2] << 8) | (box[at + 3] << 16)) << 8) >> 8);
      this.pos = at + 4;
    } else if (first === 0xf3) {
      this.setInteger(le32(box, at + 1));
      this.pos = at + 5;
    } else if (first === 0xf4) {
      this.need(9);
      this.setInt64(le32(box, at + 5), le32(box, at + 1));
      this.pos = at + 9;
    } else throw this.corrupt('an entry');
  }

  /** Checks the backward size: most significant group first, all but the first with bit 7. */
  #back(size: number): void {
    const bytes = size < 128 ? 1 : size < 16384 ? 2 : size < 2097152 ? 3 : size < 268435456 ? 4 : 5;
    this.need(bytes);
    let value = this.box[this.pos];
    for (let i = 1; i < bytes; i++) {
      const group = this.box[this.pos + i];
      if (group < 0x80) throw this.corrupt('a backward size');
      value = value * 128 + (group & 0x7f);
    }
    if (value !== size) throw this.corrupt('a backward size');
    this.pos += bytes;
  }
}
