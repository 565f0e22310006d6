import type { RunControl } from '../../base/index.ts';
import type { EntrySelection } from '../../entries/index.ts';
import type { Manifest, Repository } from '../../repository/index.ts';
import type { Problem } from '../counts.ts';
import type { ExportTtlPolicy } from '../policies.ts';
import type { ExportCounts } from './export-tally.ts';
import type { ExportTarget } from './export-target.ts';
import type { ExportOutput } from './output/export-output.ts';

export type ExportFormat = 'rdb' | 'jsonl' | 'resp';

export type ExportProgress = {
  /** A sentence for people. */
  readonly text: string;
  readonly keys: number;
  /** Raw bytes of JSON read, of those to read. */
  readonly bytes: number;
  readonly totalBytes: number;
};

export type ExportRequest = {
  /** The right to read is enough. */
  readonly repository: Repository;
  readonly manifest: Manifest;
  readonly format: ExportFormat;
  /** Committed when all went well, aborted otherwise. */
  readonly output: ExportOutput;
  readonly selection?: EntrySelection;
  /** Of `rdb` and `resp`; default: the server that the backup was taken of. */
  readonly target?: ExportTarget;
  /** From the backup's databases to those of the export. Not for `jsonl`. */
  readonly mapDb?: ReadonlyMap<number, number>;
  /** Default `absolute`. Not for `jsonl`. */
  readonly ttl?: ExportTtlPolicy;
  /** With `recorded`: added to every expiry of keys and fields, milliseconds. */
  readonly ttlShiftMs?: number;
  /** Write what the target cannot hold exactly, as near as it can. Not for `jsonl`. */
  readonly allowInexact?: boolean;
  /** Function libraries and script bodies; by default only when nothing is selected. */
  readonly functions?: 'include' | 'skip';
  /** Of `resp`: what the commands do to a key that is there when they run. Default `overwrite`. */
  readonly conflict?: 'overwrite' | 'skip';
  /** Of `resp`: HSET, RPUSH and their like instead of RESTORE where they lose nothing. */
  readonly commands?: boolean;
  readonly workers?: number;
  readonly control?: RunControl;
  readonly onProgress?: (progress: ExportProgress) => void;
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
};

export type ExportFunctions = {
  libraries: number;
  scripts: number;
  /** Libraries that the target cannot have. */
  failed: number;
};

export type ExportReport = {
  readonly backup: string;
  readonly format: ExportFormat;
  /** `redis 7.0.15`; null for `jsonl`, which is for no server. */
  readonly target: string | null;
  readonly startedAt: string;
  readonly durationMs: number;
  /** What was written, before any compression. */
  readonly bytes: number;
  readonly totals: ExportCounts;
  readonly databases: readonly ({ readonly db: number } & ExportCounts)[];
  readonly functions: ExportFunctions;
  /** Module types whose values were written: the server that loads them needs these modules. */
  readonly modules: readonly string[];
  /** The first thousand; `problemCount` tells how many there were. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  readonly notices: readonly string[];
};
