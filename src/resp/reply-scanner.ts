import { CodedError } from '../base/index.ts';

const HEAD_BYTES = 256;
const MAX_DEPTH = 16;
const MAX_DIGITS = 18;

const CR = 0x0d;
const LF = 0x0a;
const STATUS = 0x2b;
const ERROR = 0x2d;
const INTEGER = 0x3a;
const BULK = 0x24;
const ARRAY = 0x2a;
const O = 0x4f;
const K = 0x4b;

/** `null` is a null bulk or a null array: `SET … NX` that did not set answers so. */
export type ScannedKind = 'status' | 'error' | 'integer' | 'bulk' | 'null' | 'array';

/**
 * Told of one reply. `index` counts replies from 0 since the scanner was created. `head` is the
 * scanner's, valid during the call: the first `length` (at most 256) bytes of the status, error or
 * integer text or of the bulk string. For an array, the line of the first error nested in it, and
 * length 0 when it holds none.
 */
export type OnReply = (index: number, kind: ScannedKind, head: Buffer, length: number) => void;

type Step = 'kind' | 'line' | 'bulk-length' | 'array-length' | 'bulk' | 'bulk-cr' | 'bulk-lf';

/**
 * Counts top-level replies in a stream of bytes cut anywhere; calls `onReply` for each reply that
 * is not the status OK. Allocates nothing per reply.
 */
export class ReplyScanner {
  /** Complete top-level replies so far. */
  replies = 0;
  readonly #onReply: OnReply;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  readonly #left = new Float64Array(MAX_DEPTH);
  #headLength = 0;
  #nestedError = false;
  #depth = 0;
  #step: Step = 'kind';
  #kind = 0;
  #isNull = false;
  #number = 0;
  #digits = 0;
  #negative = false;
  #sawCr = false;
  #remaining = 0;
  #base = 0;

  constructor(onReply: OnReply) {
    this.#onReply = onReply;
  }

  /** True between replies: nothing of a next one has been seen. */
  get atBoundary(): boolean {
    return this.#step === 'kind' && this.#depth === 0;
  }

  /** Scans `[start, end)`, which stays the caller's. Throws RESP_INVALID. */
  push(bytes: Uint8Array, start = 0, end = bytes.length): void {
    let at = start;
    while (at < end) {
      if (this.#step === 'kind' && this.#depth === 0 && isOkAt(bytes, at, end)) {
        this.replies++;
        at += 5;
        continue;
      }
      if (this.#step === 'bulk') {
        at = this.#skipBulk(bytes, at, end);
        continue;
      }
      this.#byte(bytes[at], this.#base + at - start);
      at++;
    }
    this.#base += end - start;
  }

  #skipBulk(bytes: Uint8Array, at: number, end: number): number {
    const take = Math.min(this.#remaining, end - at);
    if (this.#depth === 0) {
      for (let i = 0; i < take && this.#headLength < HEAD_BYTES; i++) {
        this.#head[this.#headLength++] = bytes[at + i];
      }
    }
    this.#remaining -= take;
    if (this.#remaining === 0) this.#step = 'bulk-cr';
    return at + take;
  }

  #byte(byte: number, offset: number): void {
    switch (this.#step) {
      case 'kind':
        this.#beginReply(byte, offset);
        break;
      case 'line':
        this.#lineByte(byte, offset);
        break;
      case 'bulk-length':
      case 'array-length':
        this.#lengthByte(byte, offset);
        break;
      case 'bulk-cr':
        if (byte !== CR) throw invalid(offset, 'a bulk string longer than announced');
        this.#step = 'bulk-lf';
        break;
      default:
        if (byte !== LF) throw invalid(offset, 'a bulk string without its line end');
        this.#endValue();
    }
  }

  #beginReply(byte: number, offset: number): void {
    this.#kind = byte;
    this.#isNull = false;
    this.#sawCr = false;
    this.#number = 0;
    this.#digits = 0;
    this.#negative = false;
    if (this.#depth === 0) {
      this.#headLength = 0;
      this.#nestedError = false;
    }
    if (byte === BULK) this.#step = 'bulk-length';
    else if (byte === ARRAY) this.#step = 'array-length';
    else if (byte === STATUS || byte === ERROR || byte === INTEGER) this.#step = 'line';
    else throw invalid(offset, `byte 0x${byte.toString(16)} where a reply should begin`);
  }

  #lineByte(byte: number, offset: number): void {
    if (this.#sawCr) {
      if (byte !== LF) throw invalid(offset, 'a line that ends in CR without LF');
      if (this.#depth > 0 && this.#kind === ERROR) this.#nestedError = true;
      this.#endValue();
      return;
    }
    if (byte === CR) {
      this.#sawCr = true;
      return;
    }
    if (byte === LF) throw invalid(offset, 'a line that ends in LF without CR');
    const wanted = this.#depth === 0 || (this.#kind === ERROR && !this.#nestedError);
    if (wanted && this.#headLength < HEAD_BYTES) this.#head[this.#headLength++] = byte;
  }

  #lengthByte(byte: number, offset: number): void {
    if (this.#sawCr) {
      if (byte !== LF) throw invalid(offset, 'a length that ends in CR without LF');
      this.#endLength(offset);
    } else if (byte === CR && this.#digits > 0) {
      this.#sawCr = true;
    } else if (byte === 0x2d && this.#digits === 0 && !this.#negative) {
      this.#negative = true;
    } else if (byte >= 0x30 && byte <= 0x39 && this.#digits < MAX_DIGITS) {
      this.#number = this.#number * 10 + (byte - 0x30);
      this.#digits++;
    } else {
      throw invalid(offset, 'a length that is not a number');
    }
  }

  #endLength(offset: number): void {
    if (this.#negative) {
      if (this.#number !== 1) throw invalid(offset, 'a negative length');
      this.#isNull = true;
      this.#endValue();
    } else if (this.#step === 'bulk-length') {
      this.#remaining = this.#number;
      this.#step = this.#number === 0 ? 'bulk-cr' : 'bulk';
    } else if (this.#number === 0) {
      this.#endValue();
    } else {
      if (this.#depth === MAX_DEPTH) throw invalid(offset, 'arrays nested too deeply');
      this.#left[this.#depth++] = this.#number;
      this.#step = 'kind';
    }
  }

  /** A value is complete: so may be the arrays that end with it. */
  #endValue(): void {
    this.#step = 'kind';
    let kind = this.#isNull ? 'null' : kindOf(this.#kind);
    while (this.#depth > 0) {
      const left = this.#left[this.#depth - 1] - 1;
      this.#left[this.#depth - 1] = left;
      if (left > 0) return;
      this.#depth--;
      kind = 'array';
    }
    const index = this.replies++;
    if (kind === 'status' && this.#headLength === 2 && isOk(this.#head)) return;
    this.#onReply(index, kind, this.#head, this.#headLength);
  }
}

function isOk(head: Uint8Array): boolean {
  return head[0] === O && head[1] === K;
}

function isOkAt(bytes: Uint8Array, at: number, end: number): boolean {
  return (
    end - at >= 5 &&
    bytes[at] === STATUS &&
    bytes[at + 1] === O &&
    bytes[at + 2] === K &&
    bytes[at + 3] === CR &&
    bytes[at + 4] === LF
  );
}

function kindOf(byte: number): ScannedKind {
  if (byte === STATUS) return 'status';
  if (byte === ERROR) return 'error';
  if (byte === INTEGER) return 'integer';
  return byte === BULK ? 'bulk' : 'array';
}

function invalid(offset: number, found: string): CodedError {
  return new CodedError('RESP_INVALID', `Cannot read replies at byte ${offset}: found ${found}`, {
    offset,
  });
}
