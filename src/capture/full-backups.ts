import { setTimeout as delay } from 'node:timers/promises';
import { backUp, type BackupReport, type BackupRequest } from '../backup/index.ts';
import type { Clock } from '../base/index.ts';
import type { NodeChoice, ReplicationStream } from '../sources/index.ts';

/** So many full backups run at a time, whoever asks; the others wait in order. */
export class FullGate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#free = most;
  }

  async enter(): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    };
  }
}

export type FullBackupsOptions = {
  readonly gate: FullGate;
  readonly clock: Clock;
  /** null: only those that a lineage needs to be of use at all. */
  readonly everyMs: number | null;
  /** What to read; asked for each backup anew. */
  readonly request: () => BackupRequest;
  /** Whether the backup lies in the history that is being recorded. */
  readonly isBase: (report: BackupReport) => boolean;
  readonly onDone: (report: BackupReport, isBase: boolean) => void;
  readonly onFailed: (error: Error) => void;
};

const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 300_000;
/** Of the interval: captures that were started together do not back up together for ever. */
const JITTER = 0.05;
const LONGEST_TIMER_MS = 3_600_000;

/**
 * Takes the full backups that a log is replayed from: one at once when there is none in the
 * lineage, then one per interval. One that fails is tried again.
 */
export class FullBackups {
  isRunning = false;
  readonly #options: FullBackupsOptions;
  readonly #abort = new AbortController();
  #dueAtMs: number | null = null;
  #attempt = 0;
  #wake = new AbortController();
  #running: Promise<void> | null = null;
  #taking: Promise<void> | null = null;

  constructor(options: FullBackupsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** The lineage has no base: now, or as soon as others are done. */
  wantNow(): void {
    if (this.#taking !== null) return;
    this.#dueAtMs = this.#options.clock.now();
    this.#attempt = 0;
    this.#wake.abort();
  }

  /** The newest base was made then. */
  schedule(lastAtMs: number): void {
    const { everyMs } = this.#options;
    this.#attempt = 0;
    this.#dueAtMs = everyMs === null ? null : lastAtMs + everyMs + Math.random() * JITTER * everyMs;
    this.#wake.abort();
  }

  /**
   * Makes a backup of an RDB that is about to flow: at once, since its server has forked for it.
   * `leave` is called at its end. One that fails is made again the ordinary way.
   */
  take(stream: ReplicationStream, { address, role }: NodeChoice, leave: () => void): void {
    this.#dueAtMs = null;
    const from = role === 'replica' ? 'auto' : 'master';
    const request = { ...this.#options.request(), address, from, attached: stream } as const;
    this.#taking = this.#back(request).finally(() => {
      this.#taking = null;
      leave();
    });
  }

  /** Stops, a backup that is under way included. */
  async end(): Promise<void> {
    this.#abort.abort();
    this.#wake.abort();
    await this.#running;
    await this.#taking;
  }

  async #run(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      const due = this.#dueAtMs;
      const inMs = due === null ? LONGEST_TIMER_MS : due - this.#options.clock.now();
      if (inMs > 0) {
        this.#wake = new AbortController();
        const wait = Math.min(inMs, LONGEST_TIMER_MS);
        await delay(wait, undefined, { signal: this.#wake.signal }).catch(() => {});
        continue;
      }
      const leave = await this.#options.gate.enter();
      try {
        if (!this.#abort.signal.aborted) await this.#back(this.#options.request());
      } finally {
        leave();
      }
    }
  }

  async #back(request: BackupRequest): Promise<void> {
    const { clock, isBase, onDone, onFailed } = this.#options;
    this.isRunning = true;
    try {
      const startedAtMs = clock.now();
      const report = await backUp({ ...request, signal: this.#abort.signal });
      const isUsable = isBase(report);
      onDone(report, isUsable);
      if (isUsable) this.schedule(startedAtMs);
      else this.#retryLater();
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      onFailed(error as Error);
      this.#retryLater();
    } finally {
      this.isRunning = false;
    }
  }

  #retryLater(): void {
    const inMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#attempt++);
    this.#dueAtMs = this.#options.clock.now() + inMs;
    this.#wake.abort();
  }
}
