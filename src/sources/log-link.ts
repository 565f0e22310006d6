import { assert } from '../base/index.ts';
import { connect, displayAddress, type RedisAddress, type TlsOptions } from '../redis/index.ts';
import { shakeHands } from './handshake.ts';
import {
  DEFAULT_DEADLINES,
  NEWEST_VALKEY,
  OpenReplication,
  type ReplicationStream,
} from './open-replication.ts';
import { RdbHead } from './rdb-head.ts';
import { ReplicationLink } from './replication-link.ts';
import type { CommandNames, ReplicationDeadlines } from './replication-options.ts';

/** Where a log begins or goes on. */
export type LogStart =
  /** The bytes behind `resume` follow; the history is called `replid` from here on. */
  | { readonly kind: 'continued'; readonly replid: string }
  /** A recording that begins here. */
  | {
      readonly kind: 'fresh';
      readonly replid: string;
      /** Of the last byte before the stream. */
      readonly offset: number;
      /** In force at the first byte. */
      readonly database: number;
      /** When the server named the offset, Unix milliseconds of our clock. */
      readonly snapshotAtMs: number;
    };

export type LogLinkHandlers = {
  /** Before the first byte, once, in the same turn as it. */
  readonly onStart: (start: LogStart) => void;
  /** `[start, end)` is valid during the call only. What it throws ends the link. */
  readonly onBytes: (buffer: Buffer, start: number, end: number) => void;
  /** Asked once per second, and by `acknowledge`. */
  readonly ackOffset: () => number;
  /** Once, when the link ends after `openLogLink` has resolved, `close` included. */
  readonly onEnd: (error: Error) => void;
};

export type LogLinkOptions = LogLinkHandlers & {
  /** What was received before; null begins anew. */
  readonly resume: { readonly replid: string; readonly offset: number } | null;
  readonly tls?: TlsOptions;
  readonly deadlines?: Partial<ReplicationDeadlines>;
  readonly commandNames?: CommandNames;
  /** False: do not announce `capa eof`, so that the server saves to its disk first. For tests. */
  readonly announceEof?: boolean;
  readonly valkeyVersion?: string;
  /** Default 64 KiB: most of a thousand links are idle. */
  readonly readBufferBytes?: number;
  readonly signal?: AbortSignal;
};

/** A link that a log is recorded from. */
export interface LogLink {
  /**
   * A server that makes no RDB without data sends all of it first (before Redis 7.0): start it, or
   * nothing flows. The stream begins behind it on the same link; `close` of the RDB ends both only
   * before its end.
   */
  readonly rdb: ReplicationStream | null;
  /** Sends an acknowledgement now. */
  acknowledge(): void;
  pause(): void;
  resume(): void;
  close(): void;
}

/** The server would not continue, and would have to dump all its data: the link is closed. */
export type LogRefusal = {
  readonly kind: 'refused';
  readonly replid: string;
  readonly offset: number;
};

const READ_BUFFER_BYTES = 64 << 10;

/**
 * Attaches to one server for its replication stream. From Redis 7.0 on, and on Valkey, that costs
 * the server nothing: it is asked for an RDB without data. Asked to resume, an older server that
 * cannot is left alone before it begins to dump. One attempt; throws what `connect` throws,
 * PSYNC_FORBIDDEN, PSYNC_REFUSED, SOURCE_LOADING, SOURCE_GARBAGE, SOURCE_LOST, SOURCE_STALLED,
 * SOURCE_UNSUPPORTED (SYNC without offsets) or INTERRUPTED.
 */
export async function openLogLink(
  address: RedisAddress,
  options: LogLinkOptions,
): Promise<LogLink | LogRefusal> {
  const deadlines = { ...DEFAULT_DEADLINES, ...options.deadlines };
  const conn = await connect(address, {
    connectTimeoutMs: deadlines.connectMs,
    lostCode: 'SOURCE_LOST',
    readBufferBytes: options.readBufferBytes ?? READ_BUFFER_BYTES,
    ...(options.tls && { tls: options.tls }),
    ...(options.signal && { signal: options.signal }),
  });
  try {
    const psync = options.commandNames?.psync ?? 'PSYNC';
    const replconf = options.commandNames?.replconf ?? 'REPLCONF';
    const announceEof = options.announceEof ?? true;
    const { rdbHeadOnly } = await shakeHands(conn, {
      replconf,
      announceEof,
      rdbOnly: false,
      rdbHeadOnly: announceEof,
      valkeyVersion: options.valkeyVersion ?? NEWEST_VALKEY,
      timeoutMs: deadlines.handshakeMs,
    });
    const node = displayAddress({ ...address, user: null, database: null });
    const feed = new LogFeed(options);
    const link = new ReplicationLink(conn, {
      node,
      psync,
      replconf,
      rdbOnly: false,
      deadlines,
      onStream: feed,
    });
    return await feed.open(link, options.resume, rdbHeadOnly);
  } catch (error) {
    conn.close();
    throw error;
  }
}

/** Between a link and its handlers: says where the stream begins before its first byte. */
class LogFeed {
  readonly #handlers: LogLinkHandlers;
  readonly #head = new RdbHead();
  #fresh: Omit<Extract<LogStart, { kind: 'fresh' }>, 'database'> | null = null;
  #isOpen = false;
  #failure: Error | null = null;

  constructor(handlers: LogLinkHandlers) {
    this.#handlers = handlers;
  }

  async open(
    link: ReplicationLink,
    resume: LogLinkOptions['resume'],
    isHeadOnly: boolean,
  ): Promise<LogLink | LogRefusal> {
    const origin =
      resume === null
        ? await link.open()
        : await link.continue({ ...resume, refuseFull: !isHeadOnly });
    if (origin.kind === 'refused') return origin;
    let rdb: ReplicationStream | null = null;
    if (origin.kind === 'replication') {
      const { replid, offset, snapshotAtMs } = origin;
      assert(replid !== null && offset !== null, 'a stream without offsets');
      this.#fresh = { kind: 'fresh', replid, offset, snapshotAtMs };
      const source = new WatchedRdb(link, origin, this.#head, (error) => this.onEnd(error));
      if (isHeadOnly) await source.start(() => {});
      else rdb = source;
    }
    if (this.#failure !== null) throw this.#failure;
    this.#isOpen = true;
    return {
      rdb,
      acknowledge: () => link.acknowledge(),
      pause: () => link.pause(),
      resume: () => link.resume(),
      close: () => link.close(),
    };
  }

  onContinued(replid: string): void {
    this.#handlers.onStart({ kind: 'continued', replid });
  }

  onBegin(): void {
    if (this.#fresh === null) return;
    this.#handlers.onStart({ ...this.#fresh, database: this.#head.streamDatabase });
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    this.#handlers.onBytes(buffer, start, end);
  }

  ackOffset(): number {
    return this.#handlers.ackOffset();
  }

  onEnd(error: Error): void {
    this.#failure = error;
    if (this.#isOpen) this.#handlers.onEnd(error);
  }
}

/** The RDB in front of a stream: its end is not the end of the link. */
class WatchedRdb extends OpenReplication {
  readonly #head: RdbHead;
  readonly #onFailed: (error: Error) => void;
  #isComplete = false;

  constructor(
    link: ReplicationLink,
    origin: ConstructorParameters<typeof OpenReplication>[1],
    head: RdbHead,
    onFailed: (error: Error) => void,
  ) {
    super(link, origin);
    this.#head = head;
    this.#onFailed = onFailed;
  }

  override async start(...[onChunk, signal]: Parameters<OpenReplication['start']>) {
    try {
      const end = await super.start((buffer, start, stop) => {
        this.#head.push(buffer, start, stop);
        onChunk(buffer, start, stop);
      }, signal);
      this.#isComplete = true;
      return end;
    } catch (error) {
      this.#onFailed(error as Error);
      throw error;
    }
  }

  override close(): void {
    if (!this.#isComplete) super.close();
  }

  override pause(): void {
    if (!this.#isComplete) super.pause();
  }

  override resume(): void {
    if (!this.#isComplete) super.resume();
  }
}
