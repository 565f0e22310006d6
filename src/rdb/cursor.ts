import { CodedError } from '../base/index.ts';
import { be32, le32 } from './byte-order.ts';
import {
  MAX_CONTAINER_BYTES,
  STRING_INT16,
  STRING_INT32,
  STRING_INT8,
  STRING_LZF,
} from './format.ts';
import { lzfDecompress } from './kernels/lzf.ts';
import { forwardLzf } from './kernels/lzf-stream.ts';
import { formatSafeInt } from './numbers/int-text.ts';
import { TEXT_PIECE_BYTES } from './value-sink.ts';

/** Receives a text in pieces; the shape of ValueSink.text. */
export interface TextSink {
  text(bytes: Uint8Array, start: number, end: number, last: boolean, total: number): void;
}

/** Gives the next bytes of the input, the cursor's until the next call; undefined: no more. */
export type Refill = () => Uint8Array | undefined;

/** Up to here an LZF string is decompressed in one go. */
const WHOLE_LZF_BYTES = 4 << 20;

/**
 * A reading position in RDB bytes. Every read first makes sure that its bytes are there (`need`),
 * which is at once the bounds check and, for a value that arrives in pieces, the wait for the next
 * one: decoders are written as straight lines and need no states.
 */
export class RdbCursor {
  bytes: Uint8Array;
  pos: number;
  end: number;
  /** Dump offset of `bytes[0]`. */
  base: number;

  /** Where `readString` left its result: valid until the next read. */
  text: Uint8Array = EMPTY;
  textStart = 0;
  textEnd = 0;

  readonly #refill: Refill | undefined;
  #scratch: Buffer = EMPTY;
  readonly #digits = new Uint8Array(24);
  readonly #double = new Float64Array(1);
  readonly #doubleBytes = new Uint8Array(this.#double.buffer);

  constructor(bytes: Uint8Array, pos: number, end: number, base: number, refill?: Refill) {
    this.bytes = bytes;
    this.pos = pos;
    this.end = end;
    this.base = base;
    this.#refill = refill;
  }

  /** Whether the input comes in pieces, whose bytes are not kept. */
  get refills(): boolean {
    return this.#refill !== undefined;
  }

  /** Position in the dump, for messages. */
  get offset(): number {
    return this.base + this.pos;
  }

  /** Starts over on other bytes, keeping the buffers. */
  reset(bytes: Uint8Array, pos: number, end: number, base: number): void {
    this.bytes = bytes;
    this.pos = pos;
    this.end = end;
    this.base = base;
  }

  /** Makes sure that `size` bytes follow `pos` in one piece. Throws RDB_TRUNCATED. */
  need(size: number): void {
    if (this.pos + size > this.end) this.#fill(size);
  }

  #fill(size: number): void {
    while (this.end - this.pos < size) {
      const more = this.#refill?.();
      if (more === undefined) {
        throw new CodedError(
          'RDB_TRUNCATED',
          `Cannot read ${size} bytes at offset ${this.offset}: ${this.end - this.pos} left`,
          { offset: this.offset },
        );
      }
      const left = this.end - this.pos;
      const base = this.base + this.pos;
      if (left === 0) this.reset(more, 0, more.length, base);
      else {
        const joined = Buffer.allocUnsafe(left + more.length);
        joined.set(this.bytes.subarray(this.pos, this.end));
        joined.set(more, left);
        this.reset(joined, 0, joined.length, base);
      }
    }
  }

  /** More input, when there is some: for readers that take whatever comes. */
  fillAny(): void {
    this.#fill(this.end - this.pos + 1);
  }

  byte(): number {
    if (this.pos >= this.end) this.#fill(1);
    return this.bytes[this.pos++];
  }

  /** Little-endian IEEE double. */
  double(): number {
    this.need(8);
    for (let i = 0; i < 8; i++) this.#doubleBytes[i] = this.bytes[this.pos + i];
    this.pos += 8;
    return this.#double[0];
  }

  /**
   * A little-endian signed 64-bit time. Servers take any, so one that is not exact as a number
   * (after the year 287396) becomes the last that is: for people both mean never.
   */
  milliseconds(): number {
    this.need(8);
    const at = this.pos;
    const low = le32(this.bytes, at) >>> 0;
    const value = le32(this.bytes, at + 4) * 0x1_0000_0000 + low;
    this.pos = at + 8;
    return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value));
  }

  /** Little-endian signed 32 bits. */
  int32(): number {
    this.need(4);
    const value = le32(this.bytes, this.pos);
    this.pos += 4;
    return value;
  }

  /** Big-endian unsigned 32 bits, as stream ids are stored. */
  word(): number {
    this.need(4);
    const value = be32(this.bytes, this.pos);
    this.pos += 4;
    return value;
  }

  /** A length that must be one, and exact as a number. */
  length(): number {
    const at = this.offset;
    const value = this.#lengthOrForm();
    if (value < 0) throw this.corruptAt('a length', at);
    if (value > Number.MAX_SAFE_INTEGER) throw this.corruptAt(`a length of ${value}`, at);
    return value;
  }

  /** All 64 bits of a length. */
  bigLength(): bigint {
    this.need(1);
    if (this.bytes[this.pos] !== 0x81) return BigInt(this.length());
    this.need(9);
    const high = be32(this.bytes, this.pos + 1);
    const low = be32(this.bytes, this.pos + 5);
    this.pos += 9;
    return (BigInt(high) << 32n) | BigInt(low);
  }

  /** A length, or -1 - form for a special string. */
  #lengthOrForm(): number {
    const first = this.byte();
    if (first < 0x40) return first;
    if (first < 0x80) return ((first & 0x3f) << 8) | this.byte();
    if (first >= 0xc0) return -1 - (first & 0x3f);
    if (first === 0x80) return this.word();
    if (first !== 0x81) throw this.corruptAt('a length', this.offset - 1);
    return this.word() * 0x1_0000_0000 + this.word();
  }

  /**
   * Reads a string that must be whole in memory (a key, a container) and leaves it in `text`,
   * `textStart`, `textEnd`. Throws RDB_UNSUPPORTED above `limit`.
   */
  readString(limit = MAX_CONTAINER_BYTES): void {
    const at = this.offset;
    const size = this.#lengthOrForm();
    if (size >= 0) {
      if (size > limit) throw this.tooLong(size, at);
      this.need(size);
      this.text = this.bytes;
      this.textStart = this.pos;
      this.textEnd = this.pos + size;
      this.pos += size;
    } else if (size === -1 - STRING_LZF) this.#readLzf(limit, at);
    else this.#readInteger(-1 - size, at);
  }

  /** The same, as a copy that is the caller's. */
  copyString(limit = MAX_CONTAINER_BYTES): Buffer {
    this.readString(limit);
    return Buffer.from(this.text.subarray(this.textStart, this.textEnd));
  }

  /** Reads a string of any size and hands it on, in pieces when it is long. */
  forwardString(sink: TextSink): void {
    const at = this.offset;
    const size = this.#lengthOrForm();
    if (size >= 0) {
      if (size > TEXT_PIECE_BYTES) this.#forwardLong(sink, size);
      else {
        this.need(size);
        const start = this.pos;
        this.pos = start + size;
        sink.text(this.bytes, start, start + size, true, size);
      }
    } else if (size !== -1 - STRING_LZF) {
      this.#readInteger(-1 - size, at);
      sink.text(this.text, this.textStart, this.textEnd, true, this.textEnd);
    } else this.#forwardLzf(sink, at);
  }

  #forwardLong(sink: TextSink, size: number): void {
    if (size > Number.MAX_SAFE_INTEGER) throw this.corrupt(`a string of ${size} bytes`);
    for (let left = size; left > 0; ) {
      const piece = Math.min(left, TEXT_PIECE_BYTES);
      this.need(piece);
      const start = this.pos;
      this.pos += piece;
      left -= piece;
      sink.text(this.bytes, start, start + piece, left === 0, size);
    }
  }

  #forwardLzf(sink: TextSink, at: number): void {
    const packed = this.length();
    const size = this.length();
    this.#checkLzf(packed, size, at);
    if (size <= WHOLE_LZF_BYTES) {
      this.#unpack(packed, size);
      forwardPieces(sink, this.#scratch, 0, size);
    } else forwardLzf(this, packed, size, sink);
  }

  #readLzf(limit: number, at: number): void {
    const packed = this.length();
    const size = this.length();
    this.#checkLzf(packed, size, at);
    if (size > limit) throw this.tooLong(size, at);
    this.#unpack(packed, size);
    this.text = this.#scratch;
    this.textStart = 0;
    this.textEnd = size;
  }

  /** LZF spends at most two bytes on one, and at least three on 264: anything else is a lie. */
  #checkLzf(packed: number, size: number, at: number): void {
    if (packed === 0 || packed > size * 2 || size > packed * 264) {
      throw this.corruptAt(`an LZF string of ${packed} bytes for ${size}`, at);
    }
  }

  #unpack(packed: number, size: number): void {
    this.need(packed);
    if (this.#scratch.length < size) {
      this.#scratch = Buffer.allocUnsafeSlow(Math.max(size, 1 << 16, this.#scratch.length * 2));
    }
    const end = this.pos + packed;
    lzfDecompress(this.bytes, this.pos, end, this.#scratch, 0, size, this.offset);
    this.pos = end;
  }

  #readInteger(form: number, at: number): void {
    let value = 0;
    if (form === STRING_INT8) value = (this.byte() << 24) >> 24;
    else if (form === STRING_INT16) {
      this.need(2);
      value = ((this.bytes[this.pos] | (this.bytes[this.pos + 1] << 8)) << 16) >> 16;
      this.pos += 2;
    } else if (form === STRING_INT32) value = this.int32();
    else throw this.corruptAt(`string form ${form}`, at);
    this.text = this.#digits;
    this.textStart = 0;
    this.textEnd = formatSafeInt(value, this.#digits, 0);
  }

  corrupt(what: string): CodedError {
    return this.corruptAt(what, this.offset);
  }

  corruptAt(what: string, offset: number): CodedError {
    return new CodedError('RDB_CORRUPT', `Cannot read ${what} at offset ${offset}`, { offset });
  }

  tooLong(size: number, offset: number): CodedError {
    return new CodedError(
      'RDB_UNSUPPORTED',
      `Cannot hold a key or container of ${size} bytes at offset ${offset} in memory`,
      { offset },
    );
  }
}

const EMPTY = Buffer.alloc(0);

/** Hands a text that is whole in memory on in pieces of the agreed size. */
export function forwardPieces(sink: TextSink, bytes: Uint8Array, start: number, end: number): void {
  const total = end - start;
  let at = start;
  while (end - at > TEXT_PIECE_BYTES) {
    sink.text(bytes, at, at + TEXT_PIECE_BYTES, false, total);
    at += TEXT_PIECE_BYTES;
  }
  sink.text(bytes, at, end, true, total);
}
