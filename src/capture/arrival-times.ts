import type { Clock } from '../base/index.ts';

/** A clock that goes back by less is held and not mentioned: a server of time pulls it so. */
const SMALL_STEP_MS = 50;

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

  constructor(clock: Clock, lastMs: number) {
    this.#clock = clock;
    this.lastMs = lastMs;
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

  /** Of bytes that begin at `offset`. `sinceMs` 0: made when they arrived. */
  stamp(offset: number): { readonly atMs: number; readonly sinceMs: number } {
    const now = this.#clock.now();
    const isBehind = now < this.lastMs - SMALL_STEP_MS;
    if (isBehind && !this.#isStepped) this.steps++;
    this.#isStepped = isBehind;
    const atMs = Math.max(now, this.lastMs);
    this.lastMs = atMs;
    if (offset < this.#lateUntil) return { atMs, sinceMs: Math.min(this.#lateSinceMs, now) };
    this.#lateSinceMs = 0;
    return { atMs, sinceMs: isBehind ? now : 0 };
  }
}
