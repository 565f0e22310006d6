import { setTimeout as delay } from 'node:timers/promises';
import { type RunControl, systemClock } from '../base/index.ts';

/** So long is waited for a change at a time; what ends a pause is the change, not this. */
const LONGEST_WAIT_MS = 60_000;

/** Keeps reading to what a RunControl says at the time: bytes per second, or standing still. */
export class Pace {
  readonly #control: RunControl | undefined;
  #freeAtMs = 0;
  #changed: Promise<void> | undefined;

  constructor(control?: RunControl) {
    this.#control = control;
  }

  /** Waits until `bytes` more may be read. Rejects when `signal` is aborted. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#control === undefined) return;
    for (;;) {
      signal?.throwIfAborted();
      const { paused, bytesPerSecond } = this.#control.settings;
      const nowMs = systemClock.monotonic();
      const waitMs = bytesPerSecond === null ? 0 : this.#freeAtMs - nowMs;
      if (!paused && waitMs <= 0) {
        this.#freeAtMs = nowMs + (bytesPerSecond === null ? 0 : (bytes / bytesPerSecond) * 1000);
        return;
      }
      await this.#wait(this.#control, paused ? LONGEST_WAIT_MS : waitMs, signal);
    }
  }

  async #nextChange(control: RunControl): Promise<void> {
    await control.changed();
    this.#changed = undefined;
  }

  async #wait(control: RunControl, waitMs: number, signal?: AbortSignal): Promise<void> {
    // One wait for a change, however many waits there are meanwhile.
    this.#changed ??= this.#nextChange(control);
    const over = new AbortController();
    const ends = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
    const waited = delay(waitMs, undefined, { signal: ends });
    waited.catch(() => {});
    try {
      await Promise.race([this.#changed, waited]);
    } finally {
      over.abort();
    }
  }
}
