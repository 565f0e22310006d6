import { assert } from '../../base/index.ts';
import { TYPE } from '../format.ts';
import { formatDouble } from '../numbers/format-double.ts';
import { canonicalInt, parseCanonicalInt } from '../numbers/int-text.ts';
import { parseDouble } from '../numbers/parse-double.ts';
import {
  appendBigLength,
  appendRawString,
  lengthBytes,
  writeInt32,
  writeLength,
} from './length.ts';
import type { ValueBuffer } from './value-buffer.ts';

const TAG_STRING = 0;
const TAG_INTEGER = 1;
const TAG_DOUBLE = 2;
const TAG_SHORT_STRING = 3;
const SHORT_STRING_BYTES = 7;
/** Decimals of up to this many characters have at most fifteen digits: exact either way. */
const DOUBLE_TEXT_LIMIT = 16;
const POINT = 46;

/** Arrays of Redis 8.8: index and tagged value per item (docs/formats/rdb.md, arrays). */
export class ArrayEncoder {
  readonly #buffer: ValueBuffer;
  readonly #text = Buffer.alloc(32);
  readonly #double = Buffer.alloc(8);
  #insertIndex: bigint | null = null;
  #count = 0;
  #declared = -1;

  constructor(buffer: ValueBuffer) {
    this.#buffer = buffer;
  }

  begin(count: number): void {
    if (!this.#buffer.format.arrays) this.#buffer.lose('array');
    this.#insertIndex = null;
    this.#count = 0;
    this.#declared = count;
  }

  insertIndex(index: bigint): void {
    this.#insertIndex = index;
  }

  index(index: bigint): void {
    this.#count++;
    appendBigLength(this.#buffer.out, index);
  }

  text(bytes: Uint8Array, start: number, end: number): void {
    const { out } = this.#buffer;
    const size = end - start;
    if (parseCanonicalInt(bytes, start, end)) {
      out.byte(TAG_INTEGER);
      out.reserve(8);
      const at = writeInt32(out.bytes, out.length, canonicalInt.low);
      out.length = writeInt32(out.bytes, at, canonicalInt.high);
    } else if (this.#isDouble(bytes, start, end)) {
      out.byte(TAG_DOUBLE);
      out.append(this.#double);
    } else {
      out.byte(size <= SHORT_STRING_BYTES ? TAG_SHORT_STRING : TAG_STRING);
      appendRawString(out, bytes, start, end);
    }
  }

  settle(): boolean {
    if (this.#declared < 0) return false;
    this.#seal(this.#declared);
    return true;
  }

  end(): void {
    if (this.#buffer.draining) {
      assert(this.#count === this.#declared, 'an array has as many items as its producer said');
    } else this.#seal(this.#count);
  }

  #seal(count: number): void {
    const buffer = this.#buffer;
    if (this.#insertIndex !== null) {
      const scratch = this.#text;
      let size = 9;
      if (this.#insertIndex < 2n ** 53n) {
        size = lengthBytes(Number(this.#insertIndex));
        writeLength(scratch, 0, Number(this.#insertIndex));
      } else {
        scratch[0] = 0x81;
        scratch.writeBigUInt64BE(this.#insertIndex, 1);
      }
      buffer.prependBytes(scratch, size);
    }
    buffer.prependLength(this.#insertIndex === null ? 0 : 1);
    buffer.sealCounted(TYPE.array, count);
  }

  /** Whether the text is exactly what the server would print for a double, in plain notation. */
  #isDouble(bytes: Uint8Array, start: number, end: number): boolean {
    const size = end - start;
    if (size < 3 || size > DOUBLE_TEXT_LIMIT) return false;
    let hasPoint = false;
    for (let i = start; i < end; i++) {
      const byte = bytes[i];
      if (byte === POINT) hasPoint = true;
      else if ((byte < 48 || byte > 57) && byte !== 45) return false;
    }
    if (!hasPoint) return false;
    const value = parseDouble(bytes, start, end);
    if (Number.isNaN(value) || value === 0) return false;
    let printed = formatDouble(value, this.#text, 0);
    if (Number.isInteger(value)) {
      this.#text[printed++] = POINT;
      this.#text[printed++] = 48;
    }
    if (printed !== size) return false;
    for (let i = 0; i < size; i++) if (this.#text[i] !== bytes[start + i]) return false;
    this.#double.writeDoubleLE(value, 0);
    return true;
  }
}
