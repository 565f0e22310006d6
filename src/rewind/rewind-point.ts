import type { LineageLog, Manifest, Repository, Source } from '../repository/index.ts';

/** One place in the log of a shard that can be restored to: between commands, outside MULTI. */
export type RewindPoint = {
  readonly shard: string;
  readonly lineage: string;
  /** The state after this many bytes of the history. */
  readonly offset: number;
  /** The instant that it stands for, Unix milliseconds. */
  readonly atMs: number;
  /** Arrival of the last byte before it; null when it is the base itself. */
  readonly lastCommandMs: number | null;
  /** The instant is known only to lie between these (Unix milliseconds); null: exact. */
  readonly uncertain: { readonly fromMs: number; readonly toMs: number } | null;
  /** It lies in the part that the next master did not know. */
  readonly isOrphan: boolean;
};

/** How to get there: the base, then `[fromOffset, point.offset)` of the lineage. */
export type RewindPlan = {
  readonly repository: Repository;
  readonly source: Source;
  readonly point: RewindPoint;
  readonly base: Manifest;
  readonly log: LineageLog;
  readonly fromOffset: number;
  /** The database in force at `fromOffset`. */
  readonly startDatabase: number;
  readonly streamBytes: number;
  /** The stream has verbatim scripts: exact only in an engine of this major version. */
  readonly verbatimScripts: number;
  /** Names of commands in the stream that our command table does not know. */
  readonly unknownCommands: readonly string[];
  readonly server: { readonly family: string; readonly version: string | null };
};
