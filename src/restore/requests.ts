import type { RunControl } from '../base/index.ts';
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
  /** It stands still because its control says so. */
  readonly paused: boolean;
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
  /** Rates and pause that may change meanwhile; wins over the two rates. */
  readonly control?: RunControl;
  readonly workers?: number;
  /**
   * Folder of tasks: there a journal is kept, by which `resumeRestore` can go on after anything.
   * Absent: this restore cannot be resumed.
   */
  readonly state?: string;
  /** The id of the task: eight hexadecimal digits. Default: random. */
  readonly task?: string;
  /** What the caller wants to find in the task's record when it resumes. No secrets. */
  readonly origin?: Readonly<Record<string, string | boolean>>;
  readonly onProgress?: (progress: RestoreProgress) => void;
  readonly onNotice?: (text: string) => void;
  /**
   * Called when the restore ends without being done although it has begun: by `resumeRestore` the
   * task can be taken up again.
   */
  readonly onResumable?: (task: string) => void;
  readonly signal?: AbortSignal;
};

/** What to go on with; everything else is in the task's journal. */
export type ResumeRequest = Pick<
  RestoreRequest,
  | 'tls'
  | 'rateBytesPerSecond'
  | 'rateKeysPerSecond'
  | 'control'
  | 'workers'
  | 'onProgress'
  | 'onNotice'
  | 'onResumable'
  | 'signal'
> & {
  readonly state: string;
  readonly task: string;
  /** The one that the task began with. */
  readonly repository: Repository;
  /** The same server as before, under an address of now. */
  readonly target: RedisAddress;
};

export type RestoreReport = {
  /** Id of the restore task. */
  readonly task: string;
  readonly backup: string;
  /** Without secrets. */
  readonly target: string;
  readonly dryRun: boolean;
  /** Counts cover all runs of the task. */
  readonly resumed: boolean;
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
