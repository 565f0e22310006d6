import { identifyOperation } from './load-instant.ts';
import { LoadState, type Operation, planOperation } from './load-state.ts';
import type { Model } from './model.ts';
import { RespPipe } from './resp-pipe.ts';
import { readFacts } from './server-facts.ts';

/**
 * A write load whose exact state is known after each of its operations, so that a snapshot taken in
 * the middle proves itself: from the data alone follows after which operation it was taken
 * (`identify`), and `expectedAt` says what every key must then hold. A transaction in every tenth
 * operation sets one counter in keys of all types, in all databases; a snapshot must find it equal.
 *
 * Operations are a function of the seed and their number; one connection sends them in order. The
 * journal tells between which instants each of them ran, for restores to a point in time.
 */
export type WriteLoadOptions = {
  readonly seed?: number;
  /** Default 0 and 1; only 0 in a cluster. */
  readonly databases?: readonly number[];
  /** Default 5,000; an operation is one to about ten commands. */
  readonly operationsPerSecond?: number;
};

/** Operations `first` to `last` ran on the server between the two instants (Unix ms, our clock). */
export type JournalEntry = {
  readonly first: number;
  readonly last: number;
  readonly sentMs: number;
  readonly answeredMs: number;
};

const BATCH = 50;

export class WriteLoad {
  readonly journal: JournalEntry[] = [];
  readonly #pipe: RespPipe;
  readonly #seed: number;
  readonly #databases: readonly number[];
  readonly #prefix: string;
  readonly #batchMs: number;
  #issued = 0;
  #stopping = false;
  #running: Promise<void> = Promise.resolve();
  #waiting: { readonly operation: number; readonly resolve: () => void }[] = [];

  private constructor(pipe: RespPipe, cluster: boolean, options: WriteLoadOptions) {
    this.#pipe = pipe;
    this.#seed = options.seed ?? 1;
    this.#databases = cluster ? [0] : (options.databases ?? [0, 1]);
    this.#prefix = cluster ? '{state}:' : 'state:';
    this.#batchMs = (BATCH * 1000) / (options.operationsPerSecond ?? 5000);
  }

  /** Starts writing; resolves when the first operations are answered. */
  static async start(url: string, options: WriteLoadOptions = {}): Promise<WriteLoad> {
    const pipe = await RespPipe.open(url);
    const facts = await readFacts(pipe);
    const load = new WriteLoad(pipe, facts.cluster, options);
    load.#running = load.#run();
    // A failure shows when the load is stopped or waited for.
    load.#running.catch(() => undefined);
    await load.reached(1);
    return load;
  }

  /** Operations answered so far: they are in every snapshot taken from now on. */
  get operations(): number {
    return this.journal.at(-1)?.last ?? 0;
  }

  /** Resolves when this operation has been answered. */
  async reached(operation: number): Promise<void> {
    if (this.operations >= operation) return;
    const reached = new Promise<void>((resolve) => this.#waiting.push({ operation, resolve }));
    await Promise.race([reached, this.#running]);
    if (this.operations < operation) throw new Error(`The load ended before ${operation}`);
  }

  /** Ends the load; resolves with the number of the last operation, which is answered. */
  async stop(): Promise<number> {
    this.#stopping = true;
    try {
      await this.#running;
      return this.operations;
    } finally {
      this.#pipe.close();
    }
  }

  /** After which operation this data was taken. Throws when its counters contradict each other. */
  identify(snapshot: Model): number {
    return identifyOperation(this.ownKeys(snapshot));
  }

  /** What all keys of the load hold after an operation. Replays all: seconds for a million. */
  expectedAt(operation: number): Model {
    const state = new LoadState();
    for (let n = 1; n <= operation; n++) state.apply(this.#plan(n));
    return state.model();
  }

  /** The part of a data set that this load wrote. */
  ownKeys(snapshot: Model): Model {
    const keys = [...snapshot.keys].filter(([, { key }]) => key.startsWith(this.#prefix));
    return { ...snapshot, keys: new Map(keys), functions: [], scripts: undefined };
  }

  /**
   * The operations that may be the last one at an instant of our clock: at least `low`, at most
   * `high` (both included) have run then.
   */
  operationsAt(unixMs: number): { readonly low: number; readonly high: number } {
    let low = 0;
    let high = 0;
    for (const entry of this.journal) {
      if (entry.answeredMs <= unixMs) low = entry.last;
      if (entry.sentMs <= unixMs) high = entry.last;
    }
    return { low, high };
  }

  #plan(number: number): Operation {
    return planOperation(this.#seed, number, this.#databases, this.#prefix);
  }

  async #run(): Promise<void> {
    let due = performance.now();
    let db = 0;
    while (!this.#stopping) {
      const first = this.#issued + 1;
      const sentMs = Date.now();
      for (let i = 0; i < BATCH; i++) {
        const operation = this.#plan(++this.#issued);
        if (operation.db !== db) this.#pipe.pipe('SELECT', operation.db);
        db = operation.lastDb;
        for (const command of operation.commands) this.#pipe.pipe(...command);
      }
      await this.#pipe.done();
      this.journal.push({ first, last: this.#issued, sentMs, answeredMs: Date.now() });
      this.#tellReached();
      due = Math.max(due + this.#batchMs, performance.now() - 1000);
      const wait = due - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  #tellReached(): void {
    const reached = this.#waiting.filter(({ operation }) => operation <= this.operations);
    this.#waiting = this.#waiting.filter(({ operation }) => operation > this.operations);
    for (const { resolve } of reached) resolve();
  }
}
