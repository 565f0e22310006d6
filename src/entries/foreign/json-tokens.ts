import { CodedError } from '../../base/index.ts';
import { parseDouble } from '../../rdb/index.ts';
import { JsonCursor, literal } from '../json-cursor.ts';

export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_ARRAY = 0x5b;
export const CLOSE_ARRAY = 0x5d;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;

const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const POINT = 0x2e;
const PLUS = 0x2b;
const LETTER_E = 0x65;
const TRUE = literal('true');
const FALSE = literal('false');
const NULL = literal('null');

/** No value of the schema is nested deeper than nine: anything deeper is refused unread. */
const MAX_DEPTH = 16;

/** More would name no member that anybody knows. */
const SHOWN_BYTES = 40;

/**
 * A reading position in JSON of any form: spaces between tokens, members in any order, every
 * escape, numbers in any notation. Demands what RFC 8259 demands. The bytes must be UTF-8 already.
 */
export class JsonTokens extends JsonCursor {
  /** Some byte of the line is below 20 (hex): texts must be searched for them. */
  mayHoldControls = false;

  /** `end` is behind the last byte that may be read. */
  openLine(bytes: Uint8Array, start: number, end: number): void {
    this.open(bytes, start, end);
    let i = start;
    while (i < end && bytes[i] >= 0x20) i++;
    this.mayHoldControls = i < end;
  }

  skipSpaces(): void {
    const { bytes, end } = this;
    let i = this.pos;
    while (i < end && isSpace(bytes[i])) i++;
    this.pos = i;
  }

  /** The byte that begins the next token; -1 at the end. */
  peek(): number {
    this.skipSpaces();
    return this.pos < this.end ? this.bytes[this.pos] : -1;
  }

  /** Steps over a byte of punctuation if it is next. */
  accept(byte: number): boolean {
    this.skipSpaces();
    return this.skipByte(byte);
  }

  demand(byte: number): void {
    this.skipSpaces();
    this.expectByte(byte);
  }

  /** Reads a text into `text`, `textStart`, `textEnd`: the bytes of a Redis string. */
  readString(): void {
    this.skipSpaces();
    const at = this.pos;
    if (this.bytes[at] !== QUOTE || at >= this.end) throw this.invalid('a text');
    this.readText();
    if (this.mayHoldControls) this.#refuseControls(at + 1, this.pos - 1);
  }

  /** The text just read, each byte a character. For names and words, not for values. */
  latin1(): string {
    const { text, textStart, textEnd } = this;
    return Buffer.from(text.buffer, text.byteOffset + textStart, textEnd - textStart).toString(
      'latin1',
    );
  }

  #refuseControls(start: number, end: number): void {
    for (let i = start; i < end; i++) {
      if (this.bytes[i] >= 0x20) continue;
      this.pos = i;
      throw this.invalid('an escape instead of a control character');
    }
  }

  /** A number in any notation, as the nearest double; may be infinite when it is too great. */
  readNumber(): number {
    this.skipSpaces();
    const start = this.pos;
    this.skipByte(MINUS);
    if (!this.skipByte(0x30)) this.#digits();
    if (this.skipByte(POINT)) this.#digits();
    if (this.pos < this.end && (this.bytes[this.pos] | 0x20) === LETTER_E) {
      this.pos++;
      if (!this.skipByte(PLUS)) this.skipByte(MINUS);
      this.#digits();
    }
    return parseDouble(this.bytes, start, this.pos);
  }

  #digits(): void {
    const start = this.pos;
    while (this.pos < this.end && isDigit(this.bytes[this.pos])) this.pos++;
    if (this.pos === start) throw this.invalid('a number');
  }

  /** An integer in any notation (`12`, `1.2e1`) between two bounds. */
  readInteger(least: number, most: number): number {
    this.skipSpaces();
    const start = this.pos;
    const value = this.readNumber();
    if (Number.isInteger(value) && value >= least && value <= most) return value === 0 ? 0 : value;
    this.pos = start;
    throw this.invalid(`an integer from ${least} to ${most}`);
  }

  readBoolean(): boolean {
    this.skipSpaces();
    if (this.skip(TRUE)) return true;
    if (this.skip(FALSE)) return false;
    throw this.invalid('true or false');
  }

  isNull(): boolean {
    return this.peek() === NULL[0];
  }

  readNull(): void {
    this.skipSpaces();
    if (!this.skip(NULL)) throw this.invalid('null');
  }

  /** Steps over a value of any kind without looking into it more than finding its end needs. */
  skipValue(): void {
    let depth = 0;
    do {
      const byte = this.peek();
      if (byte === QUOTE) this.skipText();
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        if (++depth > MAX_DEPTH) throw this.invalid('a value less deeply nested');
        this.pos++;
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
        if (depth-- === 0) throw this.invalid('a value');
        this.pos++;
      } else if (depth > 0 && (byte === COMMA || byte === COLON)) this.pos++;
      else this.#skipWord();
    } while (depth > 0);
  }

  /** Over a number or a word. */
  #skipWord(): void {
    const { bytes, end } = this;
    const start = this.pos;
    let i = start;
    while (i < end && isWordByte(bytes[i])) i++;
    if (i === start) throw this.invalid('a value');
    this.pos = i;
  }

  /** What is written at `[start, end)`, for messages: short, and harmless on a terminal. */
  shown(start: number, end: number): string {
    const size = Math.min(end - start, SHOWN_BYTES);
    const { buffer, byteOffset } = this.bytes;
    const text = Buffer.from(buffer, byteOffset + start, size).toString('utf8');
    return size < end - start ? `${text}…` : text;
  }

  /** The text in JSON of `[start, end)`, which has been checked to be of one value. */
  parsed(start: number, end: number): unknown {
    const { buffer, byteOffset } = this.bytes;
    const text = Buffer.from(buffer, byteOffset + start, end - start).toString('utf8');
    return JSON.parse(text) as unknown;
  }

  override invalid(what: string): CodedError {
    return this.wrong(`expected ${what}`);
  }

  /** A line that says something it must not say; `offset` in `bytes`. */
  wrong(found: string, offset = this.pos): CodedError {
    return new CodedError('JSONL_INVALID', found, { offset });
  }
}

export function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0d || byte === 0x09 || byte === 0x0a;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** What numbers and the three words are made of. */
function isWordByte(byte: number): boolean {
  return (
    isDigit(byte) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    byte === MINUS ||
    byte === PLUS ||
    byte === POINT
  );
}

/** Whether `[start, end)` holds an escape. */
export function hasEscape(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] === BACKSLASH) return true;
  return false;
}
