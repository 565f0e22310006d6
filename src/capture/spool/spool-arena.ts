import { BufferPool } from './buffer-pool.ts';
import { MAX_DATA_BYTES, RECORD, RECORD_BYTES, writeRecordHead } from './spool-record.ts';

/** Of all shards of the process: what is small is kept of few, as most of a thousand are idle. */
const SMALL = new BufferPool(64 << 10, 16);
const LARGE = new BufferPool(256 << 10, 24);

/**
 * Collects what arrives as records, until it goes to the disk. Bytes of one millisecond share a
 * record. Small while little arrives: most of a thousand shards are idle.
 */
export class SpoolArena {
  /** Bytes collected, heads included. */
  bytes = 0;
  readonly #full: Buffer[] = [];
  #buffer: Buffer | null = null;
  #length = 0;
  /** The record that is growing: where its head stands, or -1. */
  #headAt = -1;
  #offset = 0;
  #atMs = 0;
  #sinceMs = 0;

  /** `[start, end)` of the stream, from `offset` on; stays the caller's. */
  append(
    source: Buffer,
    start: number,
    end: number,
    place: { readonly offset: number; readonly atMs: number; readonly sinceMs: number },
  ): void {
    let at = start;
    while (at < end) {
      const buffer = this.#room(place, at - start);
      const used = this.#length - this.#headAt - RECORD_BYTES;
      const room = Math.min(buffer.length - this.#length, MAX_DATA_BYTES - used);
      const size = Math.min(room, end - at);
      source.copy(buffer, this.#length, at, at + size);
      this.#length += size;
      this.bytes += size;
      at += size;
    }
  }

  /** A record of its own, whole. */
  add(record: Buffer): void {
    this.#endBuffer();
    this.#full.push(record);
    this.bytes += record.length;
  }

  /** Everything collected, the caller's from now on, or until `giveBack`. */
  take(): Buffer[] {
    this.#endBuffer();
    this.bytes = 0;
    return this.#full.splice(0);
  }

  /** What `take` gave is used again: only when no write can still read it. */
  giveBack(buffers: readonly Buffer[]): void {
    for (const buffer of buffers) {
      SMALL.giveBack(buffer);
      LARGE.giveBack(buffer);
    }
  }

  /** A buffer with a growing record for this place that has room for a byte more. */
  #room(
    place: { readonly offset: number; readonly atMs: number; readonly sinceMs: number },
    done: number,
  ): Buffer {
    const { offset, atMs, sinceMs } = place;
    const isSame = this.#headAt !== -1 && this.#atMs === atMs && this.#sinceMs === sinceMs;
    const used = this.#length - this.#headAt - RECORD_BYTES;
    if (this.#buffer !== null && isSame && used < MAX_DATA_BYTES) {
      if (this.#length < this.#buffer.length) return this.#buffer;
    }
    this.#endRecord();
    if (this.#buffer !== null && this.#buffer.length - this.#length <= RECORD_BYTES) {
      this.#endBuffer();
    }
    const isBusy = this.#full.length > 0;
    this.#buffer ??= (isBusy ? LARGE : SMALL).take();
    this.#headAt = this.#length;
    this.#length += RECORD_BYTES;
    this.bytes += RECORD_BYTES;
    this.#offset = offset + done;
    this.#atMs = atMs;
    this.#sinceMs = sinceMs;
    return this.#buffer;
  }

  #endRecord(): void {
    if (this.#headAt === -1 || this.#buffer === null) return;
    const size = this.#length - this.#headAt - RECORD_BYTES;
    const place = { offset: this.#offset, atMs: this.#atMs, sinceMs: this.#sinceMs };
    writeRecordHead(this.#buffer, this.#headAt, { type: RECORD.data, size, ...place });
    this.#headAt = -1;
  }

  #endBuffer(): void {
    this.#endRecord();
    if (this.#buffer !== null && this.#length > 0) {
      this.#full.push(this.#buffer.subarray(0, this.#length));
    }
    this.#buffer = null;
    this.#length = 0;
  }
}
