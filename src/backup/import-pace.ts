import type { Clock, RunControl } from '../base/index.ts';

/** A rate that has been changed is obeyed after so long at the latest. */
const LOOK_MS = 100;

/** Holds a reader back as a RunControl says: to so many bytes a second, or altogether. */
export class ImportPace {
  readonly #control: RunControl;
  readonly #clock: Clock;
  /** When what has been read is paid for. */
  #paidAtMs = 0;

  constructor(control: RunControl, clock: Clock) {
    this.#control = control;
    this.#clock = clock;
  }

  /** Resolves when more may be read behind these bytes; rejects when `signal` is aborted. */
  async wait(bytes: number, signal?: AbortSignal): Promise<void> {
    const control = this.#control;
    let owed = bytes;
    for (;;) {
      signal?.throwIfAborted();
      const { paused, bytesPerSecond } = control.settings;
      if (paused) {
        await control.changed(signal);
        continue;
      }
      if (bytesPerSecond === null) return;
      const nowMs = this.#clock.monotonic();
      this.#paidAtMs = Math.max(this.#paidAtMs, nowMs) + (owed / bytesPerSecond) * 1000;
      const waitMs = this.#paidAtMs - nowMs;
      if (waitMs < 1) return;
      await delay(Math.min(waitMs, LOOK_MS), signal);
      if (waitMs <= LOOK_MS) return;
      // The rest is owed at whatever rate holds then.
      owed = ((waitMs - LOOK_MS) / 1000) * bytesPerSecond;
      this.#paidAtMs = 0;
    }
  }
}

/** Resolves after so long, or when `signal` is aborted. */
async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = (): void => resolve();
  const timer = setTimeout(end, ms);
  signal?.addEventListener('abort', end);
  await promise;
  clearTimeout(timer);
  signal?.removeEventListener('abort', end);
}
