import { CodedError } from '../base/index.ts';
import { parseDouble } from '../rdb/index.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const PAD = 0x3d;

/** Values of the base64 alphabet; 64: not in it. */
const BASE64_VALUE = new Uint8Array(256).fill(64);
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
for (let i = 0; i < ALPHABET.length; i++) BASE64_VALUE[ALPHABET.charCodeAt(i)] = i;

/** Values of hexadecimal digits; 16: none. */
const HEX_VALUE = new Uint8Array(256).fill(16);
for (let i = 0; i < 16; i++) {
  HEX_VALUE[i.toString(16).charCodeAt(0)] = i;
  HEX_VALUE[i.toString(16).toUpperCase().charCodeAt(0)] = i;
}

const BASE64_TAG = Buffer.from('base64:');
const TEXT_TAG = Buffer.from('text:');
const ESCAPES: Readonly<Record<number, number>> = {
  0x22: 0x22,
  0x5c: 0x5c,
  0x2f: 0x2f,
  0x62: 8,
  0x66: 12,
  0x6e: 10,
  0x72: 13,
  0x74: 9,
};

/** A literal that our own lines hold at a fixed place. */
export function literal(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

/**
 * A reading position in JSON Lines as JsonLineWriter writes them: no spaces. Texts come out as the
 * bytes of the Redis string; a text that stands for itself is not copied.
 */
export class JsonCursor {
  bytes: Uint8Array = EMPTY;
  pos = 0;
  end = 0;
  /** The last text read: valid until the next call. */
  text: Uint8Array = EMPTY;
  textStart = 0;
  textEnd = 0;
  #scratch: Buffer = Buffer.allocUnsafe(4096);

  open(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.pos = start;
    this.end = end;
  }

  /** Steps over `expected` if it is next. */
  skip(expected: Uint8Array): boolean {
    const { bytes, pos } = this;
    const size = expected.length;
    if (pos + size > this.end) return false;
    for (let i = 0; i < size; i++) if (bytes[pos + i] !== expected[i]) return false;
    this.pos = pos + size;
    return true;
  }

  expect(expected: Uint8Array): void {
    if (!this.skip(expected)) throw this.invalid(Buffer.from(expected).toString('latin1'));
  }

  /** Steps over one byte if it is next. */
  skipByte(byte: number): boolean {
    if (this.pos >= this.end || this.bytes[this.pos] !== byte) return false;
    this.pos++;
    return true;
  }

  expectByte(byte: number): void {
    if (!this.skipByte(byte)) throw this.invalid(String.fromCharCode(byte));
  }

  /** An integer that is exact as a number. */
  integer(): number {
    const negative = this.skipByte(MINUS);
    const start = this.pos;
    let value = 0;
    while (this.pos < this.end) {
      const digit = this.bytes[this.pos] - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      this.pos++;
    }
    if (this.pos === start || !Number.isSafeInteger(value)) throw this.invalid('an integer');
    return negative ? -value : value;
  }

  /** A number, or one of the texts "inf" and "-inf". */
  score(): number {
    if (this.skip(INF)) return Number.POSITIVE_INFINITY;
    if (this.skip(MINUS_INF)) return Number.NEGATIVE_INFINITY;
    const start = this.pos;
    while (this.pos < this.end && isNumberByte(this.bytes[this.pos])) this.pos++;
    const value = parseDouble(this.bytes, start, this.pos);
    if (!Number.isFinite(value)) throw this.invalid('a score');
    return value;
  }

  /** Steps over a text; the position of its closing quote. */
  skipText(): number {
    this.expectByte(QUOTE);
    const { bytes, end } = this;
    let i = this.pos;
    for (;;) {
      if (i >= end) throw this.invalid('the end of a text');
      const byte = bytes[i];
      if (byte === QUOTE) break;
      i += byte === BACKSLASH ? 2 : 1;
    }
    this.pos = i + 1;
    return i;
  }

  /** Reads a text into `text`, `textStart`, `textEnd`. */
  readText(): void {
    this.expectByte(QUOTE);
    const { bytes, end } = this;
    const start = this.pos;
    let i = start;
    while (i < end && bytes[i] !== QUOTE && bytes[i] !== BACKSLASH) i++;
    if (i >= end) throw this.invalid('the end of a text');
    const first = bytes[start];
    if (bytes[i] === QUOTE && first !== 0x62 && first !== 0x74) {
      this.text = bytes;
      this.textStart = start;
      this.textEnd = i;
      this.pos = i + 1;
      return;
    }
    this.#readUneven(start, i);
  }

  /** A text that may be tagged or hold escapes, the first of them at `escape`. */
  #readUneven(start: number, escape: number): void {
    this.pos = start - 1;
    const close = this.skipText();
    this.text = this.bytes;
    this.textStart = start;
    this.textEnd = close;
    // What is written with escapes may be a tag too, and base64 may hold them: `\/`.
    if (escape < close) this.#unescape(start, close);
    const { text, textStart, textEnd } = this;
    if (startsWith(text, textStart, textEnd, BASE64_TAG)) {
      this.#decodeBase64(text, textStart + BASE64_TAG.length, textEnd);
    } else if (startsWith(text, textStart, textEnd, TEXT_TAG)) {
      this.textStart = textStart + TEXT_TAG.length;
    }
  }

  #room(size: number): Buffer {
    if (this.#scratch.length < size) this.#scratch = Buffer.allocUnsafeSlow(size * 2);
    this.text = this.#scratch;
    this.textStart = 0;
    return this.#scratch;
  }

  #unescape(start: number, end: number): void {
    const { bytes } = this;
    const out = this.#room(end - start);
    let p = 0;
    for (let i = start; i < end; ) {
      const byte = bytes[i++];
      if (byte !== BACKSLASH) {
        out[p++] = byte;
        continue;
      }
      const escaped = bytes[i++];
      if (escaped !== 0x75) {
        const plain = ESCAPES[escaped];
        if (plain === undefined) throw this.invalid('an escape');
        out[p++] = plain;
        continue;
      }
      let point = this.#hex4(i, end);
      i += 4;
      if (point >= 0xd800 && point < 0xdc00 && bytes[i] === BACKSLASH && bytes[i + 1] === 0x75) {
        const low = this.#hex4(i + 2, end);
        if (low >= 0xdc00 && low < 0xe000) {
          point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
          i += 6;
        }
      }
      if (point >= 0xd800 && point < 0xe000) throw this.invalid('half of a surrogate pair');
      p += writeUtf8(point, out, p);
    }
    this.textEnd = p;
  }

  #hex4(at: number, end: number): number {
    if (at + 4 > end) throw this.invalid('an escape');
    let value = 0;
    for (let i = at; i < at + 4; i++) {
      const digit = HEX_VALUE[this.bytes[i]];
      if (digit > 15) throw this.invalid('an escape');
      value = value * 16 + digit;
    }
    return value;
  }

  /** `bytes` may be the scratch itself: what is written stays behind what is still to be read. */
  #decodeBase64(bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (size % 4 !== 0) throw this.invalid('base64');
    const out = this.#room(size);
    let p = 0;
    for (let i = start; i < end; i += 4) {
      const a = BASE64_VALUE[bytes[i]];
      const b = BASE64_VALUE[bytes[i + 1]];
      const isEnd = i + 4 === end;
      const d = isEnd && bytes[i + 3] === PAD ? 0 : BASE64_VALUE[bytes[i + 3]];
      const endsEarly = isEnd && bytes[i + 2] === PAD && bytes[i + 3] === PAD;
      const c = endsEarly ? 0 : BASE64_VALUE[bytes[i + 2]];
      if ((a | b | c | d) > 63) throw this.invalid('base64');
      out[p] = (a << 2) | (b >> 4);
      out[p + 1] = ((b & 15) << 4) | (c >> 2);
      out[p + 2] = ((c & 3) << 6) | d;
      p += 3;
    }
    if (size > 0 && bytes[end - 1] === PAD) p -= bytes[end - 2] === PAD ? 2 : 1;
    this.textEnd = p;
  }

  invalid(what: string): CodedError {
    return new CodedError('JSONL_INVALID', `Cannot find ${what} at byte ${this.pos} of the block`, {
      offset: this.pos,
    });
  }
}

const EMPTY = new Uint8Array(0);
const INF = literal('"inf"');
const MINUS_INF = literal('"-inf"');

function isNumberByte(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    byte === MINUS ||
    byte === 0x2e ||
    byte === 0x65 ||
    byte === 0x45 ||
    byte === 0x2b
  );
}

function startsWith(bytes: Uint8Array, start: number, end: number, tag: Uint8Array): boolean {
  if (end - start < tag.length) return false;
  for (let i = 0; i < tag.length; i++) if (bytes[start + i] !== tag[i]) return false;
  return true;
}

function writeUtf8(point: number, out: Uint8Array, at: number): number {
  if (point < 0x80) {
    out[at] = point;
    return 1;
  }
  if (point < 0x800) {
    out[at] = 0xc0 | (point >> 6);
    out[at + 1] = 0x80 | (point & 63);
    return 2;
  }
  if (point < 0x10000) {
    out[at] = 0xe0 | (point >> 12);
    out[at + 1] = 0x80 | ((point >> 6) & 63);
    out[at + 2] = 0x80 | (point & 63);
    return 3;
  }
  out[at] = 0xf0 | (point >> 18);
  out[at + 1] = 0x80 | ((point >> 12) & 63);
  out[at + 2] = 0x80 | ((point >> 6) & 63);
  out[at + 3] = 0x80 | (point & 63);
  return 4;
}
