import { ByteBuilder } from '../../base/index.ts';

/** Texts held in one buffer until it is known how to write them; reused from value to value. */
export class TextStage {
  readonly out = new ByteBuilder(8192);
  count = 0;
  #ends = new Float64Array(256);

  get bytes(): Uint8Array {
    return this.out.bytes;
  }

  clear(): void {
    this.out.clear();
    this.count = 0;
  }

  add(bytes: Uint8Array, start: number, end: number): void {
    this.out.append(bytes, start, end);
    if (this.count === this.#ends.length) {
      const grown = new Float64Array(this.count * 2);
      grown.set(this.#ends);
      this.#ends = grown;
    }
    this.#ends[this.count++] = this.out.length;
  }

  start(index: number): number {
    return index === 0 ? 0 : this.#ends[index - 1];
  }

  end(index: number): number {
    return this.#ends[index];
  }

  isEqual(index: number, bytes: Uint8Array, start: number, end: number): boolean {
    const from = this.start(index);
    const size = end - start;
    if (this.#ends[index] - from !== size) return false;
    const own = this.out.bytes;
    for (let i = 0; i < size; i++) if (own[from + i] !== bytes[start + i]) return false;
    return true;
  }

  /** Order of two texts by their bytes, as memcmp gives it. */
  compare(a: number, b: number): number {
    const startA = this.start(a);
    const startB = this.start(b);
    const sizeA = this.#ends[a] - startA;
    const sizeB = this.#ends[b] - startB;
    const own = this.out.bytes;
    const size = Math.min(sizeA, sizeB);
    for (let i = 0; i < size; i++) {
      const difference = own[startA + i] - own[startB + i];
      if (difference !== 0) return difference;
    }
    return sizeA - sizeB;
  }
}
