/** A small seeded generator of random numbers (sfc32): the same seed gives the same numbers. */
export class SeededRandom {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = Math.imul(seed, 0x9e3779b9) | 0;
    this.#c = 0x5bd1e995;
    for (let i = 0; i < 12; i++) this.uint32();
  }

  uint32(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + result;
    return result >>> 0;
  }

  /** An integer from 0 to `limit` − 1. */
  below(limit: number): number {
    return Math.floor((this.uint32() / 2 ** 32) * limit);
  }

  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.uint32() < probability * 2 ** 32;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }

  /** Fills a part of a buffer with random bytes. */
  fill(bytes: Uint8Array, start = 0, end = bytes.length): void {
    for (let i = start; i < end; ) {
      let word = this.uint32();
      for (let n = 0; n < 4 && i < end; n++, i++) {
        bytes[i] = word & 255;
        word >>>= 8;
      }
    }
  }

  bytes(size: number): Buffer {
    const bytes = Buffer.allocUnsafe(size);
    this.fill(bytes);
    return bytes;
  }

  /** Letters and digits. */
  word(size: number): string {
    let text = '';
    while (text.length < size) text += this.uint32().toString(36);
    return text.slice(0, size);
  }

  double(): number {
    const mantissa = this.uint32() / 2 ** 32 + this.uint32();
    const value = mantissa * 10 ** this.between(-25, 15);
    return this.chance(0.5) ? value : -value;
  }
}
