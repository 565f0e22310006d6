import type { Clock } from '../base/index.ts';

/** A limit on received bytes, and what to do when it begins to harm the source. */
export type RateLimit = {
  /** At least MIN_RATE: a slower replica is dropped by the server as dead. */
  readonly bytesPerSecond: number;
  /** Default `lift`: go on at full speed, reported through `onLifted`. */
  readonly onHarm?: 'lift' | 'abort';
  readonly onLifted?: (reason: string) => void;
  readonly bounds?: Partial<HarmBounds>;
};

export type HarmBounds = {
  /** Copy-on-write memory of the source's child. Default 256 MiB. */
  readonly copyOnWriteBytes: number;
  /**
   * The largest output buffer of a replica of the source. Default 64 MiB, or less where the source
   * drops replicas earlier.
   */
  readonly replicaBufferBytes: number;
};

export const MIN_RATE = 64 << 10;

const BURST_SECONDS = 0.25;

/**
 * Token bucket that allows debt: bytes that have come are accounted for afterwards, and the answer
 * is how long to read nothing.
 */
export class TokenBucket {
  readonly #clock: Clock;
  #rate: number;
  #level: number;
  #at: number;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#rate = bytesPerSecond;
    this.#clock = clock;
    this.#level = bytesPerSecond * BURST_SECONDS;
    this.#at = clock.monotonic();
  }

  /** Another rate from now on; debt is paid back at the new one. */
  set bytesPerSecond(rate: number) {
    this.take(0);
    this.#rate = rate;
    this.#level = Math.min(this.#level, rate * BURST_SECONDS);
  }

  /** Takes `bytes`; gives the milliseconds to wait before reading more, 0 for none. */
  take(bytes: number): number {
    const now = this.#clock.monotonic();
    const refill = ((now - this.#at) / 1000) * this.#rate;
    this.#level = Math.min(this.#level + refill, this.#rate * BURST_SECONDS) - bytes;
    this.#at = now;
    return this.#level >= 0 ? 0 : (-this.#level / this.#rate) * 1000;
  }
}
