import { assert, CodedError, systemClock } from '../base/index.ts';
import { encodeCommand } from '../resp/index.ts';
import type { RawLink, RedisConnection } from '../redis/index.ts';
import type { OnChunk, RdbEnd, RdbOrigin } from './rdb-byte-source.ts';
import { parseTransferHeader, type RdbFraming } from './rdb-framing.ts';
import {
  type FullResync,
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

type Step = 'reply' | 'header' | 'payload' | 'stream' | 'ended';

const ACK_INTERVAL_MS = 1000;

/**
 * The link from PSYNC on: the reply, the head of the transfer, the RDB, and the stream after it
 * when somebody wants that. Owns the connection and closes it.
 */
export class ReplicationLink {
  readonly #options: LinkOptions;
  readonly #raw: RawLink;
  readonly #watchdog = new Watchdog();
  readonly #lines = new PsyncLineReader();
  readonly #opened = Promise.withResolvers<ReplicationOrigin>();
  readonly #ended = Promise.withResolvers<RdbEnd>();
  readonly #holds = new Set<'start' | 'consumer'>();
  #step: Step = 'reply';
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
  open(): Promise<ReplicationOrigin> {
    this.#raw.write(encodeCommand([this.#options.psync, '?', '-1']));
    return this.#opened.promise;
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
    else if (this.#step === 'reply') {
      this.#resync = parsePsyncReply(line, this.#options.psync);
      this.#snapshotAtMs = systemClock.now();
      this.#step = 'header';
      return;
    }
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
    const acknowledge = () => {
      const offset = String(stream.ackOffset());
      this.#raw.write(encodeCommand([this.#options.replconf, 'ACK', offset]));
    };
    acknowledge();
    this.#ackTimer = setInterval(acknowledge, ACK_INTERVAL_MS);
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
