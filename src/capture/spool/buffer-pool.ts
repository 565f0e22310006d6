/**
 * Buffers of one size that go round instead of being made and collected: V8 answers memory outside
 * its heap with full collections, which cost more than all else that capture does. Not for secrets:
 * a buffer comes with whatever it held.
 */
export class BufferPool {
  readonly #size: number;
  readonly #mostFree: number;
  readonly #free: Buffer[] = [];
  readonly #made = new WeakSet<ArrayBufferLike>();

  /** Keeps at most `mostFree` buffers of `size` bytes for later. */
  constructor(size: number, mostFree: number) {
    this.#size = size;
    this.#mostFree = mostFree;
  }

  /** A buffer, the caller's until given back; it need not be. */
  take(): Buffer {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const buffer = Buffer.allocUnsafeSlow(this.#size);
    this.#made.add(buffer.buffer);
    return buffer;
  }

  /** Takes back the buffer that `view` is a part of, once; leaves others alone. */
  giveBack(view: Buffer): void {
    const memory = view.buffer;
    if (this.#free.length >= this.#mostFree || !this.#made.has(memory)) return;
    this.#free.push(Buffer.from(memory));
  }
}
