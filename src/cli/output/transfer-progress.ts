import type { Clock } from '../../base/index.ts';
import { formatBytes, formatCount, formatDuration } from './format.ts';

/** What a transfer has done so far. */
export type TransferState = {
  readonly text: string;
  readonly bytes: number;
  /** Null while nobody knows. */
  readonly expectedBytes: number | null;
  readonly keys: number | null;
};

/** Below this an estimate is a guess. */
const MIN_ESTIMATE_MS = 1_000;

/** One line about a transfer: share, bytes, rate since it began, keys, time left. */
export class TransferProgress {
  readonly #clock: Clock;
  #startedAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts the clock that rates are measured by, once. Gives the milliseconds since. */
  begin(): number {
    const now = this.#clock.monotonic();
    this.#startedAt ??= now;
    return now - this.#startedAt;
  }

  /** The same where keys are not counted. */
  formatBytes(text: string, bytes: number, expectedBytes: number): string {
    return this.format({ text, bytes, expectedBytes, keys: null });
  }

  format(state: TransferState): string {
    const { text, bytes, expectedBytes, keys } = state;
    const elapsedMs = this.begin();
    if (bytes === 0) return text;
    const rate = elapsedMs > 0 ? (bytes / elapsedMs) * 1000 : 0;
    const known = expectedBytes !== null && expectedBytes > 0;
    const parts = [text];
    if (known) parts.push(`${Math.min(100, Math.floor((bytes / expectedBytes) * 100))} %`);
    parts.push(
      known ? `${formatBytes(bytes)} of ${formatBytes(expectedBytes)}` : formatBytes(bytes),
    );
    if (rate > 0) parts.push(`${formatBytes(rate)}/s`);
    if (keys !== null) parts.push(`${formatCount(keys)} keys`);
    if (known && rate > 0 && elapsedMs >= MIN_ESTIMATE_MS && bytes < expectedBytes) {
      parts.push(`${formatDuration(((expectedBytes - bytes) / rate) * 1000)} left`);
    }
    return parts.join(' · ');
  }
}
