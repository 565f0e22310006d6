import { CodedError } from '../base/index.ts';
import type { RawLink, RedisConnection } from '../redis/index.ts';
import { encodeCommand, ReplyScanner, type ScannedKind } from '../resp/index.ts';

/** A reply that was not OK; `index` counts the commands of its batch from 0. */
export type OddReply = {
  readonly index: number;
  readonly kind: ScannedKind;
  /** The beginning of an error, a status or an integer. */
  readonly text: string;
};

type Batch = {
  readonly first: number;
  readonly count: number;
  readonly odd: OddReply[];
  readonly resolve: (odd: OddReply[]) => void;
  readonly reject: (error: Error) => void;
};

/** Bytes that may be under way before the writer waits. */
const WINDOW_BYTES = 8 << 20;

/** Silence of a target that owes replies. */
const SILENCE_MS = 60_000;

/**
 * Commands by the million over one connection: bytes go out as they come, replies are only counted,
 * and what was not OK is handed back with its batch. Throws TARGET_LOST when the link breaks or
 * stays silent while replies are owed.
 */
export class Pipeline {
  readonly #link: RawLink;
  readonly #scanner: ReplyScanner;
  readonly #batches: Batch[] = [];
  #sent = 0;
  #failure: Error | undefined;
  #drained: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #database = 0;

  constructor(conn: RedisConnection) {
    this.#scanner = new ReplyScanner((index, kind, head, length) => {
      const owner = this.#batches.find((batch) => index < batch.first + batch.count);
      if (owner === undefined) return;
      const text = head.toString('latin1', 0, length);
      owner.odd.push({ index: index - owner.first, kind, text });
    });
    this.#link = conn.detach({
      onBytes: (buffer, start, end) => this.#receive(buffer, start, end),
      onEnd: (error) => this.#fail(error),
      onDrain: () => this.#drain(),
    });
  }

  /** Sends `count` commands and resolves to their odd replies. `bytes` must stay as they are. */
  send(bytes: Uint8Array, count: number): Promise<OddReply[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (count === 0) return Promise.resolve([]);
    const { promise, resolve, reject } = Promise.withResolvers<OddReply[]>();
    this.#batches.push({ first: this.#sent, count, odd: [], resolve, reject });
    this.#sent += count;
    this.#link.write(bytes, () => this.#drain());
    this.#watch();
    return promise;
  }

  /** Makes `database` the one that commands sent from now on apply to. */
  async select(database: number): Promise<void> {
    if (database === this.#database) return;
    this.#database = database;
    const [odd] = await this.send(encodeCommand(['SELECT', database]), 1);
    if (odd === undefined) return;
    throw new CodedError('TARGET_UNSUITABLE', `Cannot select database ${database}: ${odd.text}`);
  }

  /** Resolves when there is room for more. */
  async ready(): Promise<void> {
    while (this.#link.queuedBytes > WINDOW_BYTES) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => this.#drained.push(resolve));
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#link.close();
    this.#fail(new CodedError('INTERRUPTED', 'The connection to the target was closed'));
  }

  #receive(buffer: Buffer, start: number, end: number): void {
    try {
      this.#scanner.push(buffer, start, end);
    } catch (error) {
      this.#fail(error as Error);
      this.#link.close();
      return;
    }
    const { replies } = this.#scanner;
    let batch = this.#batches[0];
    while (batch !== undefined && batch.first + batch.count <= replies) {
      this.#batches.shift();
      batch.resolve(batch.odd);
      batch = this.#batches[0];
    }
    this.#watch();
  }

  /** Restarts the deadline: something came, or something was sent. */
  #watch(): void {
    if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#onSilence(), SILENCE_MS);
      this.#timer.unref();
    } else this.#timer.refresh();
  }

  #onSilence(): void {
    this.#timer = undefined;
    if (this.#batches.length === 0) return;
    const seconds = SILENCE_MS / 1000;
    this.#fail(new CodedError('TARGET_LOST', `The target did not reply for ${seconds} s`));
    this.#link.close();
  }

  #drain(): void {
    const waiting = this.#drained;
    this.#drained = [];
    for (const resolve of waiting) resolve();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const batch of this.#batches.splice(0)) batch.reject(this.#failure);
    this.#drain();
  }
}
