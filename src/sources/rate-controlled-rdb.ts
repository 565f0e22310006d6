import { CodedError, type RunControl, systemClock } from '../base/index.ts';
import type { RateGuard } from './rate-guard.ts';
import { MIN_RATE, type RateLimit, TokenBucket } from './rate-limit.ts';
import type { OnChunk, RdbByteSource, RdbEnd, RdbOrigin } from './rdb-byte-source.ts';

/** What a server that is being read needs beside the rate itself. */
export type LiveTransfer = {
  readonly framing: 'length' | 'mark';
  readonly limit: Pick<RateLimit, 'onHarm' | 'onLifted'>;
  /** Open already where the transfer begins held back. Owned from here on. */
  readonly guard: RateGuard | null;
  readonly openGuard: () => Promise<RateGuard>;
};

type Hold = 'consumer' | 'rate' | 'control';

/**
 * An RDB held back as a RunControl says at any time: to so many bytes per second, or standing
 * still. A server that is being read (`live`) is held back only while a guard watches it and finds
 * no harm; then its rate is free until the end, and a pause is over (`paused` becomes false).
 * Throws beside the source's own codes RATE_LIMIT_HARM, when that is what `onHarm` wants.
 */
export class RateControlledRdb<Origin extends RdbOrigin = RdbOrigin> implements RdbByteSource {
  readonly origin: Origin;
  readonly #source: RdbByteSource;
  readonly #control: RunControl;
  readonly #live: LiveTransfer | null;
  readonly #over = new AbortController();
  readonly #holds = new Set<Hold>();
  #guard: RateGuard | null;
  #bucket: TokenBucket | null = null;
  #rateTimer: NodeJS.Timeout | undefined;
  #pauseTimer: NodeJS.Timeout | undefined;
  /** Why nothing may be held back any more. */
  #lifted: string | null = null;
  #failure: CodedError | null = null;

  constructor(
    source: RdbByteSource & { readonly origin: Origin },
    control: RunControl,
    live: LiveTransfer | null = null,
  ) {
    this.origin = source.origin;
    this.#source = source;
    this.#control = control;
    this.#live = live;
    this.#guard = live?.guard ?? null;
  }

  async start(onChunk: OnChunk, signal?: AbortSignal): Promise<RdbEnd> {
    if (this.#guard) this.#watch(this.#guard);
    void this.#follow();
    try {
      return await this.#source.start((buffer, from, to) => {
        onChunk(buffer, from, to);
        this.#account(to - from);
      }, signal);
    } catch (error) {
      throw this.#failure ?? error;
    } finally {
      this.#end();
    }
  }

  pause(): void {
    this.#hold('consumer');
  }

  resume(): void {
    this.#release('consumer');
  }

  close(): void {
    this.#end();
    this.#source.close();
  }

  /** Does what the control says, now and at every change. */
  async #follow(): Promise<void> {
    while (!this.#over.signal.aborted) {
      const changed = this.#control.changed(this.#over.signal);
      if (this.#mayHold()) this.#apply();
      else await this.#openGuard();
      await changed;
    }
  }

  #wantsToHold(): boolean {
    const { bytesPerSecond, paused } = this.#control.settings;
    return paused || bytesPerSecond !== null;
  }

  /** Whether the settings can be followed without looking for a guard first. */
  #mayHold(): boolean {
    return !this.#wantsToHold() || this.#lifted !== null || !this.#live || this.#guard !== null;
  }

  #apply(): void {
    const { bytesPerSecond, paused } = this.#control.settings;
    if (this.#lifted !== null && paused) this.#endPause(this.#lifted);
    const rate = this.#lifted === null ? bytesPerSecond : null;
    this.#setRate(rate === null || !this.#live ? rate : Math.max(rate, MIN_RATE));
    this.#setPaused(this.#control.settings.paused);
  }

  #setRate(rate: number | null): void {
    if (rate !== null && this.#bucket) this.#bucket.bytesPerSecond = rate;
    else this.#bucket = rate === null ? null : new TokenBucket(rate, systemClock);
    // What is owed is counted anew: the wait was for the rate of before.
    clearTimeout(this.#rateTimer);
    this.#release('rate');
    this.#account(0);
  }

  #setPaused(paused: boolean): void {
    clearTimeout(this.#pauseTimer);
    if (!paused) {
      this.#release('control');
      return;
    }
    this.#hold('control');
    // From its disk a source waits without end.
    if (this.#live?.framing !== 'mark' || !this.#guard) return;
    const longestMs = this.#guard.longestPauseMs;
    const seconds = Math.round(longestMs / 1000);
    const reason = `it waits no longer than ${seconds} s for a reader that stands still`;
    this.#pauseTimer = setTimeout(() => this.#endPause(reason), longestMs);
  }

  #endPause(reason: string): void {
    this.#live?.limit.onLifted?.(reason);
    this.#control.change({ paused: false });
  }

  async #openGuard(): Promise<void> {
    try {
      const guard = await this.#live?.openGuard();
      if (this.#over.signal.aborted) guard?.end();
      else if (guard) this.#watch(guard);
    } catch (error) {
      this.#lift(`it cannot be watched (${(error as Error).message})`);
    }
    if (!this.#over.signal.aborted) this.#apply();
  }

  #watch(guard: RateGuard): void {
    this.#guard = guard;
    guard.begin({
      framing: this.#live?.framing ?? 'length',
      isThrottled: () => this.#lifted === null && this.#wantsToHold(),
      onHarm: (reason) => this.#onHarm(reason),
    });
  }

  #onHarm(reason: string): void {
    if (this.#live?.limit.onHarm !== 'abort') {
      this.#lift(reason);
      this.#apply();
      return;
    }
    this.#failure = new CodedError('RATE_LIMIT_HARM', `Cannot keep the rate limit: ${reason}`);
    this.close();
  }

  #lift(reason: string): void {
    this.#lifted = reason;
    if (this.#control.settings.paused) this.#endPause(reason);
    else this.#live?.limit.onLifted?.(reason);
  }

  #account(bytes: number): void {
    const waitMs = this.#bucket?.take(bytes) ?? 0;
    if (waitMs <= 0) return;
    this.#hold('rate');
    clearTimeout(this.#rateTimer);
    this.#rateTimer = setTimeout(() => this.#release('rate'), waitMs);
  }

  #hold(who: Hold): void {
    if (this.#holds.size === 0) this.#source.pause();
    this.#holds.add(who);
  }

  #release(who: Hold): void {
    if (this.#holds.delete(who) && this.#holds.size === 0) this.#source.resume();
  }

  #end(): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    clearTimeout(this.#rateTimer);
    clearTimeout(this.#pauseTimer);
    this.#guard?.end();
    this.#bucket = null;
    this.#release('rate');
    this.#release('control');
  }
}
