import type { Readable } from 'node:stream';
import type { EntrySelection } from '../entries/index.ts';
import type { RedisAddress, TlsOptions } from '../redis/index.ts';
import type { Manifest, Repository, Source } from '../repository/index.ts';
import type {
  CommandNames,
  NodePreference,
  RateLimit,
  ReplicationDeadlines,
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

export type BackupRequest = CommonRequest & {
  readonly address: RedisAddress;
  readonly tls?: TlsOptions;
  /** By default `host-port`. */
  readonly sourceName?: string;
  readonly from?: NodePreference;
  readonly rateLimit?: RateLimit;
  /** Receive everything into this local folder first; the rate limit then applies to reading it. */
  readonly spoolFolder?: string;
  readonly deadlines?: Partial<ReplicationDeadlines>;
  readonly commandNames?: CommandNames;
};

export type ImportRequest = CommonRequest & {
  readonly sourceName: string;
  /** Paths of RDB files; `-` reads `stdin`. */
  readonly files: readonly string[];
  readonly stdin?: Readable;
};

export type BackupReport = {
  readonly id: string;
  readonly source: Source;
  readonly manifest: Manifest;
  readonly receivedBytes: number;
  readonly durationMs: number;
  readonly notices: readonly string[];
};
