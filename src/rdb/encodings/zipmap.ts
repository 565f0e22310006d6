import { le32 } from '../byte-order.ts';
import { ElementReader } from './element-reader.ts';

/**
 * zipmap (hashes before Redis 2.6): a count byte (254 and above: unknown), then field, value, field
 * and so on, each behind its length (a byte below 254, or fe and a u32); behind a value's length
 * one byte says how many unused bytes follow the value; ff ends it.
 */
export class ZipmapReader extends ElementReader {
  #count = 0;
  #isValue = false;

  /** Pairs. */
  get count(): number {
    return this.#count;
  }

  protected begin(): void {
    this.need(2);
    const count = this.box[this.pos];
    this.#count = count >= 254 ? -1 : count;
    this.#isValue = false;
    this.pos += 1;
  }

  next(): boolean {
    this.need(1);
    let size = this.box[this.pos];
    if (size === 0xff) {
      if (this.pos + 1 !== this.stop || this.#isValue) throw this.corrupt('its end');
      return false;
    }
    if (size === 254) {
      this.need(5);
      size = le32(this.box, this.pos + 1) >>> 0;
      this.pos += 5;
    } else this.pos += 1;
    let free = 0;
    if (this.#isValue) {
      this.need(1);
      free = this.box[this.pos++];
    }
    this.need(size + free);
    this.setText(this.pos, this.pos + size);
    this.pos += size + free;
    this.#isValue = !this.#isValue;
    return true;
  }
}
