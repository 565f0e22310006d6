import { le32 } from '../byte-order.ts';
import { ElementReader } from './element-reader.ts';

/** intset: u32 width (2, 4 or 8) · u32 count · ascending little-endian integers. */
export class IntsetReader extends ElementReader {
  #count = 0;
  #left = 0;
  #width = 0;

  get count(): number {
    return this.#count;
  }

  protected begin(): void {
    this.need(8);
    this.#width = le32(this.box, this.pos);
    this.#count = le32(this.box, this.pos + 4) >>> 0;
    this.#left = this.#count;
    if (this.#width !== 2 && this.#width !== 4 && this.#width !== 8)
      throw this.corrupt('its width');
    if (this.stop - this.pos !== 8 + this.#width * this.#count) throw this.corrupt('its size');
    this.pos += 8;
  }

  next(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    const at = this.pos;
    if (this.#width === 2) {
      this.setInteger(((this.box[at] | (this.box[at + 1] << 8)) << 16) >> 16);
    } else if (this.#width === 4) this.setInteger(le32(this.box, at));
    else this.setInt64(le32(this.box, at + 4), le32(this.box, at));
    this.pos = at + this.#width;
    return true;
  }
}
