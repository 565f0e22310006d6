import type { RunControl } from '../../base/index.ts';
import type { EntrySelection } from '../../entries/index.ts';
import type { TlsOptions } from '../../redis/index.ts';
import type { RdbByteSource } from '../rdb-byte-source.ts';

export const DEFAULT_THREADS = 4;
export const MAX_THREADS = 32;

export type ScanOptions = {
  readonly tls?: TlsOptions;
  /** Connections that read at the same time, 1 to MAX_THREADS. Default DEFAULT_THREADS. */
  readonly threads?: number;
  /** What of it the server can leave out by itself is never asked for. */
  readonly selection?: EntrySelection;
  /** Of values, as they come over the wire. */
  readonly bytesPerSecond?: number;
  /** Rate and pause while it runs; its rate counts then. */
  readonly control?: RunControl;
  /** TCP, TLS and the first reply. Default 5,000. */
  readonly connectMs?: number;
  /** Silence of the server while a reply is due. Default 60,000. */
  readonly silenceMs?: number;
  readonly bigKeys?: Partial<BigKeyBounds>;
  /** For what does not fit in memory. Default: the folder of the system. */
  readonly tempFolder?: string;
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
};

/** From which size on a key is read in parts. */
export type BigKeyBounds = {
  /** Memory at the server (MEMORY USAGE), or bytes of a string. Default 8 MiB. */
  readonly bytes: number;
  /** Counts where the server does not tell its memory. Default 100,000. */
  readonly elements: number;
  /** Up to this memory a key that keeps changing is read whole in the end. Default 64 MiB. */
  readonly wholeBytes: number;
  /** Bytes of elements to ask for at a time. Default 1 MiB. */
  readonly partBytes: number;
};

export const DEFAULT_BOUNDS: BigKeyBounds = {
  bytes: 8 << 20,
  elements: 100_000,
  wholeBytes: 64 << 20,
  partBytes: 1 << 20,
};

/** What happened to keys while they were read one after the other. Complete when `start` ends. */
export type ScanCounts = {
  /** Keys listed by SCAN that were gone when their value was read. */
  readonly vanished: number;
  /** Big keys that were written to during every attempt to read them in parts. */
  readonly changed: number;
  /** Keys that SCAN listed more than once; each is in the backup once. */
  readonly duplicates: number;
  /** Big keys that could only be read whole, by reason. */
  readonly readWhole: Readonly<Record<string, number>>;
  /** Keys whose module metadata (Redis 8.6) is not in the RDB. */
  readonly keyMetadata: number;
};

/** A server that is about to be read by SCAN and DUMP. */
export interface ScanStream extends RdbByteSource {
  readonly counts: ScanCounts;
}
