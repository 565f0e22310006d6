import type { FedTarget, RecordedServer } from '../feed/feed-options.ts';

/** What is done to expiries besides making relative ones absolute. */
export type Expiry = {
  /** Added to each, milliseconds. */
  readonly shiftMs: number;
  /** None is set at all. */
  readonly persists: boolean;
};

export type TranslateOptions = {
  readonly server: FedTarget;
  readonly recordedFrom: RecordedServer;
  readonly expiry: Expiry;
  readonly allowInexact: boolean;
};
