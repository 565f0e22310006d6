import { type Clock, systemClock } from '../base/index.ts';

/**
 * Keeps a stream of writes to so many bytes and keys per second: tells how long to wait before the
 * next may go. Time that nobody used is not saved up beyond a quarter of a second.
 */
export class Pacer {
  readonly #bytesPerSecond: number;
  readonly #keysPerSecond: number;
  readonly #clock: Clock;
  #freeAtMs: number;

  /** Undefined: no limit of that kind. */
  constructor(bytesPerSecond?: number, keysPerSecond?: number, clock: Clock = systemClock) {
    this.#bytesPerSecond = bytesPerSecond ?? Number.POSITIVE_INFINITY;
    this.#keysPerSecond = keysPerSecond ?? Number.POSITIVE_INFINITY;
    this.#clock = clock;
    this.#freeAtMs = clock.monotonic();
  }

  /** Milliseconds to wait before writing `bytes` with `keys` keys. */
  take(bytes: number, keys: number): number {
    const nowMs = this.#clock.monotonic();
    const startMs = Math.max(this.#freeAtMs, nowMs - 250);
    const seconds = Math.max(bytes / this.#bytesPerSecond, keys / this.#keysPerSecond);
    this.#freeAtMs = startMs + seconds * 1000;
    return Math.max(0, startMs - nowMs);
  }
}
