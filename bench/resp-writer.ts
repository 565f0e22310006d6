import type { SeededRandom } from '../test/support/seeded-random.ts';

const CHUNK_BYTES = 1 << 20;
/** 64 characters that JSON does not escape. */
const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');

/** Writes RESP commands into one reused buffer, without making strings of random data. */
export class RespWriter {
  readonly #random: SeededRandom;
  #bytes = Buffer.allocUnsafe(CHUNK_BYTES * 2);
  #length = 0;
  #commands = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  get isFull(): boolean {
    return this.#length >= CHUNK_BYTES;
  }

  /** What was written since the last call; valid until the next command. */
  take(): { readonly bytes: Buffer; readonly commands: number } {
    const taken = { bytes: this.#bytes.subarray(0, this.#length), commands: this.#commands };
    this.#length = 0;
    this.#commands = 0;
    return taken;
  }

  /** Begins a command of `args` arguments, its name included; they must follow. */
  begin(name: string, args: number): void {
    this.#commands++;
    this.#header(0x2a, args);
    this.text(name);
  }

  /** An argument of ASCII text. */
  text(text: string): void {
    this.#header(0x24, text.length);
    this.#reserve(text.length + 2);
    for (let i = 0; i < text.length; i++) this.#bytes[this.#length++] = text.charCodeAt(i);
    this.#end();
  }

  bytes(value: Uint8Array): void {
    this.#header(0x24, value.length);
    this.#reserve(value.length + 2);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    this.#end();
  }

  /** An argument of `size` random characters, after `prefix`. */
  word(size: number, prefix = ''): void {
    this.#header(0x24, prefix.length + size);
    this.#reserve(prefix.length + size + 2);
    for (let i = 0; i < prefix.length; i++) this.#bytes[this.#length++] = prefix.charCodeAt(i);
    this.#characters(size);
    this.#end();
  }

  /** A key of 16 bytes that is unique for every index: 8 of it, scrambled, and 8 random ones. */
  key16(index: number): void {
    this.#header(0x24, 16);
    this.#reserve(18);
    // Odd factors keep 32-bit numbers distinct.
    let scrambled = Math.imul(index + 1, 0x9e3779b1) >>> 0;
    for (let i = 0; i < 8; i++) {
      this.#bytes[this.#length++] = ALPHABET[scrambled & 15];
      scrambled >>>= 4;
    }
    this.#characters(8);
    this.#end();
  }

  #characters(size: number): void {
    let word = 0;
    for (let i = 0; i < size; i++) {
      if (i % 5 === 0) word = this.#random.uint32();
      this.#bytes[this.#length++] = ALPHABET[word & 63];
      word >>>= 6;
    }
  }

  #header(kind: number, value: number): void {
    this.#reserve(24);
    this.#bytes[this.#length++] = kind;
    if (value >= 10) {
      let divisor = 10;
      while (divisor * 10 <= value) divisor *= 10;
      for (let rest = value; divisor > 1; divisor /= 10) {
        this.#bytes[this.#length++] = 48 + Math.floor(rest / divisor);
        rest %= divisor;
      }
    }
    this.#bytes[this.#length++] = 48 + (value % 10);
    this.#end();
  }

  #end(): void {
    this.#bytes[this.#length++] = 13;
    this.#bytes[this.#length++] = 10;
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + size));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
