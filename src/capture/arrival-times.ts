import type { Clock } from '../base/index.ts';

/** A clock that goes back by less is held and not mentioned: a server of time pulls it so. */
const SMALL_STEP_MS = 50;
/**
 * After a step back, bytes are held at a time that the clock cannot have shown before it: it is
 * looked at each second, so that what it showed last is known that well.
 */
const HOLD_AHEAD_MS = 2000;

/**
 * When bytes arrived: milliseconds that never go back within a lineage, and since when they may
 * have been made where that was not when they arrived.
 */
export class ArrivalTimes {
  /** Of the last byte. */
  lastMs: number;
  /** How often the clock was found behind the last arrival by more than a little. */
  steps = 0;
  readonly #clock: Clock;
  #lateSinceMs = 0;
  #lateUntil = 0;
  #isStepped = false;
  /** The latest that the clock was seen at. */
  #seenMs: number;
  #holdMs = 0;

  constructor(clock: Clock, lastMs: number) {
    this.#clock = clock;
    this.lastMs = lastMs;
    this.#seenMs = lastMs;
  }

  get isLate(): boolean {
    return this.#lateUntil === Number.POSITIVE_INFINITY;
  }

  /** What comes from now on was made between `sinceMs` and its arrival. */
  beginLate(sinceMs: number): void {
    this.#lateSinceMs = this.#lateSinceMs === 0 ? sinceMs : Math.min(this.#lateSinceMs, sinceMs);
    this.#lateUntil = Number.POSITIVE_INFINITY;
  }

  /** What lies behind `offset` is made and sent now. */
  endLate(offset: number): void {
    this.#lateUntil = Math.min(this.#lateUntil, offset);
  }

  /** Looks at the clock while nothing arrives; to be called each second. */
  look(): void {
    if (!this.#isStepped) this.#seenMs = Math.max(this.#seenMs, this.#clock.now());
  }

  /** Of bytes that begin at `offset`. `sinceMs` 0: made when they arrived. */
  stamp(offset: number): { readonly atMs: number; readonly sinceMs: number } {
    const now = this.#clock.now();
    const isBehind = this.#noticeStep(now);
    const atMs = isBehind ? this.#holdMs : Math.max(now, this.lastMs);
    this.lastMs = atMs;
    if (offset < this.#lateUntil) return { atMs, sinceMs: Math.min(this.#lateSinceMs, now) };
    this.#lateSinceMs = 0;
    return { atMs, sinceMs: isBehind ? now : 0 };
  }

  /** Whether the clock shows less than it did. */
  #noticeStep(now: number): boolean {
    const mostMs = Math.max(this.#seenMs, this.lastMs);
    const isBehind = now < mostMs - SMALL_STEP_MS;
    if (isBehind && !this.#isStepped) {
      this.steps++;
      this.#holdMs = mostMs + HOLD_AHEAD_MS;
    }
    this.#isStepped = isBehind;
    if (!isBehind) this.#seenMs = Math.max(mostMs, now);
    return isBehind;
  }
}
