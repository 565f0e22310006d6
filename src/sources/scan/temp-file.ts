import { closeSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { assert, CodedError } from '../../base/index.ts';

const BUFFER_BYTES = 64 << 10;
const READ_BYTES = 1 << 20;

/**
 * Bytes that may not fit in memory: written once, then read from the start. The file is made when
 * the first buffer is full and has no name from then on, so that it vanishes with the process,
 * however that ends. Throws STORAGE_FULL and STORAGE_FAILED.
 */
export class TempFile {
  /** Bytes appended since the start or the last `clear`. */
  size = 0;
  readonly #folder: string;
  #buffer = Buffer.alloc(0);
  #used = 0;
  /** Bytes that are in the file. */
  #written = 0;
  #file: number | null = null;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Copies `[start, end)` of `bytes`. */
  append(bytes: Uint8Array, start = 0, end = bytes.length): void {
    if (this.#buffer.length === 0) this.#buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    for (let at = start; at < end; ) {
      if (this.#used === this.#buffer.length) this.#flush();
      const take = Math.min(end - at, this.#buffer.length - this.#used);
      this.#buffer.set(bytes.subarray(at, at + take), this.#used);
      this.#used += take;
      at += take;
    }
    this.size += end - start;
  }

  /** What was appended, in pieces that are valid until the next is asked for. */
  *pieces(): Generator<Buffer, void, void> {
    if (this.#file !== null) {
      const piece = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, this.#written));
      for (let at = 0; at < this.#written; ) {
        const read = this.#read(this.#file, piece, at);
        at += read;
        yield piece.subarray(0, read);
      }
    }
    if (this.#used > 0) yield this.#buffer.subarray(0, this.#used);
  }

  /** Forgets what was appended. */
  clear(): void {
    this.size = 0;
    this.#used = 0;
    this.#written = 0;
    if (this.#file !== null) ftruncateSync(this.#file, 0);
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
    this.#buffer = Buffer.alloc(0);
  }

  /** Fills `piece`, or reads all that is left: pieces end where whole records do. */
  #read(file: number, piece: Buffer, at: number): number {
    const wanted = Math.min(piece.length, this.#written - at);
    for (let have = 0; have < wanted; ) {
      const read = readSync(file, piece, have, wanted - have, at + have);
      assert(read > 0, 'a temporary file keeps what was written');
      have += read;
    }
    return wanted;
  }

  #flush(): void {
    try {
      this.#file ??= this.#open();
      for (let at = 0; at < this.#used; ) {
        at += writeSync(this.#file, this.#buffer, at, this.#used - at, this.#written + at);
      }
    } catch (error) {
      throw failure(`Cannot write a temporary file in '${this.#folder}'`, error);
    }
    this.#written += this.#used;
    this.#used = 0;
  }

  #open(): number {
    const path = join(this.#folder, `tidemark-scan-${process.pid}-${randomUUID()}`);
    const file = openSync(path, 'wx+', 0o600);
    rmSync(path);
    return file;
  }
}

function failure(what: string, error: unknown): CodedError {
  const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new CodedError(isFull ? 'STORAGE_FULL' : 'STORAGE_FAILED', `${what}: ${code}`, {
    cause: error,
    hint: 'Name a local folder with more room by TMPDIR',
  });
}
