import { open } from 'node:fs/promises';
import { CodedError, isCoded } from '../../base/index.ts';
import { StreamScanner } from '../../commands/index.ts';
import { RdbBatcher, type RdbFormat } from '../../rdb/index.ts';
import { unreadable } from './aof-parts.ts';

/** What one file of an AOF turned out to hold. Positions are bytes of the file. */
export type AofScan = {
  readonly rdb: AofRdb | null;
  /** Commands that are data. */
  readonly commands: number;
  readonly verbatimScripts: number;
  /** Names of commands that our table does not know, each once. */
  readonly unknownCommands: readonly string[];
  /** Of the `#TS:` annotations, Unix seconds; null where there are none. */
  readonly timestamps: { readonly first: number; readonly last: number } | null;
  /** The last place between commands and outside MULTI … EXEC: what lies behind it is torn. */
  readonly wholeBytes: number;
  /** What the end of the file lies in the middle of; null: of nothing. */
  readonly torn: 'command' | 'transaction' | null;
  /** Reading stopped at an annotation later than was asked for; `wholeBytes` lies before it. */
  readonly isCut: boolean;
};

export type AofRdb = {
  readonly bytes: number;
  readonly format: RdbFormat;
  readonly aux: ReadonlyMap<string, string>;
};

export type AofScanOptions = {
  /** Stop before the first annotation that is later: Unix seconds. */
  readonly untilSeconds?: number;
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
};

const READ_BYTES = 1 << 20;
const BATCH_BYTES = 1 << 20;
/** Servers read no longer one. */
const MAX_ANNOTATION_BYTES = 1024;
const HASH = 35;
const MAGICS = ['REDIS', 'VALKEY'] as const;

/**
 * Walks through one file of an AOF: an RDB at its beginning (told by its magic), commands,
 * annotations between them. Nothing is decoded and memory is flat. Throws AOF_CORRUPT with the
 * file's name and the position for what no server would load, a torn end apart: that is told; and
 * RDB_UNSUPPORTED.
 */
export async function scanAofFile(path: string, options: AofScanOptions = {}): Promise<AofScan> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw unreadable(path, error);
  });
  try {
    const scan = new AofScanner(path, options.untilSeconds ?? null);
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (;;) {
      options.signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES, null);
      if (bytesRead === 0) break;
      options.onProgress?.(bytesRead);
      if (!scan.push(buffer.subarray(0, bytesRead))) break;
    }
    return scan.finish();
  } finally {
    await file.close();
  }
}

/** The pure part of `scanAofFile`: takes a file in any pieces. */
export class AofScanner {
  readonly #path: string;
  readonly #untilSeconds: number | null;
  readonly #commands = new StreamScanner({ offset: 0, database: 0 });
  readonly #unknown = new Set<string>();
  readonly #aux = new Map<string, string>();
  #rdb: RdbBatcher | null = null;
  #rdbBytes = 0;
  /** Bytes until it is known whether the file begins with an RDB. */
  #head: Buffer = Buffer.alloc(0);
  #isHeadRead = false;
  /** Bytes of annotations so far, and those that lie before the last cut. */
  #annotationBytes = 0;
  #annotationBytesAtCut = 0;
  #cut = 0;
  /** An annotation whose end has not come yet. */
  #line = '';
  #timestamps: { first: number; last: number } | null = null;
  #isCut = false;

  constructor(path: string, untilSeconds: number | null) {
    this.#path = path;
    this.#untilSeconds = untilSeconds;
    this.#commands.onNotable = ({ kind, name }) => {
      if (kind === 'unknown') this.#unknown.add(name);
    };
  }

  /** False: enough was read. */
  push(bytes: Buffer): boolean {
    let chunk = bytes;
    if (!this.#isHeadRead) {
      chunk = Buffer.concat([this.#head, bytes]);
      if (chunk.length < 6 && MAGICS.some((magic) => magic.startsWith(chunk.toString('latin1')))) {
        this.#head = chunk;
        return true;
      }
      this.#isHeadRead = true;
      if (MAGICS.some((magic) => chunk.toString('latin1', 0, magic.length) === magic)) {
        this.#rdb = this.#beginRdb();
      }
    }
    let at = 0;
    if (this.#rdb !== null && !this.#rdb.scanner.done) {
      at = this.#pushRdb(this.#rdb, chunk);
      this.#rdbBytes += at;
    }
    if (at < chunk.length) this.#pushCommands(chunk, at);
    return !this.#isCut;
  }

  finish(): AofScan {
    if (!this.#isHeadRead && this.#head.length > 0) this.#refuse('it is no AOF', 0);
    const rdb = this.#finishRdb();
    const { offset, boundary, inTransaction, commands, verbatimScripts } = this.#commands;
    const isWhole = (offset === boundary && this.#line === '') || this.#isCut;
    return {
      rdb,
      commands,
      verbatimScripts,
      unknownCommands: [...this.#unknown],
      timestamps: this.#timestamps,
      wholeBytes: this.#rdbBytes + this.#cut + this.#annotationBytesAtCut,
      torn: !isWhole ? 'command' : inTransaction && !this.#isCut ? 'transaction' : null,
      isCut: this.#isCut,
    };
  }

  #beginRdb(): RdbBatcher {
    const batcher: RdbBatcher = new RdbBatcher({
      batchBytes: BATCH_BYTES,
      side: {
        aux: (name, value) => this.#aux.set(name, value.toString('latin1')),
        functionLibrary: () => {},
        moduleAux: () => {},
        hashTemplate: () => {},
      },
      onBatch: ({ bytes }) => batcher.recycle(bytes.buffer as ArrayBuffer),
    });
    return batcher;
  }

  #pushRdb(rdb: RdbBatcher, chunk: Buffer): number {
    try {
      return rdb.push(chunk, 0, chunk.length);
    } catch (error) {
      // A version that we do not know yet is no damage.
      if (!isCoded(error) || error.code === 'RDB_UNSUPPORTED') throw error;
      throw this.#corrupt(error.message, error.offset ?? 0, error);
    }
  }

  #finishRdb(): AofRdb | null {
    if (this.#rdb === null) return null;
    const { scanner } = this.#rdb;
    if (!scanner.done || scanner.format === undefined) {
      this.#refuse('it ends within the RDB that it begins with', this.#rdbBytes);
    }
    return { bytes: this.#rdbBytes, format: scanner.format, aux: this.#aux };
  }

  #pushCommands(chunk: Buffer, from: number): void {
    let at = from;
    while (at < chunk.length && !this.#isCut) {
      if (this.#line !== '' || (this.#isBetween && chunk[at] === HASH)) {
        at = this.#pushAnnotation(chunk, at);
        continue;
      }
      // Where a line begins with #, either a command ended before it or it lies within a value.
      const next = chunk.indexOf('\n#', at, 'latin1');
      const end = next === -1 ? chunk.length : next + 1;
      this.#pushPiece(chunk, at, end);
      at = end;
    }
  }

  get #isBetween(): boolean {
    return this.#commands.boundary === this.#commands.offset;
  }

  #pushPiece(chunk: Buffer, start: number, end: number): void {
    const scanner = this.#commands;
    try {
      scanner.push(chunk, start, end);
    } catch (error) {
      if (!isCoded(error, 'STREAM_CORRUPT')) throw error;
      const offset = (error.offset ?? scanner.offset) + this.#annotationBytes + this.#rdbBytes;
      throw this.#corrupt('there is no command where one should be', offset, error);
    }
    if (scanner.cut === this.#cut) return;
    this.#cut = scanner.cut;
    this.#annotationBytesAtCut = this.#annotationBytes;
  }

  /** Reads on in an annotation; returns where it ends, or the chunk does. */
  #pushAnnotation(chunk: Buffer, from: number): number {
    const found = chunk.indexOf('\n', from, 'latin1');
    const end = found === -1 ? chunk.length : found + 1;
    this.#line += chunk.toString('latin1', from, end);
    if (this.#line.length > MAX_ANNOTATION_BYTES) {
      const position = this.#rdbBytes + this.#commands.offset + this.#annotationBytes;
      this.#refuse(`an annotation of more than ${MAX_ANNOTATION_BYTES} bytes`, position);
    }
    if (found !== -1) this.#endAnnotation();
    return end;
  }

  #endAnnotation(): void {
    const line = this.#line;
    this.#line = '';
    const seconds = Number(/^#TS:(\d{1,12})\r?\n$/.exec(line)?.[1] ?? Number.NaN);
    if (!Number.isNaN(seconds)) {
      if (this.#untilSeconds !== null && seconds > this.#untilSeconds) {
        this.#isCut = true;
        return;
      }
      this.#timestamps = { first: this.#timestamps?.first ?? seconds, last: seconds };
    }
    this.#annotationBytes += line.length;
    if (!this.#commands.inTransaction) this.#annotationBytesAtCut = this.#annotationBytes;
  }

  #refuse(why: string, offset: number): never {
    throw this.#corrupt(why, offset);
  }

  #corrupt(why: string, offset: number, cause?: unknown): CodedError {
    return new CodedError('AOF_CORRUPT', `Cannot load ${this.#path}: ${why} (byte ${offset})`, {
      offset,
      ...(cause !== undefined && { cause }),
    });
  }
}
