import type { EntrySelection } from '../entries/index.ts';
import type { RedisAddress, TlsOptions } from '../redis/index.ts';
import type { Manifest, Repository, Source } from '../repository/index.ts';
import type { Counts, Problem } from './counts.ts';
import type { FunctionCounts } from './functions.ts';
import type { ConflictPolicy, TtlPolicy } from './policies.ts';

export type RestoreProgress = {
  readonly phase: 'checking' | 'functions' | 'restoring' | 'finishing';
  /** A sentence for people. */
  readonly text: string;
  readonly keys: number;
  readonly totalKeys: number;
  /** Raw bytes of JSON read, of those to read. */
  readonly bytes: number;
  readonly totalBytes: number;
};

export type RestoreRequest = {
  /** The right to read is enough. */
  readonly repository: Repository;
  readonly source: Source;
  readonly manifest: Manifest;
  readonly target: RedisAddress;
  readonly tls?: TlsOptions;
  readonly selection?: EntrySelection;
  /** From the backup's databases to the target's; those not named keep their number. */
  readonly mapDb?: ReadonlyMap<number, number>;
  /** Default `rename`. */
  readonly conflict?: ConflictPolicy;
  /** Default `absolute`. */
  readonly ttl?: TtlPolicy;
  /** Function libraries and script bodies; by default only when nothing is selected. */
  readonly functions?: 'restore' | 'skip';
  /** A library that the target has with another source. Default `skip`. */
  readonly functionConflict?: 'skip' | 'overwrite' | 'fail';
  /** Write what the target cannot hold exactly, as near as it can. */
  readonly allowInexact?: boolean;
  readonly dryRun?: boolean;
  readonly rateBytesPerSecond?: number;
  readonly rateKeysPerSecond?: number;
  readonly workers?: number;
  readonly onProgress?: (progress: RestoreProgress) => void;
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
};

export type RestoreReport = {
  /** Id of the restore task. */
  readonly task: string;
  readonly backup: string;
  /** Without secrets. */
  readonly target: string;
  readonly dryRun: boolean;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly totals: Counts;
  readonly databases: readonly ({ readonly db: number } & Counts)[];
  readonly functions: FunctionCounts;
  /** The first thousand; `problemCount` tells how many there were. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  readonly notices: readonly string[];
};
