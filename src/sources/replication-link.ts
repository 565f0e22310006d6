import { assert, CodedError, systemClock } from '../base/index.ts';
import { encodeCommand } from '../resp/index.ts';
import type { RawLink, RedisConnection } from '../redis/index.ts';
import type { OnChunk, RdbEnd, RdbOrigin } from './rdb-byte-source.ts';
import { parseTransferHeader, type RdbFraming } from './rdb-framing.ts';
import {
  type FullResync,
  parseContinuation,
  parsePsyncReply,
  PsyncLineReader,
  transferRefusal,
} from './psync-reply.ts';
import type { ReplicationDeadlines, StreamHandlers } from './replication-options.ts';
import { Watchdog } from './watchdog.ts';

export type ReplicationOrigin = Extract<RdbOrigin, { kind: 'replication' }>;

export type LinkOptions = {
  /** As displayed, for messages. */
  readonly node: string;
  readonly psync: string;
  readonly replconf: string;
  readonly rdbOnly: boolean;
  readonly deadlines: ReplicationDeadlines;
  readonly onStream: StreamHandlers | null;
};

/** How a history goes on that we asked to be continued. */
export type Continuation =
  /** Its next bytes follow; it is called `replid` from here on. */
  | { readonly kind: 'continued'; readonly replid: string }
  /** It does not: the server would start anew from this place, and the link is closed. */
  | { readonly kind: 'refused'; readonly replid: string; readonly offset: number };

export type Resume = FullResync & {
  /** Close the link rather than take a full resync. */
  readonly refuseFull: boolean;
};

type Step = 'reply' | 'header' | 'payload' | 'stream' | 'ended';

const ACK_INTERVAL_MS = 1000;
/** The first one is nearly always too early, and a second is long for those who write meanwhile. */
const EARLY_ACKS_MS = [30, 100, 250, 500];

/**
 * The link from PSYNC on: the reply, the head of the transfer, the RDB, and the stream after it
 * when somebody wants that. Owns the connection and closes it.
 */
export class ReplicationLink {
  readonly #options: LinkOptions;
  readonly #raw: RawLink;
  readonly #watchdog = new Watchdog();
  readonly #lines = new PsyncLineReader();
  readonly #opened = Promise.withResolvers<ReplicationOrigin | Continuation>();
  readonly #ended = Promise.withResolvers<RdbEnd>();
  readonly #holds = new Set<'start' | 'consumer'>();
  #step: Step = 'reply';
  #resume: Resume | null = null;
  #resync: FullResync | null = null;
  #snapshotAtMs = 0;
  #framing: RdbFraming | null = null;
  /** Bytes that came with the head of the transfer, before anybody could take them. */
  #early: Buffer[] = [];
  #onChunk: OnChunk | null = null;
  #isFlowing = false;
  #ackTimer: NodeJS.Timeout | null = null;
  #failure: Error | null = null;

  constructor(conn: RedisConnection, options: LinkOptions) {
    this.#options = options;
    // Whoever opens or starts hears of a failure; without them nobody has to.
    this.#opened.promise.catch(() => {});
    this.#ended.promise.catch(() => {});
    this.#raw = conn.detach({
      onBytes: (buffer, start, end) => this.#onBytes(buffer, start, end),
      onEnd: (error) => this.#fail(this.#lost(error)),
    });
    const { forkMs } = options.deadlines;
    this.#watchdog.begin(forkMs, () => this.#fail(this.#stalled(forkMs)));
  }

  /** Asks for a full resync; resolves when its RDB is about to flow. */
  async open(): Promise<ReplicationOrigin> {
    this.#raw.write(encodeCommand([this.#options.psync, '?', '-1']));
    const origin = await this.#opened.promise;
    assert(origin.kind === 'replication', 'an answer to a question that was not asked');
    return origin;
  }

  /**
   * Asks for the bytes of a history from `offset` on. Where they come, `onStream` has been told so
   * before the first of them; otherwise as `open`, or refused.
   */
  continue(resume: Resume): Promise<ReplicationOrigin | Continuation> {
    this.#resume = resume;
    const { psync } = this.#options;
    this.#raw.write(encodeCommand([psync, resume.replid, String(resume.offset + 1)]));
    return this.#opened.promise;
  }

  /** Acknowledges now, not at the next second. Only while the stream flows. */
  acknowledge(): void {
    const { onStream, replconf } = this.#options;
    if (this.#step !== 'stream' || onStream === null) return;
    this.#raw.write(encodeCommand([replconf, 'ACK', String(onStream.ackOffset())]));
  }

  start(onChunk: OnChunk): Promise<RdbEnd> {
    assert(this.#onChunk === null, 'an RDB source starts once');
    this.#onChunk = onChunk;
    if (this.#failure) return Promise.reject(this.#failure);
    this.#release('start');
    return this.#ended.promise;
  }

  pause(): void {
    this.#hold('consumer');
  }

  resume(): void {
    this.#release('consumer');
  }

  close(): void {
    this.#fail(new CodedError('INTERRUPTED', `Cannot read on from ${this.#options.node}: closed`));
  }

  #onBytes(buffer: Buffer, start: number, end: number): void {
    if (this.#step === 'ended') return;
    this.#watchdog.restart();
    try {
      this.#take(buffer, start, end);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #take(buffer: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && (this.#step === 'reply' || this.#step === 'header')) {
      const { line, next } = this.#lines.read(buffer, at, end);
      if (line) this.#onLine(line);
      at = next;
    }
    if (at === end && !this.#framing?.isComplete) return;
    if (this.#step === 'payload') at = this.#takePayload(buffer, at, end);
    if (at < end && this.#step === 'stream') this.#options.onStream?.onBytes(buffer, at, end);
  }

  #onLine(line: Buffer): void {
    // A server compares the name that it was called by with "psync" and speaks SYNC otherwise:
    // under a new name, the transfer begins without a reply.
    const isSync = this.#step === 'reply' && line[0] === 0x24;
    if (isSync) this.#beginSync();
    else if (this.#step === 'reply') return this.#onReply(line);
    if (line[0] === 0x2d) throw transferRefusal(line);
    this.#framing = parseTransferHeader(line);
    this.#step = 'payload';
    this.#hold('start');
    this.#opened.resolve({
      kind: 'replication',
      node: this.#options.node,
      replid: this.#resync?.replid ?? null,
      offset: this.#resync?.offset ?? null,
      framing: this.#framing.kind,
      length: this.#framing.length,
      snapshotAtMs: this.#snapshotAtMs,
      rdbOnly: this.#options.rdbOnly,
    });
  }

  #onReply(line: Buffer): void {
    const continued = this.#resume === null ? undefined : parseContinuation(line);
    if (this.#resume !== null && continued !== undefined) {
      const { silenceMs } = this.#options.deadlines;
      const replid = continued ?? this.#resume.replid;
      this.#watchdog.begin(silenceMs, () => this.#fail(this.#stalled(silenceMs)));
      this.#options.onStream?.onContinued?.(replid);
      if (this.#options.onStream) this.#beginStream(this.#options.onStream);
      return this.#opened.resolve({ kind: 'continued', replid });
    }
    const resync = parsePsyncReply(line, this.#options.psync);
    if (this.#resume?.refuseFull === true) {
      this.#shut();
      return this.#opened.resolve({ kind: 'refused', ...resync });
    }
    this.#resync = resync;
    this.#snapshotAtMs = systemClock.now();
    this.#step = 'header';
  }

  #beginSync(): void {
    this.#snapshotAtMs = systemClock.now();
    if (this.#options.onStream === null) return;
    const message = `Cannot follow ${this.#options.node}: it answers ${this.#options.psync} with SYNC`;
    throw new CodedError('SOURCE_UNSUPPORTED', message, {
      hint: 'Only full backups are possible while rename-command changes the name of PSYNC',
    });
  }

  #takePayload(buffer: Buffer, start: number, end: number): number {
    const framing = this.#framing as RdbFraming;
    if (this.#onChunk === null || this.#early.length > 0) {
      this.#early.push(Buffer.from(buffer.subarray(start, end)));
      return end;
    }
    const stop = framing.push(buffer, start, end, this.#onChunk);
    if (framing.isComplete) this.#endPayload(framing);
    return stop;
  }

  #endPayload(framing: RdbFraming): void {
    if (this.#options.onStream) this.#beginStream(this.#options.onStream);
    else this.#shut();
    this.#ended.resolve({ bytes: framing.bytes });
  }

  /**
   * From here the server wants an acknowledgement each second: a diskless one begins its stream
   * only with the first that it reads after its child is gone.
   */
  #beginStream(stream: StreamHandlers): void {
    this.#step = 'stream';
    stream.onBegin?.();
    this.acknowledge();
    this.#ackTimer = setInterval(() => this.acknowledge(), ACK_INTERVAL_MS);
    for (const ms of EARLY_ACKS_MS) setTimeout(() => this.acknowledge(), ms).unref();
  }

  #hold(who: 'start' | 'consumer'): void {
    if (this.#step === 'ended') return;
    this.#holds.add(who);
    this.#raw.pause();
    this.#watchdog.end();
  }

  #release(who: 'start' | 'consumer'): void {
    if (!this.#holds.delete(who) || this.#step === 'ended') return;
    // A consumer may resume from within onChunk: bytes must not overtake those being delivered.
    if (this.#holds.size > 0 || this.#isFlowing) return;
    this.#isFlowing = true;
    try {
      this.#flowEarly();
    } catch (error) {
      this.#fail(error as Error);
    }
    this.#isFlowing = false;
    if (this.#holds.size > 0 || this.#isOver()) return;
    const { silenceMs } = this.#options.deadlines;
    this.#watchdog.begin(silenceMs, () => this.#fail(this.#stalled(silenceMs)));
    this.#raw.resume();
  }

  /** Delivers what came too early, as long as nobody holds. */
  #flowEarly(): void {
    while (this.#early.length > 0 && this.#holds.size === 0 && !this.#isOver()) {
      const chunks = this.#early;
      const chunk = chunks[0];
      this.#early = [];
      this.#take(chunk, 0, chunk.length);
      this.#early = chunks.slice(1);
    }
  }

  /** A method, as the compiler would believe that `#step` does not change between two looks. */
  #isOver(): boolean {
    return this.#step === 'ended';
  }

  #shut(): void {
    this.#step = 'ended';
    this.#watchdog.end();
    if (this.#ackTimer) clearInterval(this.#ackTimer);
    this.#raw.close();
  }

  #fail(error: Error): void {
    if (this.#step === 'ended') return;
    const wasStream = this.#step === 'stream';
    this.#failure = error;
    this.#shut();
    this.#opened.reject(error);
    this.#ended.reject(error);
    if (wasStream) this.#options.onStream?.onEnd(error);
  }

  #where(): string {
    if (this.#step === 'reply') return 'waiting for the reply to PSYNC';
    if (this.#step === 'header') return 'waiting for the RDB to begin';
    if (this.#step === 'stream') return 'reading the stream after the RDB';
    const framing = this.#framing as RdbFraming;
    const total = framing.length === null ? '' : ` of ${framing.length}`;
    return `receiving the RDB, after ${framing.bytes}${total} bytes`;
  }

  #lost(error: CodedError): CodedError {
    if (error.code !== 'SOURCE_LOST') return error;
    const hint =
      this.#step === 'header' || (this.#step === 'payload' && this.#framing?.bytes === 0)
        ? 'Its background save may have failed: check its log and memory'
        : undefined;
    return new CodedError('SOURCE_LOST', `${error.message}, ${this.#where()}`, {
      ...(hint !== undefined && { hint }),
      cause: error,
    });
  }

  #stalled(afterMs: number): CodedError {
    const message = `Cannot go on with ${this.#options.node}: silent for ${afterMs} ms`;
    return new CodedError('SOURCE_STALLED', `${message}, ${this.#where()}`);
  }
}
