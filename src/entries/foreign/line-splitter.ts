import { CodedError } from '../../base/index.ts';

/** No longer line is read: as long as a block may be. */
export const MAX_LINE_BYTES = 64 << 20;

/** One line without its line feed, and where it stands: valid during the call. */
export type OnLine = (
  bytes: Uint8Array,
  start: number,
  end: number,
  /** From 1. */
  number: number,
  /** Of the line's first byte in the input. */
  offset: number,
) => void;

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Cuts one input into lines, in whatever pieces it comes. The last line may lack its line feed; a
 * byte order mark at the very beginning is passed over.
 */
export class LineSplitter {
  readonly #onLine: OnLine;
  readonly #name: string;
  /** The beginning of a line whose end has not come yet. */
  #held: Buffer = Buffer.alloc(0);
  #heldBytes = 0;
  #number = 0;
  /** Of the first byte of the line that is under way. */
  #offset = 0;

  constructor(name: string, onLine: OnLine) {
    this.#name = name;
    this.#onLine = onLine;
  }

  /** `chunk` is the caller's again when this returns. */
  push(chunk: Uint8Array): void {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from);
      if (end < 0) break;
      if (this.#heldBytes === 0) this.#line(chunk, from, end);
      else {
        this.#hold(chunk, from, end);
        const bytes = this.#heldBytes;
        this.#heldBytes = 0;
        this.#line(this.#held, 0, bytes);
      }
      from = end + 1;
    }
    this.#hold(chunk, from, chunk.length);
  }

  /** Hands on the last line, when it had no line feed. */
  end(): void {
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    if (bytes > 0) this.#line(this.#held, 0, bytes);
  }

  #line(bytes: Uint8Array, start: number, end: number): void {
    this.#number++;
    const offset = this.#offset;
    this.#offset += end - start + 1;
    this.#checkLength(end - start, this.#number);
    const skipped = this.#number === 1 && startsWithMark(bytes, start, end) ? 3 : 0;
    this.#onLine(bytes, start + skipped, end, this.#number, offset + skipped);
  }

  #hold(chunk: Uint8Array, from: number, to: number): void {
    const size = this.#heldBytes + (to - from);
    this.#checkLength(size, this.#number + 1);
    if (this.#held.length < size) {
      const grown = Buffer.allocUnsafeSlow(Math.max(size, this.#held.length * 2, 64 << 10));
      grown.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = grown;
    }
    this.#held.set(chunk.subarray(from, to), this.#heldBytes);
    this.#heldBytes = size;
  }

  #checkLength(size: number, number: number): void {
    if (size <= MAX_LINE_BYTES) return;
    const most = MAX_LINE_BYTES >> 20;
    throw new CodedError(
      'JSONL_INVALID',
      `Cannot read line ${number} of ${this.#name}: it is longer than ${most} MiB`,
      {
        offset: this.#offset,
        hint: 'A key of that size takes several lines: see docs/formats/entries.md, section 5',
      },
    );
  }
}

function startsWithMark(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < BYTE_ORDER_MARK.length) return false;
  return BYTE_ORDER_MARK.every((byte, i) => bytes[start + i] === byte);
}
