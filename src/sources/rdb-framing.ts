import { CodedError } from '../base/index.ts';
import type { OnChunk } from './rdb-byte-source.ts';

/**
 * Finds the end of an RDB inside the bytes of a replication link. There are two framings:
 *
 *   $<decimal>\r\n           exactly that many bytes follow, and no line end after them
 *   $EOF:<40 bytes>\r\n      bytes of unknown number follow, then the same 40 bytes
 */
export interface RdbFraming {
  readonly kind: 'length' | 'mark';
  /** Announced payload length; `null` with a mark. */
  readonly length: number | null;
  /** Payload bytes passed on so far. */
  readonly bytes: number;
  readonly isComplete: boolean;
  /** Passes on what is payload in `[start, end)`; gives where the payload ended, or `end`. */
  push(buffer: Buffer, start: number, end: number, onChunk: OnChunk): number;
}

const MARK_BYTES = 40;
const MAX_RDB_BYTES = Number.MAX_SAFE_INTEGER;

/** Reads the line (without CRLF) that begins a transfer. Throws SOURCE_GARBAGE. */
export function parseTransferHeader(line: Buffer): RdbFraming {
  const text = line.toString('latin1');
  if (text.startsWith('$EOF:') && line.length === 5 + MARK_BYTES) {
    return new MarkFraming(Buffer.from(line.subarray(5)));
  }
  const length = /^\$(\d{1,16})$/.exec(text);
  if (length && Number(length[1]) <= MAX_RDB_BYTES) return new LengthFraming(Number(length[1]));
  const shown = JSON.stringify(text.slice(0, 80));
  throw new CodedError('SOURCE_GARBAGE', `Cannot read the head of the RDB transfer: ${shown}`);
}

export class LengthFraming implements RdbFraming {
  readonly kind = 'length';
  readonly length: number;
  bytes = 0;

  constructor(length: number) {
    this.length = length;
  }

  get isComplete(): boolean {
    return this.bytes === this.length;
  }

  push(buffer: Buffer, start: number, end: number, onChunk: OnChunk): number {
    const stop = Math.min(end, start + this.length - this.bytes);
    this.bytes += stop - start;
    if (stop > start) onChunk(buffer, start, stop);
    return stop;
  }
}

/**
 * Holds back the last 40 bytes, as they may be the mark, whole or cut by a packet. The server
 * sends nothing after the mark until we acknowledge (or at all, with rdb-only), so the mark can
 * only be the last 40 bytes received.
 */
export class MarkFraming implements RdbFraming {
  readonly kind = 'mark';
  readonly length = null;
  bytes = 0;
  isComplete = false;
  readonly #mark: Buffer;
  readonly #tail = Buffer.alloc(MARK_BYTES);
  #tailLength = 0;

  constructor(mark: Buffer) {
    this.#mark = mark;
  }

  push(buffer: Buffer, start: number, end: number, onChunk: OnChunk): number {
    const size = end - start;
    if (size >= MARK_BYTES) {
      this.#release(this.#tailLength, onChunk);
      const keepFrom = end - MARK_BYTES;
      this.#pass(buffer, start, keepFrom, onChunk);
      buffer.copy(this.#tail, 0, keepFrom, end);
      this.#tailLength = MARK_BYTES;
    } else {
      this.#release(Math.max(0, this.#tailLength + size - MARK_BYTES), onChunk);
      buffer.copy(this.#tail, this.#tailLength, start, end);
      this.#tailLength += size;
    }
    this.isComplete = this.#tailLength === MARK_BYTES && this.#tail.equals(this.#mark);
    return end;
  }

  /** Passes on the first `count` held bytes: the mark cannot begin among them any more. */
  #release(count: number, onChunk: OnChunk): void {
    this.#pass(this.#tail, 0, count, onChunk);
    this.#tail.copyWithin(0, count, this.#tailLength);
    this.#tailLength -= count;
  }

  #pass(buffer: Buffer, start: number, end: number, onChunk: OnChunk): void {
    if (end <= start) return;
    this.bytes += end - start;
    onChunk(buffer, start, end);
  }
}
