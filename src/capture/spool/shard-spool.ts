import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, type Clock, isCoded } from '../../base/index.ts';
import { spoolError } from './spool-error.ts';
import {
  closeFile,
  type FileEnd,
  readFileEnd,
  settleFile,
  type SpoolState,
} from './settle-file.ts';
import type { SpoolHeader } from './spool-header.ts';
import { closedName, SPOOL_FILE } from './spool-names.ts';
import { SpoolReader } from './spool-reader.ts';
import { SpoolWriter } from './spool-writer.ts';

/** A file that is whole, durable and waits to be stored. */
export type ClosedFile = {
  readonly path: string;
  readonly sequence: number;
  readonly bytes: number;
  readonly lineage: string;
  readonly startOffset: number;
  readonly endOffset: number;
  /** No byte of it arrived before. */
  readonly sinceMs: number;
};

export type SpoolEvents = {
  /** A file waits to be stored. */
  readonly onClosed: () => void;
  /** Durable up to here. */
  readonly onDurable: (offset: number, lineage: string) => void;
  /** The disk failed: nothing more is written; `recover` when there is hope. */
  readonly onFailed: (error: Error) => void;
};

/**
 * The local files of one shard: the stream as it arrives, one file for each segment to come. What
 * was durable is there again after any death of the process; what was not is cut off at a whole
 * command and asked for again. The caller holds the folder's lock.
 *
 * `recover` first, then `begin`; bytes by `append`; `roll` between commands; `shut` at the end.
 * Once it has failed, `shut` and `recover` find out what is there.
 */
export class ShardSpool {
  readonly folder: string;
  readonly #clock: Clock;
  readonly #events: SpoolEvents;
  #closed: readonly ClosedFile[] = [];
  #closedBytes = 0;
  /** Removed since the process began: a listing made before may still have them. */
  readonly #gone = new Set<string>();
  #writer: SpoolWriter | null = null;
  #sequence = 0;
  #lastEnd: SpoolState | null = null;
  /** A file without bytes that says where to go on, until the next one does. */
  #placeholder: string | null = null;

  constructor(folder: string, clock: Clock, events: SpoolEvents) {
    this.folder = folder;
    this.#clock = clock;
    this.#events = events;
  }

  /** Files that wait, oldest first. */
  get closed(): readonly ClosedFile[] {
    return this.#closed;
  }

  /** On the disk and on the way there. */
  get bytes(): number {
    return this.#closedBytes + (this.#writer?.bytes ?? 0);
  }

  /** Received and not yet handed to the disk. */
  get pendingBytes(): number {
    return this.#writer?.pendingBytes ?? 0;
  }

  /**
   * Looks at what is there and brings an unfinished file to its last cut. Resolves to the state
   * behind the newest file, null when there is none. SPOOL_FULL, STORAGE_FAILED.
   */
  async recover(): Promise<SpoolState | null> {
    assert(this.#writer === null, 'a spool in use is not recovered');
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      const names = (await readdir(this.folder)).filter((name) => SPOOL_FILE.test(name)).sort();
      this.#lastEnd = null;
      const found: ClosedFile[] = [];
      for (const [index, name] of names.entries()) {
        const file = await this.#recoverFile(name, index === names.length - 1);
        if (file !== null) found.push(file);
      }
      // Files are stored and removed meanwhile.
      this.#setClosed(found.filter(({ path }) => !this.#gone.has(path)));
      const newest = this.#closed.at(-1);
      if (this.#lastEnd === null && newest !== undefined) {
        this.#lastEnd = await readFileEnd(newest.path);
      }
      return this.#lastEnd;
    } catch (error) {
      throw spoolError(`Cannot recover the spool in ${this.folder}`, error);
    }
  }

  /** Takes `[start, end)` in, which stays the caller's. `sinceMs` 0: made when it arrived. */
  append(buffer: Buffer, start: number, end: number, atMs: number, sinceMs: number): void {
    this.#writer?.append(buffer, start, end, atMs, sinceMs);
  }

  /** The history bears another name from here on. */
  noteReplid(replid: string): void {
    this.#writer?.noteReplid(replid);
  }

  noteBracket(ms: number, offset: number): void {
    this.#writer?.noteBracket(ms, offset);
  }

  /** Bytes in the file that is being written. */
  get openBytes(): number {
    return this.#writer?.fileBytes ?? 0;
  }

  /** Closes the file here, between commands, and goes on in a new one. */
  roll(header: SpoolHeader): void {
    this.#writer?.roll(++this.#sequence, header, false);
  }

  /**
   * Begins a file behind what was recovered, or of another lineage; one that is being written ends
   * at its last cut. Failures come by `onFailed`.
   */
  begin(header: SpoolHeader): void {
    this.#writer ??= new SpoolWriter(this.folder, this.#clock, {
      onClosed: (file) => {
        this.#setClosed([...this.#closed, file]);
        this.#events.onClosed();
      },
      onDurable: (offset, lineage) => {
        void this.#removePlaceholder();
        this.#events.onDurable(offset, lineage);
      },
      onFailed: (error) => this.#events.onFailed(error),
    });
    this.#writer.roll(++this.#sequence, header, true);
  }

  /** Resolves when everything taken in so far is durable; never rejects (see `onFailed`). */
  async sync(): Promise<void> {
    await this.#writer?.sync();
  }

  /** Writes what there is and lets go of the files. `recover` brings them to their last cut. */
  async shut(): Promise<void> {
    const writer = this.#writer;
    this.#writer = null;
    await writer?.shut();
  }

  /** Forgets a file that is stored. */
  async remove(file: ClosedFile): Promise<void> {
    this.#gone.add(file.path);
    await rm(file.path, { force: true });
    this.#setClosed(this.#closed.filter(({ path }) => path !== file.path));
  }

  #setClosed(files: readonly ClosedFile[]): void {
    this.#closed = files;
    this.#closedBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** There is a newer file now that says where to go on. */
  async #removePlaceholder(): Promise<void> {
    const path = this.#placeholder;
    this.#placeholder = null;
    if (path !== null) await rm(path, { force: true });
  }

  async #recoverFile(name: string, isLast: boolean): Promise<ClosedFile | null> {
    const [, sequence, end, kind] = SPOOL_FILE.exec(name) as RegExpExecArray;
    this.#sequence = Math.max(this.#sequence, Number(sequence));
    const path = join(this.folder, name);
    if (kind === 'open') return await this.#recoverOpen(path, Number(sequence), isLast);
    const known = this.#closed.find((file) => file.path === path);
    if (known !== undefined || this.#gone.has(path)) return known ?? null;
    return await describeClosed(path, Number(sequence), Number(end));
  }

  async #recoverOpen(path: string, sequence: number, isLast: boolean): Promise<ClosedFile | null> {
    const settled = await this.#settle(path);
    if (settled === null) return null;
    this.#lastEnd = settled;
    const { offset, startOffset } = settled;
    const isEmpty = offset === startOffset;
    // An empty file that is the only trace of the state stays until there is another.
    if (isEmpty && isLast) {
      this.#placeholder = path;
      return null;
    }
    const closed = join(this.folder, closedName(sequence, offset));
    await closeFile(path, closed, isEmpty);
    return isEmpty ? null : await describeClosed(closed, sequence, offset);
  }

  /** A file without a whole head was never begun. */
  async #settle(path: string): Promise<FileEnd | null> {
    try {
      return await settleFile(path);
    } catch (error) {
      if (!isCoded(error, 'SPOOL_CORRUPT')) throw error;
      await rm(path, { force: true });
      return null;
    }
  }
}

async function describeClosed(
  path: string,
  sequence: number,
  endOffset: number,
): Promise<ClosedFile> {
  const reader = await SpoolReader.open(path);
  await reader.close();
  const { lineage, startOffset, lastMs: sinceMs } = reader.header;
  const { size: bytes } = await stat(path);
  return { path, sequence, bytes, lineage: lineage.lineage, startOffset, endOffset, sinceMs };
}
