import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Clock, CodedError, type RunControl } from '../../base/index.ts';

const BURST_SECONDS = 0.25;
const LONGEST_NAP_MS = 250;

/**
 * Writes to a replica no faster than it reads and than `control` allows. Memory is bounded by what
 * the caller hands over at once.
 */
export class PacedSocket {
  readonly #socket: Socket;
  readonly #control: RunControl;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  /** Bytes that may go now under the rate; negative: in debt. */
  #allowance = 0;
  #allowedAt: number;

  constructor(socket: Socket, control: RunControl, clock: Clock, signal: AbortSignal) {
    this.#socket = socket;
    this.#control = control;
    this.#clock = clock;
    this.#signal = signal;
    this.#allowedAt = clock.monotonic();
  }

  get isPaused(): boolean {
    return this.#control.settings.paused;
  }

  /** Whether the replica leaves bytes lying that were meant for it. */
  get isBlocked(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** Queues a few bytes at once, outside of pace: answers, keepalives. */
  say(bytes: string | Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  /** Queues at once what was held back to go with more; it counts against the pace. */
  press(pieces: readonly Uint8Array[]): void {
    for (const { length } of pieces) this.#allowance -= length;
    if (this.#socket.writable) this.#queue(pieces);
  }

  /**
   * One piece behind the other; resolves when more may come. Their bytes must never change. Throws
   * what the signal carries.
   */
  async write(pieces: readonly Uint8Array[]): Promise<void> {
    if (this.#control.settings.bytesPerSecond === null) {
      await this.#permission(0);
      this.#queue(pieces);
      return await this.#drained();
    }
    for (const piece of pieces) {
      for (const slice of this.#slices(piece)) {
        await this.#permission(slice.length);
        this.#socket.write(slice);
        await this.#drained();
      }
    }
  }

  /** By one call of the kernel where it takes all. */
  #queue(pieces: readonly Uint8Array[]): void {
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
  }

  async #drained(): Promise<void> {
    if (!this.#socket.writableNeedDrain) return;
    await once(this.#socket, 'drain', { signal: this.#signal });
  }

  /** As `write`, but resolves when the kernel has `bytes`, so that they may change afterwards. */
  async writeThrough(bytes: Uint8Array): Promise<void> {
    for (const slice of this.#slices(bytes)) {
      await this.#permission(slice.length);
      const { promise, resolve } = Promise.withResolvers<void>();
      // The signal is aborted when the socket breaks, before this callback gets its error.
      this.#socket.write(slice, () => resolve());
      await promise;
    }
    this.#signal.throwIfAborted();
  }

  /** Under a rate, so little at once that the replica never waits long for the next. */
  *#slices(bytes: Uint8Array): Generator<Uint8Array, void, void> {
    for (let at = 0; at < bytes.length; ) {
      const rate = this.#control.settings.bytesPerSecond;
      const most = rate === null ? bytes.length : Math.max(1024, Math.floor(rate * BURST_SECONDS));
      yield bytes.subarray(at, at + most);
      at += most;
    }
  }

  /** Resolves at once unless it is paused, then at its end. */
  async untilUnpaused(): Promise<void> {
    this.#signal.throwIfAborted();
    while (this.#control.settings.paused) {
      await this.#control.changed(this.#signal);
      this.#signal.throwIfAborted();
    }
  }

  async #permission(bytes: number): Promise<void> {
    await this.untilUnpaused();
    for (;;) {
      const rate = this.#control.settings.bytesPerSecond;
      const now = this.#clock.monotonic();
      if (rate === null) {
        this.#allowance = 0;
        this.#allowedAt = now;
        return;
      }
      const refill = ((now - this.#allowedAt) / 1000) * rate;
      this.#allowance = Math.min(this.#allowance + refill, rate * BURST_SECONDS);
      this.#allowedAt = now;
      if (this.#allowance >= 0) {
        this.#allowance -= bytes;
        return;
      }
      const waitMs = Math.min(LONGEST_NAP_MS, (-this.#allowance / rate) * 1000);
      await delay(Math.max(1, waitMs), undefined, { signal: this.#signal });
    }
  }
}

/** Why a feed's signal was aborted, when it was; another error stays as it is. */
export function reasonOf(signal: AbortSignal, error: unknown): unknown {
  return signal.aborted && !(error instanceof CodedError) ? signal.reason : error;
}
