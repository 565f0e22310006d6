import { setTimeout as delay } from 'node:timers/promises';
import { CodedError } from '../../base/index.ts';
import type { RedisConnection } from '../../redis/index.ts';
import { ReplyError } from '../../resp/index.ts';

/** What became of one key of the writer: its last write that the server has answered. */
export type Written = {
  readonly value: string;
  /** Milliseconds of our clock, when it was answered. */
  readonly atMs: number;
};

const BATCH = 20;
const PAUSE_MS = 10;
/** Of so many writes, one is of a key that is not there yet. */
const NEW_ONE_IN = 2;

/**
 * An application that goes on whatever happens: it opens visits and updates them, about 2,000
 * writes a second, and remembers what the server has confirmed. It knows nothing of disasters.
 */
export class LiveWriter {
  /** By key; in the order of their first writes. */
  readonly ledger = new Map<string, Written>();
  readonly #conn: RedisConnection;
  readonly #now: () => number;
  readonly #keys: string[] = [];
  readonly #running: Promise<void>;
  #writes = 0;
  #stopping = false;

  /** Begins at once. The connection is its own from now on. */
  constructor(conn: RedisConnection, now: () => number) {
    this.#conn = conn;
    this.#now = now;
    this.#running = this.#run();
    // Seen when it is stopped.
    this.#running.catch(() => {});
  }

  /** Writes that the server has confirmed. */
  get writes(): number {
    return this.#writes;
  }

  /** Resolves when all its writes are confirmed; throws what ended it before. */
  async stop(): Promise<void> {
    this.#stopping = true;
    try {
      await this.#running;
    } finally {
      this.#conn.close();
    }
  }

  async #run(): Promise<void> {
    for (let number = 0; !this.#stopping; ) {
      const batch = Array.from({ length: BATCH }, () => this.#next(++number));
      const replies = await this.#conn.pipeline(
        batch.map(({ key, value }) => ['SET', key, value] as const),
      );
      const refused = replies.find((reply) => reply instanceof ReplyError);
      if (refused !== undefined) {
        throw new CodedError('COMMAND_FAILED', `The writer was refused: ${refused.message}`);
      }
      const atMs = this.#now();
      for (const { key, value } of batch) this.ledger.set(key, { value, atMs });
      this.#writes += batch.length;
      await delay(PAUSE_MS);
    }
  }

  #next(number: number): { readonly key: string; readonly value: string } {
    const isNew = number % NEW_ONE_IN === 0 || this.#keys.length === 0;
    // A step that shares no factor with most lengths comes by all keys, old and recent.
    const key = isNew ? `visit:${number}` : this.#keys[(number * 7919) % this.#keys.length];
    if (isNew) this.#keys.push(key);
    return { key, value: JSON.stringify({ write: number, pages: number % 17 }) };
  }
}
