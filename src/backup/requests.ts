import type { Readable } from 'node:stream';
import type { RunControl } from '../base/index.ts';
import type { EntrySelection } from '../entries/index.ts';
import type { ImportFormat } from './import-input.ts';
import type { RedisAddress, TlsOptions } from '../redis/index.ts';
import type { Manifest, Repository, ShardFacts, Source } from '../repository/index.ts';
import type {
  BigKeyBounds,
  CommandNames,
  NodePreference,
  RateLimit,
  ReplicationDeadlines,
  ReplicationStream,
} from '../sources/index.ts';

export type BackupProgress = {
  readonly phase: 'connecting' | 'waiting-for-fork' | 'retrying' | 'receiving' | 'finishing';
  /** A sentence for people. */
  readonly text: string;
  readonly receivedBytes: number;
  /** What is expected to be received; null where nobody knows. */
  readonly expectedBytes: number | null;
  readonly keys: number;
  readonly storedBytes: number;
};

/** What a backup of a live server and an import have in common. */
type CommonRequest = {
  /** Opened for writing. */
  readonly repository: Repository;
  readonly labels?: Readonly<Record<string, string>>;
  /** Take the source's name over for another instance. */
  readonly adopt?: boolean;
  readonly selection?: EntrySelection;
  /** Transcoding threads; by default one per core beside the receiving one. */
  readonly workers?: number;
  readonly onProgress?: (progress: BackupProgress) => void;
  /** Told of what the user should know and what is no error; also in the report. */
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
};

/** `auto`: PSYNC, and SCAN only where that is forbidden, unknown or swallowed by a proxy. */
export type BackupMode = 'psync' | 'scan' | 'auto';

export type BackupRequest = CommonRequest & {
  readonly address: RedisAddress;
  /** What is read is not the source itself. */
  readonly standIn?: StandIn;
  readonly tls?: TlsOptions;
  /** By default `host-port`, or the name that Sentinels give the master. */
  readonly sourceName?: string;
  readonly from?: NodePreference;
  /** Default `auto`. */
  readonly mode?: BackupMode;
  /** Connections that read the source by SCAN. Default 4, at most 32. */
  readonly threads?: number;
  /** From which size on SCAN reads a key in parts. */
  readonly bigKeys?: Partial<BigKeyBounds>;
  readonly rateLimit?: RateLimit;
  /** Receive everything into this local folder first; the rate limit then applies to reading it. */
  readonly spoolFolder?: string;
  /** Rate and pause while it runs; its rate counts then. */
  readonly control?: RunControl;
  readonly deadlines?: Partial<ReplicationDeadlines>;
  readonly commandNames?: CommandNames;
  /** The recorded lineage that a place of the source's history belongs to. */
  readonly lineageOf?: (place: {
    readonly replid: string;
    readonly offset: number;
  }) => string | null;
  /** Read this RDB of the node, which is about to flow, instead of attaching once more. */
  readonly attached?: ReplicationStream;
};

/** What a backup says of itself when a server was read that holds a state of its source's log. */
export type StandIn = {
  /** Of the repository that is written to; `sourceName` and `adopt` do not count then. */
  readonly source: Source;
  readonly snapshotAtMs: number;
  /** Name of an object of the repository, or null. */
  readonly topology: string | null;
  /** The instance record, without what the RDB tells (functions). */
  readonly instance: readonly unknown[];
  readonly shard: Pick<
    ShardFacts,
    'shard' | 'slots' | 'address' | 'role' | 'server' | 'replication' | 'lineage' | 'replayed'
  >;
};

export type ImportRequest = CommonRequest & {
  readonly sourceName: string;
  /** Paths of RDB or JSON Lines files, all of one format; `-` reads `stdin`. */
  readonly files: readonly string[];
  readonly stdin?: Readable;
  /** What the files are; by default their first bytes say so. */
  readonly format?: ImportFormat;
  /** Rate and pause of reading. */
  readonly control?: RunControl;
};

export type BackupReport = {
  readonly id: string;
  readonly source: Source;
  readonly manifest: Manifest;
  readonly receivedBytes: number;
  readonly durationMs: number;
  readonly notices: readonly string[];
};
