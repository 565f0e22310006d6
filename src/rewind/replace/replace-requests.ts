import type { RunControl } from '../../base/index.ts';
import type { RedisAddress, TlsOptions } from '../../redis/index.ts';
import type { Repository } from '../../repository/index.ts';
import type { TtlPolicy } from '../../restore/index.ts';
import type { FeedParts } from '../plan-feed-source.ts';

export type ReplaceProgress = {
  readonly phase: 'checking' | 'undo' | 'reaching' | 'loading' | 'replaying' | 'finishing';
  /** A sentence for people. */
  readonly text: string;
  readonly bytes: number;
  readonly expectedBytes: number | null;
};

export type ReplaceRequest = {
  readonly parts: FeedParts;
  /** The server that wrote the log, or that the backup was read of. */
  readonly server: { readonly family: string; readonly version: string | null };
  /** The instant that is restored, Unix milliseconds: remaining times count from it. */
  readonly atMs: number;
  readonly target: RedisAddress;
  readonly tls?: TlsOptions;
  /** Default `absolute`. */
  readonly ttl?: TtlPolicy;
  /**
   * Where all that the target holds is backed up before, as a backup of a source of its own; null:
   * nowhere, it is lost. An empty target needs none.
   */
  readonly undo: { readonly repository: Repository; readonly sourceName: string } | null;
  readonly allowInexact?: boolean;
  /** The address of this machine that the target reaches; by default the one we reach it from. */
  readonly feedHost?: string;
  readonly feedPort?: number;
  /** How long the target may take to connect to us, milliseconds. Default 15,000. */
  readonly reachMs?: number;
  /** Checks everything that can be checked without a change, and stops there. */
  readonly dryRun?: boolean;
  readonly control?: RunControl;
  readonly workers?: number;
  readonly onProgress?: (progress: ReplaceProgress) => void;
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
};

export type ReplaceReport = {
  /** Without secrets. */
  readonly target: string;
  readonly dryRun: boolean;
  readonly startedAt: string;
  readonly durationMs: number;
  /** Of the target before, and the backup that has them. */
  readonly before: { readonly keys: number; readonly undo: string | null };
  /** Keys by database as the instant had them, those that have expired since included. */
  readonly keys: Readonly<Record<number, number>>;
  /** Keys by database after the promotion. */
  readonly keysNow: Readonly<Record<number, number>>;
  readonly baseBytes: number;
  readonly streamBytes: number;
  readonly commands: number;
  /** What could not be replayed exactly, and was allowed; one sentence each. */
  readonly inexact: readonly string[];
  readonly notices: readonly string[];
};
