import { type Clock, RunControl, systemClock } from '../../base/index.ts';

/** Time that nobody used is not saved up beyond this. */
const SAVED_MS = 250;

export type PacerOptions = {
  /** Rates and pause, as somebody changes them meanwhile. */
  readonly control?: RunControl;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  readonly onPause?: (paused: boolean) => void;
};

/**
 * Keeps a stream of writes to so many bytes and keys per second, and stands still while it is
 * paused. Rates may change at any time: by the control, and by `limit` for the target's sake.
 */
export class Pacer {
  /** Bytes that were let through. */
  passedBytes = 0;
  readonly #control: RunControl;
  readonly #clock: Clock;
  readonly #options: PacerOptions;
  readonly #bytes = new Debt();
  readonly #keys = new Debt();
  #limit: number | null = null;
  #at: number;
  #wake: (() => void) | undefined;
  #isListening = false;
  #isPaused = false;

  constructor(options: PacerOptions = {}) {
    this.#options = options;
    this.#control = options.control ?? new RunControl();
    this.#clock = options.clock ?? systemClock;
    this.#at = this.#clock.monotonic();
  }

  /** Bytes per second that the target can bear; null: as many as the control says. */
  limit(bytesPerSecond: number | null): void {
    this.#limit = bytesPerSecond;
    this.#wake?.();
  }

  /** Resolves when `bytes` with `keys` keys may be written. Throws when the signal is aborted. */
  async take(bytes: number, keys: number): Promise<void> {
    const { signal } = this.#options;
    for (;;) {
      signal?.throwIfAborted();
      const waitMs = this.#waitMs();
      if (waitMs <= 0) break;
      await this.#sleep(waitMs);
    }
    this.#bytes.add(bytes);
    this.#keys.add(keys);
    this.passedBytes += bytes;
  }

  #waitMs(): number {
    const { paused, bytesPerSecond, keysPerSecond } = this.#control.settings;
    if (paused !== this.#isPaused) {
      this.#isPaused = paused;
      this.#options.onPause?.(paused);
    }
    const now = this.#clock.monotonic();
    const elapsedMs = now - this.#at;
    this.#at = now;
    const byBytes = this.#bytes.pay(elapsedMs, lower(bytesPerSecond, this.#limit));
    const byKeys = this.#keys.pay(elapsedMs, keysPerSecond);
    return paused ? Number.POSITIVE_INFINITY : Math.max(byBytes, byKeys);
  }

  /** Until the time is over, or something changes. */
  async #sleep(ms: number): Promise<void> {
    this.#listen();
    const { signal } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    this.#wake = wake;
    signal?.addEventListener('abort', wake);
    const timer = Number.isFinite(ms) ? setTimeout(wake, ms) : undefined;
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', wake);
      this.#wake = undefined;
    }
  }

  /** One listener for as long as it takes: each wait of its own would stay with the control. */
  #listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    const onChange = (): void => {
      this.#isListening = false;
      this.#wake?.();
    };
    void this.#control.changed(this.#options.signal).then(onChange);
  }
}

/** What was let through and is not paid for yet by the time that has gone by. */
class Debt {
  #amount = 0;

  add(amount: number): void {
    this.#amount += amount;
  }

  /** Milliseconds until nothing is owed. */
  pay(elapsedMs: number, perSecond: number | null): number {
    if (perSecond === null) {
      this.#amount = 0;
      return 0;
    }
    const paid = this.#amount - (elapsedMs / 1000) * perSecond;
    this.#amount = Math.max(paid, (-SAVED_MS / 1000) * perSecond);
    return (this.#amount / perSecond) * 1000;
  }
}

function lower(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}
