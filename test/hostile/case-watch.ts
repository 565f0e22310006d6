import { writeSync } from 'node:fs';
import { Worker, isMainThread, workerData } from 'node:worker_threads';

/**
 * Watches a process that works through hostile cases from a thread of its own: kills it, with a
 * line that names the case, when one takes too long or the process holds too much memory. What
 * never gives the event loop back could not be stopped from within.
 */
export type WatchLimits = {
  readonly caseMs: number;
  /** Resident memory of the whole process. */
  readonly peakBytes: number;
};

type Shared = WatchLimits & { readonly state: SharedArrayBuffer; readonly label: string };

const LOOK_MS = 50;

export class CaseWatch {
  readonly #state = new SharedArrayBuffer(8);
  readonly #current = new Int32Array(this.#state);
  readonly #worker: Worker;

  constructor(label: string, limits: WatchLimits) {
    const shared: Shared = { ...limits, label, state: this.#state };
    this.#worker = new Worker(new URL(import.meta.url), { workerData: shared });
    this.#worker.unref();
  }

  /** Says which case begins. */
  begin(index: number): void {
    Atomics.store(this.#current, 0, index);
    Atomics.add(this.#current, 1, 1);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

function watch({ state, label, caseMs, peakBytes }: Shared): void {
  const current = new Int32Array(state);
  let seen = -1;
  let since = performance.now();
  const kill = (why: string): void => {
    writeSync(2, `${label} --only ${Atomics.load(current, 0)}: ${why}\n`);
    process.kill(process.pid, 'SIGKILL');
  };
  setInterval(() => {
    const count = Atomics.load(current, 1);
    if (count !== seen) since = performance.now();
    seen = count;
    if (performance.now() - since > caseMs) kill(`not done after ${caseMs} ms`);
    const held = process.memoryUsage.rss();
    if (held > peakBytes) kill(`${Math.round(held / 2 ** 20)} MiB held`);
  }, LOOK_MS);
}

if (!isMainThread && workerData?.state instanceof SharedArrayBuffer) watch(workerData as Shared);
