import type { RunControl } from '../base/index.ts';
import type { TlsOptions } from '../redis/index.ts';
import type { RateLimit } from './rate-limit.ts';

/** How long each wait may last, all in milliseconds. */
export type ReplicationDeadlines = {
  /** TCP and TLS up to the first reply. Default 5,000. */
  readonly connectMs: number;
  /** Each reply of the handshake. Default 10,000. */
  readonly handshakeMs: number;
  /** The PSYNC reply and the fork; restarted by every keepalive byte. Default 60,000. */
  readonly forkMs: number;
  /** Silence within the payload while we are reading. Default 60,000. */
  readonly silenceMs: number;
  /** All attempts at a server that says "not now", together. Default 60,000. */
  readonly retryMs: number;
  /** The first wait between two attempts; it doubles up to 10,000. Default 500. */
  readonly retryDelayMs: number;
};

export type ReplicationPhase = 'connecting' | 'waiting-for-fork' | 'receiving' | 'retrying';

export type CommandNames = { readonly psync?: string; readonly replconf?: string };

export type ReplicationOptions = {
  readonly tls?: TlsOptions;
  readonly deadlines?: Partial<ReplicationDeadlines>;
  /** Names that `rename-command` gave. */
  readonly commandNames?: CommandNames;
  /** False: do not announce `capa eof`, so that the server saves to its disk first. For tests. */
  readonly announceEof?: boolean;
  /** False: do not ask for `rdb-only`. Needed with `onStream`. */
  readonly rdbOnly?: boolean;
  /** What Valkey is told of us: the highest version whose RDB we read. Default 9.1.2. */
  readonly valkeyVersion?: string;
  readonly rateLimit?: RateLimit;
  /**
   * Rate and pause while the RDB flows. Its rate counts then; `rateLimit` says what is done on
   * harm.
   */
  readonly control?: RunControl;
  /** Told of a pause or limit of `control` that had to end; `rateLimit.onLifted` goes first. */
  readonly onLifted?: (reason: string) => void;
  /**
   * The command stream after the RDB, when the link is to live on. Without it the link is closed
   * at the end of the RDB.
   */
  readonly onStream?: StreamHandlers;
  /** Told when a wait begins, with a sentence for people. */
  readonly onPhase?: (phase: ReplicationPhase, text: string) => void;
  readonly signal?: AbortSignal;
};

export type StreamHandlers = {
  readonly onBytes: (buffer: Buffer, start: number, end: number) => void;
  /** The offset to acknowledge, asked once per second. 0 keeps the link and promises nothing. */
  readonly ackOffset: () => number;
  /** The history that was asked for goes on, under this id: before its first byte. */
  readonly onContinued?: (replid: string) => void;
  /** The stream begins: before its first byte. Never asks for acknowledgements earlier. */
  readonly onBegin?: () => void;
  /** The link ended. */
  readonly onEnd: (error: Error) => void;
};
