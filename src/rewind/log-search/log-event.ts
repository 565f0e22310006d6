import type { Touch } from './log-filter.ts';

/** What a search of the log finds, in the order of time. */
export type LogEvent = LoggedCommand | LoggedGap;

export type LoggedCommand = {
  readonly kind: 'command';
  readonly shard: string;
  readonly lineage: string;
  /** It lies in `[offset, endOffset)`. */
  readonly offset: number;
  readonly endOffset: number;
  /** Its arrival, Unix milliseconds. */
  readonly atMs: number;
  /** It arrived late: it ran between this and its arrival. Null: it came as it ran. */
  readonly sinceMs: number | null;
  /** In force when it ran. */
  readonly database: number;
  /** Upper case, with its subcommand. */
  readonly name: string;
  readonly argc: number;
  /** From the first on: a copy of each, as many as are worth showing. */
  readonly args: readonly LoggedArgument[];
  /** The offset of the MULTI that it belongs to; null outside. */
  readonly transaction: number | null;
  /** Id of the mark that it is. */
  readonly mark: string | null;
  readonly touches: Touch;
  /** In a part of the log that the next master does not know. */
  readonly isOrphan: boolean;
};

export type LoggedArgument = {
  /** All of it, or its beginning. */
  readonly bytes: Buffer;
  readonly size: number;
};

/** Commands that ran and are not in the log. */
export type LoggedGap = {
  readonly kind: 'gap';
  readonly shard: string;
  /** The lineage that goes on behind it. */
  readonly lineage: string;
  /** Arrival of the last byte before it and of the first behind it, Unix milliseconds. */
  readonly fromMs: number;
  readonly toMs: number;
  /** One sentence without a period. */
  readonly why: string;
};
