import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { assert, type Clock, CodedError, RunControl } from '../../base/index.ts';
import { encodeCommand } from '../../resp/index.ts';
import type { FeedSource } from '../feed-source.ts';
import { StreamTranslator } from '../translate/stream-translator.ts';
import { BaseSpool } from './base-spool.ts';
import type {
  FedReplica,
  FeedDeadlines,
  FeedOptions,
  FeedPhase,
  FeedProgress,
} from './feed-options.ts';
import { PacedSocket, reasonOf } from './paced-socket.ts';

const PING = encodeCommand(['PING']);
const GETACK = encodeCommand(['REPLCONF', 'GETACK', '*']);
const KEEPALIVE_MS = 1000;
const PING_MS = 3000;
const GATHER_BYTES = 256 << 10;

export type History = { readonly replid: string; readonly offset: number };

/** One replica after its PSYNC: the base, the stream, its acknowledgements, then PINGs for ever. */
export class FeedSession {
  readonly peer: string;
  readonly #options: FeedOptions;
  readonly #history: History;
  readonly #deadlines: FeedDeadlines;
  readonly #clock: Clock;
  readonly #socket: Socket;
  readonly #out: PacedSocket;
  readonly #stop: AbortController;
  #translator: StreamTranslator | undefined;
  #phase: FeedPhase = 'base';
  #baseBytes = 0;
  #streamBytes = 0;
  #streamTotal = 0;
  /** Bytes after the base: of commands handed to the socket. */
  #sent = 0;
  /** The replica's own figure, without the offset that it was told to begin at. */
  #acked = 0;
  /** Commands that wait for more to go with them. */
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  /** Nothing is being written: a PING may go. */
  #isIdle = false;
  #isTurning = false;
  #signAt: number;
  #ackedAt: number;
  #bytesOut = 0;
  #hasAcked = false;
  #onAcked: () => void = () => {};

  constructor(
    socket: Socket,
    options: FeedOptions,
    history: History,
    deadlines: FeedDeadlines,
    clock: Clock,
  ) {
    this.#socket = socket;
    this.#options = options;
    this.#history = history;
    this.#deadlines = deadlines;
    this.#clock = clock;
    this.#stop = new AbortController();
    this.#out = new PacedSocket(
      socket,
      options.control ?? new RunControl(),
      clock,
      this.#stop.signal,
    );
    this.peer = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#signAt = clock.monotonic();
    this.#ackedAt = this.#signAt;
  }

  get progress(): FeedProgress {
    return {
      peer: this.peer,
      phase: this.#phase,
      baseBytes: this.#baseBytes,
      streamBytes: this.#streamBytes,
      streamTotal: this.#streamTotal,
      sentBytes: this.#sent,
      ackedBytes: this.#acked,
    };
  }

  /**
   * Sends everything; resolves when the replica has acknowledged it. PINGs go on until `end`.
   * `canFrame`: the replica takes an RDB whose length it is not told.
   */
  async run(canFrame: boolean): Promise<FedReplica> {
    const timers = [
      setInterval(() => this.#tick(), PING_MS),
      setInterval(() => this.#watch(), KEEPALIVE_MS),
    ];
    this.#stop.signal.addEventListener('abort', () => {
      for (const timer of timers) clearInterval(timer);
    });
    try {
      const { replid, offset } = this.#history;
      this.#out.say(`+FULLRESYNC ${replid} ${offset}\r\n`);
      const source = await this.#options.source();
      this.#streamTotal = source.streamBytes;
      await (canFrame ? this.#sendFramedBase(source) : this.#sendSpooledBase(source));
      this.#phase = 'stream';
      const translator = this.#createTranslator(source);
      await this.#sendStream(source, translator);
      this.#phase = 'acknowledging';
      await this.#acknowledged();
      this.#phase = 'fed';
      return {
        peer: this.peer,
        offset: offset + this.#acked,
        baseBytes: this.#baseBytes,
        streamBytes: this.#streamBytes,
        translation: translator.report,
      };
    } catch (error) {
      const reason = reasonOf(this.#stop.signal, error);
      this.end(reason);
      throw reason;
    }
  }

  /** The replica said something. */
  sign(): void {
    this.#signAt = this.#clock.monotonic();
  }

  /** It has applied the history up to `offset`. */
  acknowledge(offset: number): void {
    this.#hasAcked = true;
    const acked = offset - this.#history.offset;
    if (acked > this.#acked) {
      this.#acked = acked;
      this.#ackedAt = this.#clock.monotonic();
    }
    this.#onAcked();
  }

  /** Ends the session; what waits within `run` throws `reason`. Idempotent. */
  end(reason: unknown): void {
    if (!this.#stop.signal.aborted) this.#stop.abort(reason);
    this.#socket.destroy();
  }

  /** Goes out while it is being made: nobody knows its length. */
  async #sendFramedBase(source: FeedSource): Promise<void> {
    const mark = randomBytes(20).toString('hex');
    const keepalive = setInterval(() => this.#out.say('\n'), KEEPALIVE_MS);
    try {
      await source.writeBase(
        this.#options.server,
        async (bytes) => {
          if (this.#baseBytes === 0) {
            clearInterval(keepalive);
            this.#out.say(`$EOF:${mark}\r\n`);
          }
          this.#baseBytes += bytes.length;
          await this.#out.writeThrough(bytes);
        },
        this.#stop.signal,
      );
    } finally {
      clearInterval(keepalive);
    }
    assert(this.#baseBytes > 0, 'a base is never empty');
    this.#out.say(mark);
    // Replicas look for the mark at the end of what they have read: nothing may follow it before
    // they say, by their first acknowledgement, that they have found it.
    this.#phase = 'loading';
    await this.#until(() => this.#hasAcked);
  }

  async #sendSpooledBase(source: FeedSource): Promise<void> {
    const spool = await BaseSpool.open(this.#options.folder ?? tmpdir());
    const keepalive = setInterval(() => this.#out.say('\n'), KEEPALIVE_MS);
    const { signal } = this.#stop;
    try {
      await source.writeBase(this.#options.server, (bytes) => spool.append(bytes), signal);
      clearInterval(keepalive);
      this.#out.say(`$${spool.size}\r\n`);
      for await (const piece of spool.pieces()) {
        this.#baseBytes += piece.length;
        await this.#out.write([piece]);
      }
    } finally {
      clearInterval(keepalive);
      await spool.close();
    }
  }

  #createTranslator(source: FeedSource): StreamTranslator {
    const { server, recordedFrom = server, ...rest } = this.#options;
    const { shiftMs = 0, ttl = 'absolute', allowInexact = false } = rest;
    const { startDatabase } = source;
    const expiry = { shiftMs, persists: ttl === 'persist' };
    this.#translator = new StreamTranslator(
      { server, recordedFrom, expiry, allowInexact },
      startDatabase,
    );
    return this.#translator;
  }

  async #sendStream(source: FeedSource, translator: StreamTranslator): Promise<void> {
    await this.#send([encodeCommand(['SELECT', source.startDatabase])]);
    this.#waits(true);
    for await (const { bytes, atMs } of source.readStream(this.#stop.signal)) {
      // A pause may last: PINGs go on meanwhile.
      if (this.#out.isPaused) await this.#out.untilUnpaused();
      this.#waits(false);
      this.#stop.signal.throwIfAborted();
      for (const piece of translator.translate(bytes, atMs)) {
        this.#gathered.push(piece);
        this.#gatheredBytes += piece.length;
      }
      if (this.#gatheredBytes >= GATHER_BYTES) await this.#send(this.#takeGathered());
      this.#streamBytes += bytes.length;
      this.#waits(true);
    }
    this.#waits(false);
    translator.finish();
    await this.#send(this.#takeGathered());
    this.#isIdle = true;
  }

  #takeGathered(): Uint8Array[] {
    const pieces = this.#gathered;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    return pieces;
  }

  /**
   * Whether the next piece is waited for: what comes in the same turn of the loop is not. Small
   * pieces go together, and alone once the source has to be waited for.
   */
  #waits(isWaiting: boolean): void {
    this.#isIdle = isWaiting;
    if (!isWaiting || this.#gatheredBytes === 0 || this.#isTurning) return;
    this.#isTurning = true;
    setImmediate(() => {
      this.#isTurning = false;
      if (!this.#isIdle || this.#gatheredBytes === 0) return;
      this.#sent += this.#gatheredBytes;
      this.#out.press(this.#takeGathered());
    });
  }

  async #send(pieces: readonly Uint8Array[]): Promise<void> {
    for (const { length } of pieces) this.#sent += length;
    await this.#out.write(pieces);
  }

  /** Asks for an acknowledgement and waits until it covers all that was sent so far. */
  async #acknowledged(): Promise<void> {
    const wanted = this.#sent;
    this.#ackedAt = this.#clock.monotonic();
    await this.#send([GETACK]);
    await this.#until(() => this.#acked >= wanted);
  }

  /** Looks again at each acknowledgement. */
  async #until(isDone: () => boolean): Promise<void> {
    const { signal } = this.#stop;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = (): void => reject(signal.reason);
    const look = (): void => {
      if (isDone()) resolve();
    };
    signal.addEventListener('abort', abort);
    this.#onAcked = look;
    if (signal.aborted) abort();
    look();
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', abort);
      this.#onAcked = () => {};
    }
  }

  /** A PING whenever the stream stands still between two commands. */
  #tick(): void {
    if (!this.#isIdle || this.#out.isBlocked || this.#gatheredBytes > 0) return;
    if (this.#translator?.isCut === false) return;
    this.#sent += PING.length;
    this.#out.say(PING);
  }

  /** Ends the session when the replica is silent, or no longer comes nearer to the end. */
  #watch(): void {
    const now = this.#clock.monotonic();
    // What the kernel took is a sign too: while it loads, a replica says little.
    const bytesOut = this.#socket.bytesWritten - this.#socket.writableLength;
    if (bytesOut !== this.#bytesOut || this.#out.isPaused) this.#signAt = now;
    this.#bytesOut = bytesOut;
    const { silenceMs, acknowledgeMs } = this.#deadlines;
    const said = `acknowledged ${this.#acked} of ${this.#sent} bytes`;
    if (now - this.#signAt > silenceMs) {
      this.end(lost(this.peer, `it is silent for ${silenceMs} ms in phase "${this.#phase}"`));
    } else if (this.#phase === 'acknowledging' && now - this.#ackedAt > acknowledgeMs) {
      this.end(lost(this.peer, `it ${said} and no more within ${acknowledgeMs} ms`));
    }
  }
}

export function lost(peer: string, found: string): CodedError {
  return new CodedError('FEED_LOST', `Cannot feed ${peer}: ${found}`);
}
