import { rename } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { CodedError, type ErrorCode, isCoded } from '../base/index.ts';
import {
  beginLineage,
  closeDays,
  type LineageRecord,
  type Repository,
  type SegmentRecord,
  storeSegment,
} from '../repository/index.ts';
import { ClosedReader } from './spool/read-closed.ts';
import type { ClosedFile, ShardSpool } from './spool/shard-spool.ts';

export type StoreOptions = {
  readonly repository: Repository;
  readonly source: string;
  readonly spool: ShardSpool;
  /** The newest segment that the repository holds of this shard, in any lineage. */
  readonly last: SegmentRecord | null;
  readonly onStored: (offset: number, lineage: string) => void;
  /** A file could not become a segment: the log has a hole. */
  readonly onHole: () => void;
  readonly onNotice: (text: string) => void;
};

/** Trying again would not help: the file is damaged, or something else bears its name. */
const LASTING = new Set<ErrorCode>(['SPOOL_CORRUPT', 'STREAM_CORRUPT', 'OBJECT_EXISTS']);
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;

/**
 * Turns closed spool files into segments, the oldest first, one at a time, and removes each when it
 * rests in the repository. A store that fails or is slow only makes the spool grow: it is tried
 * again for as long as this runs.
 */
export class SegmentStore {
  /** Why nothing can be stored at the moment. */
  failure: string | null = null;
  segments = 0;
  readonly #options: StoreOptions;
  readonly #abort = new AbortController();
  readonly #begun = new Set<string>();
  readonly #announced: LineageRecord[] = [];
  #last: SegmentRecord | null;
  #wake: () => void = () => {};
  #retry = new AbortController();
  #isEnding = false;
  #running: Promise<void> | null = null;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#last = options.last;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** A lineage has begun: the repository should know, also while nothing of it is closed yet. */
  announce(lineage: LineageRecord): void {
    this.#announced.push(lineage);
    this.#wake();
  }

  /** A file was closed. */
  wake(): void {
    this.#wake();
  }

  /** Stores what waits, for at most `deadlineMs`; resolves to whether all of it is stored. */
  async drain(deadlineMs: number): Promise<boolean> {
    this.#isEnding = true;
    this.#retry.abort();
    this.#wake();
    const timer = setTimeout(() => {
      this.#abort.abort();
      this.#retry.abort();
    }, deadlineMs);
    await this.#running;
    clearTimeout(timer);
    return this.#options.spool.closed.length === 0 && this.#announced.length === 0;
  }

  async #run(): Promise<void> {
    let attempt = 0;
    for (;;) {
      const lineage = this.#announced.at(0);
      const file = this.#options.spool.closed.at(0);
      if (lineage === undefined && file === undefined) {
        if (this.#isEnding) return;
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      try {
        if (lineage !== undefined) {
          await this.#beginLineage(lineage);
          this.#announced.shift();
        } else if (file !== undefined) await this.#store(file);
        if (this.failure !== null) this.#options.onNotice('The repository takes segments again');
        this.failure = null;
        attempt = 0;
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        if (!(error instanceof CodedError)) throw error;
        if (LASTING.has(error.code)) {
          if (lineage !== undefined) this.#announced.shift();
          else if (file !== undefined) await this.#putAside(file, error);
          continue;
        }
        if (this.failure === null) {
          this.#options.onNotice(`Cannot store a segment, keeping it here: ${error.message}`);
        }
        this.failure = error.message;
        await this.#pause(Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt++));
      }
    }
  }

  async #store(file: ClosedFile): Promise<void> {
    const last = this.#last;
    const reader = await ClosedReader.open(file);
    const { lineage } = reader.header;
    const before = last?.lineage === lineage.lineage ? last : null;
    let stored: SegmentRecord;
    try {
      stored = await this.#storeContents(file, reader, before);
    } finally {
      await reader.close();
    }
    this.#last = stored;
    this.segments++;
    this.#options.onStored(file.endOffset, lineage.lineage);
    await this.#options.spool.remove(file);
    if (last !== null && (before === null || dayOf(before) !== dayOf(stored))) {
      await this.#closeDays(stored);
    }
  }

  async #storeContents(
    file: ClosedFile,
    reader: ClosedReader,
    before: SegmentRecord | null,
  ): Promise<SegmentRecord> {
    const { repository, source } = this.#options;
    const { header, replids, brackets } = reader;
    await this.#beginLineage(header.lineage);
    return await storeSegment(
      repository,
      source,
      {
        shard: header.lineage.shard,
        lineage: header.lineage.lineage,
        startOffset: file.startOffset,
        database: header.database,
        replids,
        brackets,
        predecessor: before && { name: before.name, digest: before.directoryDigest },
        pieces: reader.pieces(),
      },
      this.#abort.signal,
    );
  }

  /** Best effort: what is derived can be derived again. */
  async #closeDays({ shard }: SegmentRecord): Promise<void> {
    const { repository, source } = this.#options;
    try {
      await closeDays(repository, source, shard, this.#abort.signal);
    } catch (error) {
      if (!isCoded(error) && !this.#abort.signal.aborted) throw error;
    }
  }

  async #beginLineage(record: LineageRecord): Promise<void> {
    if (this.#begun.has(record.lineage)) return;
    const { repository, source } = this.#options;
    await beginLineage(repository, source, record, this.#abort.signal);
    this.#begun.add(record.lineage);
  }

  /** A disk that damaged a file will not heal it: what is behind it must not wait for ever. */
  async #putAside(file: ClosedFile, error: Error): Promise<void> {
    const aside = `${file.path}.damaged`;
    await rename(file.path, aside).catch(() => {});
    await this.#options.spool.remove(file);
    this.#options.onNotice(
      `${error.message}; the log has a hole from ${file.startOffset} to ${file.endOffset}; ` +
        `the file is kept as ${aside}`,
    );
    this.#options.onHole();
  }

  async #pause(ms: number): Promise<void> {
    this.#retry = new AbortController();
    await delay(ms, undefined, { signal: this.#retry.signal }).catch(() => {});
  }
}

/** Of the folder that a segment lies in: `2026-11-22`, in UTC. */
function dayOf({ firstMs }: Pick<SegmentRecord, 'firstMs'>): string {
  return new Date(firstMs).toISOString().slice(0, 10);
}
