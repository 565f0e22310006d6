import { CodedError } from '../../base/index.ts';
import { formatInt64, formatSafeInt, INT64_TEXT_BYTES } from '../numbers/int-text.ts';
import { parseDouble } from '../numbers/parse-double.ts';

/**
 * What reading a compact container (listpack, ziplist, intset, zipmap) has in common: after
 * `next()` the element's text is `[start, end)` of `bytes`, valid until the following call.
 */
export abstract class ElementReader {
  bytes: Uint8Array = EMPTY;
  start = 0;
  end = 0;

  /** The container being read, and where it lies in the dump. */
  protected box: Uint8Array = EMPTY;
  protected pos = 0;
  protected stop = 0;
  #boxStart = 0;
  #offset = 0;

  protected isNumber = false;
  #number = 0;
  #isWide = false;
  #high = 0;
  #low = 0;
  readonly #digits = new Uint8Array(INT64_TEXT_BYTES);

  /** Begins the container at `[start, end)`; `offset` is its place in the dump, for messages. */
  open(box: Uint8Array, start: number, end: number, offset: number): void {
    this.box = box;
    this.pos = start;
    this.stop = end;
    this.#boxStart = start;
    this.#offset = offset;
    this.begin();
  }

  protected abstract begin(): void;

  /** False at the end of the container. Throws RDB_CORRUPT. */
  abstract next(): boolean;

  /** How many elements the header promises; -1: it does not say. */
  abstract get count(): number;

  /** The present element as a score: an integer's own value, or what its text says. */
  number(): number {
    if (this.isNumber) return this.#number;
    const value = parseDouble(this.bytes, this.start, this.end);
    if (Number.isNaN(value)) throw this.corrupt('a score');
    return value;
  }

  /** The present element, which must be an integer that is exact as a number. */
  integer(): number {
    const value = this.number();
    if (!Number.isSafeInteger(value)) throw this.corrupt('an integer');
    return value;
  }

  /** The upper and lower 32 bits, unsigned, of the present element, which must be an integer. */
  get highWord(): number {
    if (!this.isNumber) throw this.corrupt('an integer');
    return (this.#isWide ? this.#high : Math.floor(this.#number / 0x1_0000_0000)) >>> 0;
  }

  get lowWord(): number {
    return (this.#isWide ? this.#low : this.#number) >>> 0;
  }

  protected setText(start: number, end: number): void {
    this.bytes = this.box;
    this.start = start;
    this.end = end;
    this.isNumber = false;
  }

  protected setInteger(value: number): void {
    this.isNumber = true;
    this.#isWide = false;
    this.#number = value;
    this.bytes = this.#digits;
    this.start = 0;
    this.end = formatSafeInt(value, this.#digits, 0);
  }

  protected setInt64(high: number, low: number): void {
    this.isNumber = true;
    this.#isWide = true;
    this.#high = high;
    this.#low = low;
    this.#number = high * 0x1_0000_0000 + (low >>> 0);
    this.bytes = this.#digits;
    this.start = 0;
    this.end = formatInt64(high, low, this.#digits, 0);
  }

  /** Makes sure that `size` bytes follow `pos` inside the container. */
  protected need(size: number): void {
    if (this.pos + size > this.stop) throw this.corrupt('past its end');
  }

  corrupt(what: string): CodedError {
    const inside = this.pos - this.#boxStart;
    return new CodedError(
      'RDB_CORRUPT',
      `Cannot read ${what} at byte ${inside} of the compact value at offset ${this.#offset}`,
      { offset: this.#offset },
    );
  }
}

const EMPTY = new Uint8Array(0);
