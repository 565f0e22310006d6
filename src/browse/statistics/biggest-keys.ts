export type BigKey = {
  readonly db: number;
  /** As JSON Lines write a key. */
  readonly key: string;
  readonly type: string;
  /** Bytes as JSON Lines. */
  readonly bytes: number;
  /** Elements of a collection, entries of a stream; null for strings and opaque values. */
  readonly elements: number | null;
};

/** The largest keys seen so far, the largest first. */
export class BiggestKeys {
  readonly #count: number;
  readonly #keys: BigKey[] = [];

  constructor(count: number) {
    this.#count = count;
  }

  /** Whether a key of so many bytes would be among them. */
  wants(bytes: number): boolean {
    if (this.#keys.length < this.#count) return this.#count > 0;
    return bytes > this.#keys[this.#keys.length - 1].bytes;
  }

  add(key: BigKey): void {
    if (!this.wants(key.bytes)) return;
    const at = this.#keys.findIndex((other) => other.bytes < key.bytes);
    this.#keys.splice(at === -1 ? this.#keys.length : at, 0, key);
    if (this.#keys.length > this.#count) this.#keys.pop();
  }

  get keys(): readonly BigKey[] {
    return this.#keys;
  }
}
