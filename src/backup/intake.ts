import { CodedError } from '../base/index.ts';
import { type EntrySelection, formatText } from '../entries/index.ts';
import { RdbBatcher, type RdbFormat, type RdbSideRecords } from '../rdb/index.ts';
import type { DatabaseFacts, ShardWriter } from '../repository/index.ts';
import type { RdbByteSource } from '../sources/index.ts';
import { Totals } from './counts.ts';
import { TranscodePool } from './transcode-pool.ts';

const BATCH_BYTES = 4 << 20;

/**
 * The source is stopped above the first and goes on below the second, per worker. In the middle of
 * a long key a worker keeps two pieces while it waits for the next, so the second must be more.
 */
const HIGH_BATCHES = 4;
const LOW_BATCHES = 3;

const REPORT_MS = 100;

export type IntakeOptions = {
  readonly source: RdbByteSource;
  readonly shard: ShardWriter;
  readonly slotRanges: number;
  readonly selection: EntrySelection;
  readonly snapshotAtMs: number;
  readonly workers: number;
  readonly onProgress?: (progress: IntakeProgress) => void;
  readonly signal?: AbortSignal;
};

export type IntakeProgress = {
  readonly receivedBytes: number;
  readonly keys: number;
  readonly storedBytes: number;
};

/** What an RDB held, when all its blocks have been handed to the shard. */
export type IntakeResult = {
  readonly format: RdbFormat;
  readonly receivedBytes: number;
  readonly checksumVerified: boolean;
  readonly databases: readonly DatabaseFacts[];
  readonly lossy: Readonly<Record<string, number>>;
  /** AUX fields by name; `lua` is among the side lines instead. */
  readonly aux: ReadonlyMap<string, string>;
  /** Lines for the instance record: functions, script bodies, module data. */
  readonly sideLines: readonly SideLine[];
};

export type SideLine = {
  readonly type: 'function' | 'script' | 'moduleAux';
  readonly value: string;
};

/**
 * One RDB on its way into one shard of a backup: received, cut, transcoded by the workers, and
 * written in the order of the dump. The source is stopped while too much is under way, so memory
 * stays flat whatever comes.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #pool: TranscodePool;
  readonly #batcher: RdbBatcher;
  readonly #totals = new Totals();
  readonly #aux = new Map<string, string>();
  readonly #sideLines: SideLine[] = [];
  #receivedBytes = 0;
  #storedBytes = 0;
  #reportedAtMs = 0;
  #ended = false;
  #isPaused = false;
  #failure: Error | undefined;
  #wake: () => void = () => {};

  constructor(options: IntakeOptions) {
    this.#options = options;
    const { slotRanges, selection, snapshotAtMs } = options;
    this.#pool = new TranscodePool(
      options.workers,
      { slotRanges, selection, snapshotAtMs },
      {
        onMemory: (memory) => this.#batcher.recycle(memory),
        onChange: () => this.#wake(),
        onError: (error) => this.#fail(error),
      },
    );
    this.#batcher = new RdbBatcher({
      batchBytes: BATCH_BYTES,
      side: this.#sideRecords(),
      onBatch: (batch) => {
        this.#pool.submit(batch);
        this.#balance();
      },
    });
  }

  /**
   * Takes in the whole RDB. Throws what the source and the decoder throw, SOURCE_GARBAGE when the
   * framing and the RDB disagree about its end, and the storage's codes. The source is closed then.
   */
  async run(): Promise<IntakeResult> {
    const { source, signal } = this.#options;
    const receiving = this.#receive();
    receiving.catch((error: Error) => this.#fail(error));
    try {
      await this.#store();
      await receiving;
    } finally {
      source.close();
      await receiving.catch(() => {});
      await this.#pool.close();
    }
    signal?.throwIfAborted();
    return this.#result();
  }

  async #receive(): Promise<void> {
    const { source, signal } = this.#options;
    const end = await source.start((buffer, from, to) => {
      const taken = this.#batcher.push(buffer, from, to);
      this.#receivedBytes += to - from;
      this.#reportSometimes();
      if (taken < to - from) {
        throw new CodedError(
          'SOURCE_GARBAGE',
          `The RDB ended at byte ${this.#batcher.scanner.offset}, but more bytes came`,
        );
      }
    }, signal);
    this.#batcher.finish();
    if (this.#batcher.scanner.offset !== end.bytes) {
      throw new CodedError(
        'SOURCE_GARBAGE',
        `The RDB has ${this.#batcher.scanner.offset} bytes, its framing says ${end.bytes}`,
      );
    }
    this.#pool.flush();
    this.#ended = true;
    this.#wake();
  }

  /** Writes what the workers have finished, in order, until everything is written. */
  async #store(): Promise<void> {
    const { shard, signal } = this.#options;
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const block = this.#pool.takeBlock();
      if (block !== undefined) {
        this.#storedBytes += block.stored.length;
        await shard.append(block, signal);
        this.#balance();
        // A long key has many blocks and only one count.
        this.#report();
        continue;
      }
      const counts = this.#pool.takeCounts();
      if (counts !== undefined) {
        this.#totals.add(counts);
        this.#balance();
        this.#report();
        continue;
      }
      if (this.#ended && this.#pool.isIdle) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  /** Chunks come by the thousand; people look a few times a second. */
  #reportSometimes(): void {
    const nowMs = performance.now();
    if (nowMs - this.#reportedAtMs < REPORT_MS) return;
    this.#reportedAtMs = nowMs;
    this.#report();
  }

  #report(): void {
    this.#options.onProgress?.({
      receivedBytes: this.#receivedBytes,
      keys: this.#totals.keys,
      storedBytes: this.#storedBytes,
    });
  }

  #balance(): void {
    const { source, workers } = this.#options;
    const batches = this.#pool.load / BATCH_BYTES;
    if (!this.#isPaused && batches > workers * HIGH_BATCHES) {
      this.#isPaused = true;
      source.pause();
    } else if (this.#isPaused && batches < workers * LOW_BATCHES) {
      this.#isPaused = false;
      source.resume();
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#options.source.close();
    this.#wake();
  }

  #sideRecords(): RdbSideRecords {
    const keep = (type: SideLine['type'], bytes: Uint8Array): void => {
      this.#sideLines.push({ type, value: formatText(bytes) });
    };
    return {
      aux: (name, value) => {
        if (name === 'lua') keep('script', value);
        else this.#aux.set(name, value.toString('latin1'));
      },
      functionLibrary: (source) => keep('function', source),
      moduleAux: (record) => keep('moduleAux', record),
      hashTemplate: (record) => this.#pool.addTemplate(record),
    };
  }

  #result(): IntakeResult {
    const { scanner } = this.#batcher;
    const { subexpiries } = scanner;
    return {
      format: scanner.format as RdbFormat,
      receivedBytes: scanner.offset,
      checksumVerified: scanner.checksumVerified,
      databases: this.#totals.databases(),
      lossy: subexpiries === 0 ? {} : { 'keydb-member-expiry': subexpiries },
      aux: this.#aux,
      sideLines: this.#sideLines,
    };
  }
}
