/**
 * What may change while an operation runs: how fast it goes and whether it stands still. Whoever
 * started the operation calls `change`; the operation reads the fields whenever it is about to do
 * more, and waits by `changed` while it is paused.
 */
export class RunControl {
  #settings: RunSettings;
  #waiting: (() => void)[] = [];

  constructor(settings: Partial<RunSettings> = {}) {
    this.#settings = { ...UNLIMITED, ...settings };
  }

  get settings(): RunSettings {
    return this.#settings;
  }

  /** Replaces what is named and wakes everybody who waits for a change. */
  change(settings: Partial<RunSettings>): void {
    this.#settings = { ...this.#settings, ...settings };
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves at the next change, or when `signal` is aborted. */
  async changed(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    this.#waiting.push(wake);
    signal?.addEventListener('abort', wake);
    await promise;
    signal?.removeEventListener('abort', wake);
    this.#waiting = this.#waiting.filter((other) => other !== wake);
  }
}

/** `null`: no limit. */
export type RunSettings = {
  readonly bytesPerSecond: number | null;
  readonly keysPerSecond: number | null;
  readonly paused: boolean;
};

const UNLIMITED: RunSettings = { bytesPerSecond: null, keysPerSecond: null, paused: false };
