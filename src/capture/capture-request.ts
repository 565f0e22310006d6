import type { RedisAddress, TlsOptions } from '../redis/index.ts';
import type { Repository } from '../repository/index.ts';
import type {
  AckMode,
  CommandNames,
  NodePreference,
  ReplicationDeadlines,
} from '../sources/index.ts';
import type { CaptureStatus } from './capture-status.ts';

/** One server, or the master that Sentinels name. */
export type CapturedSource = {
  readonly address: RedisAddress;
  readonly tls?: TlsOptions;
  /** By default `host-port`, or the name that Sentinels give the master. */
  readonly sourceName?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Take the name over although it belonged to another instance. */
  readonly adopt?: boolean;
};

export type CaptureRequest = CaptureOptions & {
  /** Opened for writing. */
  readonly repository: Repository;
  readonly sources: readonly CapturedSource[];
  /** A folder on a local disk; each shard gets a folder in it. */
  readonly spoolFolder: string;
  /** Where status files are; see readCaptureStatus. */
  readonly stateFolder: string;
  /** Each second and at each change of phase, per shard. */
  readonly onStatus?: (status: CaptureStatus) => void;
  /** What somebody should know: gaps, notices of backups, a store that fails. */
  readonly onNotice?: (text: string, status: CaptureStatus) => void;
  /** Ends it gracefully: everything received is brought to its last cut, durable, and stored. */
  readonly signal: AbortSignal;
};

export type CaptureOptions = {
  readonly from?: NodePreference;
  /** Default `durable`. */
  readonly ack?: AckMode;
  /** From one full backup to the next; null: only those that a lineage needs. Default 1 day. */
  readonly fullEveryMs?: number | null;
  /** Full backups at a time. Default 1. */
  readonly fullsAtOnce?: number;
  /** Of one shard on disk. Default 8 GiB, or half of what is free if that is less. */
  readonly spoolLimitBytes?: number;
  /** A segment is closed when it holds so much. Default 16 MiB. */
  readonly segmentBytes?: number;
  /** Or when it is so old and holds a command. Default 60 s. */
  readonly segmentMs?: number;
  /** Or when it is so old and holds nothing but keepalives. Default 15 min. */
  readonly idleSegmentMs?: number;
  /** How long a stop waits for the repository. Default 30 s. */
  readonly stopMs?: number;
  readonly deadlines?: Partial<ReplicationDeadlines>;
  /** The first wait before the link is tried again; it doubles up to 30 s. Default 1 s. */
  readonly retryMs?: number;
  readonly commandNames?: CommandNames;
  /** False: the server saves to its disk for us. For tests. */
  readonly announceEof?: boolean;
};

export type CaptureReport = {
  /** How each shard ended. */
  readonly shards: readonly CaptureStatus[];
};
