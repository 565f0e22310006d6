/** A stream of bytes whose beginning can be looked at before it is read. */
export class Peekable implements AsyncIterable<Uint8Array> {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);
  #isOver = false;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** What comes first: `size` bytes or more, fewer only where there are no more. */
  async look(size: number): Promise<Buffer> {
    while (this.#held.length < size && !this.#isOver) {
      const { done, value } = await this.#chunks.next();
      if (done === true) this.#isOver = true;
      else this.#held = Buffer.concat([this.#held, value]);
    }
    return this.#held;
  }

  /** Everything from the beginning. Once only. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      const held = this.#held;
      this.#held = Buffer.alloc(0);
      if (held.length > 0) yield held;
      while (!this.#isOver) {
        const { done, value } = await this.#chunks.next();
        if (done === true) return;
        yield value;
      }
    } finally {
      await this.close();
    }
  }

  /** Lets the stream go. Idempotent. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.#chunks.return?.();
  }
}
