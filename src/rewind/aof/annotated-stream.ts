import { assert } from '../../base/index.ts';
import { StreamScanner } from '../../commands/index.ts';
import { encodeCommand } from '../../resp/index.ts';

/** How much is looked at while a place for an annotation is wanted: it comes at most so late. */
const SLICE_BYTES = 4096;

/**
 * Makes an increment of an AOF of commands that come in any pieces: `SELECT` first, as every file
 * begins in database 0, and a line `#TS:<Unix seconds>` at the first place outside MULTI … EXEC of
 * every second in which commands came. Seconds never go back.
 */
export class AnnotatedStream {
  /** Commands that are data. */
  get commands(): number {
    return this.#scanner.commands;
  }
  bytes = 0;
  readonly #scanner: StreamScanner;
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  #second = 0;
  #isDue = false;

  constructor(database: number, write: (bytes: Uint8Array) => Promise<void>) {
    this.#scanner = new StreamScanner({ offset: 0, database });
    this.#write = write;
  }

  async begin(): Promise<void> {
    await this.#put(encodeCommand(['SELECT', this.#scanner.boundaryDatabase]));
  }

  /** `bytes` arrived at `atMs`; they may be reused when this resolves. */
  async push(bytes: Buffer, atMs: number): Promise<void> {
    const second = Math.floor(atMs / 1000);
    if (second > this.#second) {
      this.#second = second;
      this.#isDue = true;
    }
    let at = 0;
    while (this.#isDue && at < bytes.length) {
      if (this.#isAtCut) {
        await this.#annotate();
        break;
      }
      at = await this.#pushSlice(bytes, at);
    }
    if (at === bytes.length) return;
    const rest = at === 0 ? bytes : bytes.subarray(at);
    this.#scanner.push(rest, 0, rest.length);
    await this.#put(rest);
  }

  /** Everything was pushed: it must end where a file may end. */
  finish(): void {
    assert(this.#isAtCut, 'a stream that ends between commands and outside MULTI');
  }

  get #isAtCut(): boolean {
    return this.#scanner.cut === this.#scanner.offset;
  }

  /** Writes up to the last cut of a slice, and the annotation there; returns where that is. */
  async #pushSlice(bytes: Buffer, at: number): Promise<number> {
    const scanner = this.#scanner;
    const before = scanner.offset;
    const slice = bytes.subarray(at, at + SLICE_BYTES);
    scanner.push(slice, 0, slice.length);
    const place = scanner.cut - before;
    if (place <= 0) {
      await this.#put(slice);
      return at + slice.length;
    }
    await this.#put(slice.subarray(0, place));
    await this.#annotate();
    await this.#put(slice.subarray(place));
    return at + slice.length;
  }

  async #annotate(): Promise<void> {
    this.#isDue = false;
    await this.#put(Buffer.from(`#TS:${this.#second}\r\n`));
  }

  async #put(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.bytes += bytes.length;
    await this.#write(bytes);
  }
}
