import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, type Clock } from '../../base/index.ts';
import { syncFolder } from '../../storage/index.ts';
import { closeFile, settleFile } from './settle-file.ts';
import type { ClosedFile } from './shard-spool.ts';
import { closedName, openName } from './spool-names.ts';
import { SpoolArena } from './spool-arena.ts';
import { spoolError } from './spool-error.ts';
import { encodeHeader, type SpoolHeader } from './spool-header.ts';
import { encodeRecord, MAGIC, RECORD } from './spool-record.ts';

export type WriterEvents = {
  readonly onClosed: (file: ClosedFile) => void;
  readonly onDurable: (offset: number, lineage: string) => void;
  readonly onFailed: (error: Error) => void;
};

type Step =
  | { readonly kind: 'write'; readonly buffers: Buffer[]; readonly endOffset: number }
  | {
      readonly kind: 'roll';
      readonly sequence: number;
      readonly header: SpoolHeader;
      readonly settle: boolean;
    };

type OpenFile = {
  readonly handle: FileHandle;
  readonly path: string;
  readonly sequence: number;
  readonly header: SpoolHeader;
  bytes: number;
};

/** Small arrivals wait so long for company on the way to the disk: less where a sync is due. */
const MIN_GATHER_MS = 40;
const MAX_GATHER_MS = 250;
const GATHER_BYTES = 1 << 20;
/** Written bytes are made durable at least so often. */
const SYNC_MS = 500;

/**
 * Writes one file after the other, in one queue: what is taken in is written, rolled and synced in
 * this order, and nothing here makes whoever brings bytes wait. After a failure it writes no more.
 */
export class SpoolWriter {
  /** Of the stream, durable so far. */
  durableOffset = 0;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #events: WriterEvents;
  readonly #arena = new SpoolArena();
  readonly #steps: Step[] = [];
  #file: OpenFile | null = null;
  /** Behind the last byte taken in, and behind the last one written. */
  #offset = 0;
  #writtenOffset = 0;
  #queuedBytes = 0;
  #rollBytes = 0;
  #running: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #syncedAtMs = 0;
  readonly #waiters: (() => void)[] = [];
  #failure: Error | null = null;
  #isShut = false;

  constructor(folder: string, clock: Clock, events: WriterEvents) {
    this.#folder = folder;
    this.#clock = clock;
    this.#events = events;
    this.#syncedAtMs = clock.monotonic();
  }

  /** Bytes of the file being written, and on their way to it. */
  get bytes(): number {
    return (this.#file?.bytes ?? 0) + this.pendingBytes;
  }

  get pendingBytes(): number {
    return this.#queuedBytes + this.#arena.bytes;
  }

  /** Of the stream, since the last roll. */
  get fileBytes(): number {
    return this.#rollBytes;
  }

  append(buffer: Buffer, start: number, end: number, atMs: number, sinceMs: number): void {
    this.#arena.append(buffer, start, end, { offset: this.#offset, atMs, sinceMs });
    this.#offset += end - start;
    this.#rollBytes += end - start;
    if (this.#running !== null) return;
    if (this.#arena.bytes >= GATHER_BYTES) this.#schedule(0);
    else if (this.#timer === null) this.#schedule(this.#gatherMs);
  }

  noteReplid(replid: string): void {
    const place = { offset: this.#offset, atMs: this.#clock.now() };
    this.#arena.add(encodeRecord(RECORD.replid, Buffer.from(replid), place));
    this.#schedule(0);
  }

  noteBracket(atMs: number, offset: number): void {
    this.#arena.add(encodeRecord(RECORD.bracket, Buffer.alloc(0), { offset, atMs }));
    this.#schedule(this.#gatherMs);
  }

  /**
   * Begins the first file, or the next one. `settle`: the one before may end within a command, and
   * is brought to its last cut.
   */
  roll(sequence: number, header: SpoolHeader, settle: boolean): void {
    this.#takeArena();
    this.#steps.push({ kind: 'roll', sequence, header, settle });
    this.#offset = header.startOffset;
    this.#rollBytes = 0;
    this.#schedule(0);
  }

  /** Resolves when all that was taken in is durable, or will never be. */
  async sync(): Promise<void> {
    if (this.#failure !== null || this.#isShut) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.push(resolve);
    this.#schedule(0);
    await promise;
  }

  async shut(): Promise<void> {
    await this.sync();
    this.#isShut = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#running;
    await this.#file?.handle.close().catch(() => {});
    this.#file = null;
  }

  #schedule(inMs: number): void {
    if (this.#failure !== null || this.#isShut || this.#running !== null) return;
    if (inMs === 0) {
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#timer = null;
      this.#running = this.#run();
      return;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#schedule(0);
    }, inMs);
  }

  /** Works until nothing is to do; what arrives meanwhile is done in the next round. */
  async #run(): Promise<void> {
    let waiters: (() => void)[] = [];
    try {
      do {
        // Who asks from here on has bytes that come in the next round.
        waiters = this.#waiters.splice(0);
        this.#takeArena();
        for (const step of this.#steps.splice(0)) await this.#do(step);
        await this.#syncIfDue(waiters.length > 0);
        for (const wake of waiters.splice(0)) wake();
      } while (
        this.#steps.length > 0 ||
        this.#waiters.length > 0 ||
        this.#arena.bytes >= GATHER_BYTES
      );
    } catch (error) {
      this.#waiters.push(...waiters);
      this.#fail(spoolError('Cannot write to the spool', error));
    }
    this.#running = null;
    if (this.#failure !== null) return;
    if (this.#arena.bytes > 0) this.#schedule(this.#gatherMs);
    else if (this.#writtenOffset > this.durableOffset) this.#schedule(Math.max(1, this.#syncInMs));
  }

  /** Until the next sync is due, rounded up. */
  get #syncInMs(): number {
    return Math.ceil(this.#syncedAtMs + SYNC_MS - this.#clock.monotonic());
  }

  get #gatherMs(): number {
    return Math.max(MIN_GATHER_MS, Math.min(MAX_GATHER_MS, this.#syncInMs));
  }

  async #do(step: Step): Promise<void> {
    if (step.kind === 'roll') return await this.#roll(step);
    const file = this.#file;
    assert(file !== null, 'a write without a file');
    let size = 0;
    for (const buffer of step.buffers) size += buffer.length;
    const { bytesWritten } = await file.handle.writev(step.buffers, file.bytes);
    if (bytesWritten !== size) throw shortWrite();
    file.bytes += size;
    this.#queuedBytes -= size;
    this.#writtenOffset = step.endOffset;
    this.#arena.giveBack(step.buffers);
  }

  async #roll(step: Extract<Step, { kind: 'roll' }>): Promise<void> {
    const closed = this.#file === null ? null : await this.#close(this.#file, step.settle);
    this.#file = await this.#create(step.sequence, step.header);
    await syncFolder(this.#folder);
    this.#writtenOffset = step.header.startOffset;
    this.#setDurable(step.header.startOffset);
    if (closed !== null) this.#events.onClosed(closed);
  }

  async #close(file: OpenFile, settle: boolean): Promise<ClosedFile | null> {
    await file.handle.datasync();
    await file.handle.close();
    this.#file = null;
    const { sequence, bytes } = file;
    const { startOffset, lineage, lastMs: sinceMs } = file.header;
    const endOffset = settle ? (await settleFile(file.path)).offset : this.#writtenOffset;
    const path = join(this.#folder, closedName(sequence, endOffset));
    const isEmpty = endOffset === startOffset;
    await closeFile(file.path, path, isEmpty);
    if (isEmpty) return null;
    return { path, sequence, bytes, lineage: lineage.lineage, startOffset, endOffset, sinceMs };
  }

  async #create(sequence: number, header: SpoolHeader): Promise<OpenFile> {
    const path = join(this.#folder, openName(sequence));
    const handle = await open(path, 'wx', 0o600);
    const place = { offset: header.startOffset, atMs: header.lastMs };
    const head = Buffer.concat([MAGIC, encodeRecord(RECORD.header, encodeHeader(header), place)]);
    try {
      const { bytesWritten } = await handle.write(head);
      if (bytesWritten !== head.length) throw shortWrite();
      await handle.datasync();
    } catch (error) {
      await handle.close().catch(() => {});
      throw error;
    }
    return { handle, path, sequence, header, bytes: head.length };
  }

  async #syncIfDue(isWanted: boolean): Promise<void> {
    const now = this.#clock.monotonic();
    if (!isWanted && now - this.#syncedAtMs < SYNC_MS) return;
    const offset = this.#writtenOffset;
    const isNews = offset > this.durableOffset;
    if (isNews) await this.#file?.handle.datasync();
    this.#syncedAtMs = this.#clock.monotonic();
    if (isNews) this.#setDurable(offset);
  }

  #setDurable(offset: number): void {
    this.durableOffset = offset;
    this.#events.onDurable(offset, this.#file?.header.lineage.lineage ?? '');
  }

  #takeArena(): void {
    const { bytes } = this.#arena;
    if (bytes === 0) return;
    this.#queuedBytes += bytes;
    this.#steps.push({ kind: 'write', buffers: this.#arena.take(), endOffset: this.#offset });
  }

  #fail(error: Error): void {
    this.#failure = error;
    for (const wake of this.#waiters.splice(0)) wake();
    if (!this.#isShut) this.#events.onFailed(error);
  }
}

/** A disk that fills up takes a part. */
function shortWrite(): Error {
  return Object.assign(new Error('short write'), { code: 'ENOSPC' });
}
