import { CodedError } from '../../base/index.ts';
import type { RawLink, RedisConnection } from '../../redis/index.ts';
import { type Reply, ReplyDecoder } from '../../resp/index.ts';

/** Silence of a target that owes replies. */
const SILENCE_MS = 60_000;

type Batch = {
  readonly replies: Reply[];
  readonly count: number;
  readonly resolve: (replies: Reply[]) => void;
  readonly reject: (error: Error) => void;
};

/**
 * Questions by the thousand over one connection, which it takes over: the replies of a batch come
 * as one promise. Throws TARGET_LOST when the link breaks or is silent while replies are owed.
 */
export class ReplyBatches {
  readonly #link: RawLink;
  readonly #decoder = new ReplyDecoder((reply) => this.#onReply(reply));
  readonly #batches: Batch[] = [];
  #failure: Error | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(conn: RedisConnection) {
    this.#link = conn.detach({
      onBytes: (buffer, start, end) => this.#receive(buffer, start, end),
      onEnd: (error) => this.#fail(error),
    });
  }

  /** Sends `count` commands; error replies are values. `bytes` must stay until it resolves. */
  ask(bytes: Uint8Array, count: number): Promise<Reply[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (count === 0) return Promise.resolve([]);
    const { promise, resolve, reject } = Promise.withResolvers<Reply[]>();
    this.#batches.push({ replies: [], count, resolve, reject });
    this.#link.write(bytes);
    this.#watch();
    return promise;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#link.close();
    this.#fail(new CodedError('INTERRUPTED', 'The connection to the target was closed'));
  }

  #receive(buffer: Buffer, start: number, end: number): void {
    try {
      this.#decoder.push(buffer, start, end);
    } catch (error) {
      this.#fail(error as Error);
      this.#link.close();
      return;
    }
    this.#watch();
  }

  #onReply(reply: Reply): void {
    const batch = this.#batches[0];
    if (batch === undefined) {
      throw new CodedError('RESP_INVALID', 'Cannot match a reply: nothing was asked');
    }
    batch.replies.push(reply);
    if (batch.replies.length < batch.count) return;
    this.#batches.shift();
    batch.resolve(batch.replies);
  }

  /** Restarts the deadline: something came, or something was asked. */
  #watch(): void {
    if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#onSilence(), SILENCE_MS);
      this.#timer.unref();
    } else this.#timer.refresh();
  }

  #onSilence(): void {
    this.#timer = undefined;
    if (this.#batches.length === 0) return;
    const message = `The target did not reply for ${SILENCE_MS / 1000} s`;
    this.#fail(new CodedError('TARGET_LOST', message));
    this.#link.close();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const batch of this.#batches.splice(0)) batch.reject(this.#failure);
  }
}
