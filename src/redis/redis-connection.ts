import type { CodedError } from '../base/index.ts';
import type { CommandArg, Reply } from '../resp/index.ts';
import type { RedisAddress } from './address.ts';

/** Files are read when connecting; any of them missing or unreadable is USAGE. */
export type TlsOptions = {
  readonly caFile?: string;
  /** Client certificate and key, for servers that ask for one. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Name to expect in the server's certificate, when it differs from the host. */
  readonly servername?: string;
  /** Accept any certificate. Off by default. */
  readonly insecure?: boolean;
};

export type ConnectOptions = {
  readonly tls?: TlsOptions;
  /** Deadline for TCP, TLS and the first reply together. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Deadline for each reply. Default 10,000. */
  readonly commandTimeoutMs?: number;
  /** Database to SELECT; default none, which leaves us in 0. The address's own is not selected. */
  readonly database?: number;
  /** The code of a link that breaks after it was up. Default CONNECT_FAILED. */
  readonly lostCode?: 'CONNECT_FAILED' | 'SOURCE_LOST' | 'TARGET_LOST';
  /** Size of the buffer that bytes are read into. Default 64 KiB; bulk readers want 256. */
  readonly readBufferBytes?: number;
  readonly signal?: AbortSignal;
};

export type CommandOptions = {
  readonly timeoutMs?: number;
  /** What we wait for, said in the message when the deadline passes: "the reply to PING". */
  readonly waitingFor?: string;
};

/** One connection, already authenticated. Commands are answered in order. */
export interface RedisConnection {
  readonly address: RedisAddress;
  /** Where we really connected: the remote IP and port, or the socket path. */
  readonly peer: string;
  readonly isOpen: boolean;

  /**
   * Sends one command and gives its reply. An error reply throws AUTH_FAILED, NOPERM,
   * SOURCE_LOADING or COMMAND_FAILED; a broken link the option's `lostCode`, silence
   * CONNECT_TIMEOUT (and closes the link, as later replies could not be matched).
   */
  command(args: readonly CommandArg[], options?: CommandOptions): Promise<Reply>;

  /** As `command`, but gives an error reply as a value. */
  attempt(args: readonly CommandArg[], options?: CommandOptions): Promise<Reply>;

  /** Sends many at once; error replies are values. One deadline, restarted by each reply. */
  pipeline(
    commands: readonly (readonly CommandArg[])[],
    options?: CommandOptions,
  ): Promise<Reply[]>;

  /**
   * Hands the link over as raw bytes: no command may be pending, none can follow. Bytes flow to
   * `handlers.onBytes` from now on; `close` still closes.
   */
  detach(handlers: RawHandlers): RawLink;

  /** Closes at once, failing what is pending. Idempotent. */
  close(): void;
}

export type RawHandlers = {
  /** `[start, end)` of the link's own buffer: valid during the call only. Must not throw. */
  readonly onBytes: (buffer: Buffer, start: number, end: number) => void;
  /** Called once when the link ends without our `close`. Carries the option's `lostCode`. */
  readonly onEnd: (error: CodedError) => void;
  /** Called when a write that returned false has been passed on. */
  readonly onDrain?: () => void;
};

/** A link as bytes, with backpressure in both directions. */
export interface RawLink {
  /**
   * Queues `bytes`, which must not change until `onFlushed` (handed to the kernel). False: wait
   * for `onDrain` before writing more.
   */
  write(bytes: Uint8Array, onFlushed?: () => void): boolean;
  /** Bytes queued and not yet handed to the kernel. */
  readonly queuedBytes: number;
  /** Chunks already read may still arrive: one; with TLS a few. Idempotent. */
  pause(): void;
  resume(): void;
  readonly isPaused: boolean;
  close(): void;
}
