import type { Clock, RunControl } from '../../base/index.ts';
import type { Secret } from '../../redis/index.ts';
import type { FedServer, FeedSource } from '../feed-source.ts';
import type { TranslationReport } from '../translate/translation-report.ts';

/** The server that will be fed, with what decides whether it understands everything. */
export type FedTarget = FedServer & {
  /** Upper-case names of its commands (`describeFedTarget`); absent: taken to know them all. */
  readonly knownCommands?: ReadonlySet<string>;
  /** How many databases it has; absent or null: taken to have enough. */
  readonly databases?: number | null;
};

/** The server whose stream is replayed: verbatim scripts are exact in its own major version. */
export type RecordedServer = { readonly family: string; readonly version: string | null };

export type FeedOptions = {
  /** Asked once for each replica that attaches. */
  readonly source: () => FeedSource | Promise<FeedSource>;
  readonly server: FedTarget;
  /** Absent: as `server`. */
  readonly recordedFrom?: RecordedServer;
  /** 40 hex digits that replicas are told as the name of the history. Default: random. */
  readonly replid?: string;
  /** Of the history at the base, as replicas are told. Default 0. */
  readonly offset?: number;
  /**
   * Added to every expiry of the stream, milliseconds; the base is the source's to shift.
   * Default 0.
   */
  readonly shiftMs?: number;
  /** `persist`: the stream sets no expiry at all. Default `absolute`. */
  readonly ttl?: 'absolute' | 'persist';
  /**
   * What cannot be replayed exactly is skipped and counted in the report, instead of ending the
   * replay with REPLAY_INEXACT.
   */
  readonly allowInexact?: boolean;
  /** Rate and pause. Default: as fast as the replica reads. */
  readonly control?: RunControl;
  /**
   * Replicas must say it (`masterauth`). Default: whoever reaches the port is served; but a feed
   * that fills a sandbox makes one up.
   */
  readonly password?: Secret;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default: any that is free. */
  readonly port?: number;
  /** Folder for a base whose length must be known first. Default: the system's temporary one. */
  readonly folder?: string;
  readonly deadlines?: Partial<FeedDeadlines>;
  readonly clock?: Clock;
  /** What happens to replicas, for people. */
  readonly onEvent?: (event: FeedEvent) => void;
};

/** How long each wait may last, milliseconds. */
export type FeedDeadlines = {
  /** From the connection to PSYNC. Default 30,000. */
  readonly handshakeMs: number;
  /** From `fed()` until a replica attaches. Default 30,000. */
  readonly attachMs: number;
  /** Neither does the replica take bytes nor say anything. Default 120,000. */
  readonly silenceMs: number;
  /** It says something, has everything, and acknowledges no more than before. Default 60,000. */
  readonly acknowledgeMs: number;
};

export const DEFAULT_DEADLINES: FeedDeadlines = {
  handshakeMs: 30_000,
  attachMs: 30_000,
  silenceMs: 120_000,
  acknowledgeMs: 60_000,
};

/** `loading`: the base is sent, and not yet said to be there. */
export type FeedPhase = 'base' | 'loading' | 'stream' | 'acknowledging' | 'fed';

/** How far one replica is. */
export type FeedProgress = {
  /** Address and port of the replica. */
  readonly peer: string;
  readonly phase: FeedPhase;
  /** Of the RDB, handed over. */
  readonly baseBytes: number;
  /** Recorded bytes read, and how many there are. */
  readonly streamBytes: number;
  readonly streamTotal: number;
  /** Sent after the base, our own PINGs too; how many of those the replica has applied. */
  readonly sentBytes: number;
  readonly ackedBytes: number;
};

/** A replica that has applied everything. */
export type FedReplica = {
  readonly peer: string;
  /** The offset that it acknowledged at least, in the history that it was told. */
  readonly offset: number;
  readonly baseBytes: number;
  readonly streamBytes: number;
  readonly translation: TranslationReport;
};

export type FeedEvent =
  | { readonly kind: 'attached'; readonly peer: string }
  | { readonly kind: 'fed'; readonly peer: string; readonly replica: FedReplica }
  /** Before it had everything: `error` says why. */
  | { readonly kind: 'lost'; readonly peer: string; readonly error: unknown }
  /** After it had everything. */
  | { readonly kind: 'left'; readonly peer: string };
