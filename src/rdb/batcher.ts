import type { RdbFormat } from './format.ts';
import { RdbScanner, type RdbSideRecords } from './scanner.ts';

/**
 * A piece of a dump that can be read by itself: whole keys, cut at a boundary; or, when one key is
 * larger than a batch, a piece of that key.
 */
export type RdbBatch = {
  /**
   * The batch's own memory: whoever takes the batch may transfer it, and gives it back if it can.
   */
  readonly bytes: Uint8Array;
  readonly format: RdbFormat;
  /** Place of the first byte in the dump. */
  readonly offset: number;
  /** The database in force at the first byte. */
  readonly db: number;
  /** `whole`: some keys. The others: one key that takes several batches. */
  readonly part: 'whole' | 'first' | 'middle' | 'last';
  /** Keys that end in this batch. */
  readonly keys: number;
};

export type BatcherOptions = {
  /** A batch is cut when it holds this many bytes. */
  readonly batchBytes: number;
  readonly side: RdbSideRecords;
  /** Takes a finished batch. Must not throw. */
  readonly onBatch: (batch: RdbBatch) => void;
};

/**
 * Collects the bytes of a dump, which come in any pieces, in batches for the workers. It owns the
 * memory it fills; `recycle` gives memory back that a worker has finished with.
 */
export class RdbBatcher {
  readonly scanner: RdbScanner;
  readonly #batchBytes: number;
  readonly #onBatch: (batch: RdbBatch) => void;
  readonly #free: ArrayBuffer[] = [];
  #buffer: Uint8Array;
  /** Bytes in the buffer; of these, how many the scanner has consumed. */
  #filled = 0;
  #scanned = 0;
  /** Place of the buffer's first byte in the dump, and the state there. */
  #start = 0;
  #startDb = 0;
  #startKeys = 0;
  #inBigKey = false;

  constructor(options: BatcherOptions) {
    this.scanner = new RdbScanner(options.side);
    this.#batchBytes = options.batchBytes;
    this.#onBatch = options.onBatch;
    this.#buffer = this.#allocate(options.batchBytes);
  }

  /**
   * Takes in `[start, end)`, which may be reused after the call. Returns how much of it belonged to
   * the dump: less than given only when the dump ended. Throws what RdbScanner.scan throws.
   */
  push(bytes: Uint8Array, start: number, end: number): number {
    if (this.scanner.done) return 0;
    let at = start;
    while (at < end && !this.scanner.done) {
      const taken = Math.min(end - at, this.#buffer.length - this.#filled);
      this.#buffer.set(bytes.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      this.#scanned = this.scanner.scan(this.#buffer, this.#scanned, this.#filled);
      if (this.#inBigKey && this.scanner.boundaryOffset > this.#start) this.#endBigKey();
      if (this.#filled === this.#buffer.length && !this.scanner.done) this.#cut();
    }
    if (!this.scanner.done) return end - start;
    const surplus = this.#start + this.#filled - this.scanner.offset;
    return at - surplus - start;
  }

  /** The input ended: hands on the last batch. Throws RDB_TRUNCATED. */
  finish(): void {
    this.scanner.finish();
    this.#emitToBoundary();
  }

  /** Memory of a batch that is not needed any more. */
  recycle(memory: ArrayBuffer): void {
    if (memory.byteLength === this.#batchBytes && this.#free.length < 4) this.#free.push(memory);
  }

  #allocate(size: number): Uint8Array {
    const memory = size === this.#batchBytes ? this.#free.pop() : undefined;
    return new Uint8Array(memory ?? new ArrayBuffer(size));
  }

  /** The buffer is full. */
  #cut(): void {
    if (this.scanner.boundaryOffset > this.#start && !this.#inBigKey) {
      this.#emitToBoundary();
      return;
    }
    if (this.#scanned === 0) {
      // A side record (a function, module data) that must be whole before it can be read.
      this.#replaceBuffer(0, this.#buffer.length * 2);
      return;
    }
    this.#emit(this.#scanned, this.#inBigKey ? 'middle' : 'first');
    this.#inBigKey = true;
  }

  #emitToBoundary(): void {
    const size = this.scanner.boundaryOffset - this.#start;
    if (size > 0) this.#emit(size, 'whole');
  }

  #endBigKey(): void {
    this.#inBigKey = false;
    this.#emit(this.scanner.boundaryOffset - this.#start, 'last');
  }

  /** Hands on the first `size` bytes and moves the rest to a new buffer. */
  #emit(size: number, part: RdbBatch['part']): void {
    const { scanner } = this;
    const full = this.#buffer;
    const batch = {
      bytes: full.subarray(0, size),
      format: scanner.format as RdbFormat,
      offset: this.#start,
      db: this.#startDb,
      part,
      keys: scanner.boundaryKeys - this.#startKeys,
    };
    this.#replaceBuffer(size, Math.max(this.#batchBytes, this.#filled - size));
    this.#startKeys = scanner.boundaryKeys;
    this.#startDb = scanner.boundaryDb;
    this.#onBatch(batch);
  }

  #replaceBuffer(from: number, size: number): void {
    const rest = this.#buffer.subarray(from, this.#filled);
    const next = this.#allocate(size);
    next.set(rest);
    this.#buffer = next;
    this.#filled -= from;
    this.#scanned -= from;
    this.#start += from;
  }
}
