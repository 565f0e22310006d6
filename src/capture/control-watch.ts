import type { Clock } from '../base/index.ts';
import {
  connect,
  infoNumber,
  parseInfo,
  type RedisAddress,
  type RedisConnection,
  type TlsOptions,
} from '../redis/index.ts';
import { ReplyError, replyText } from '../resp/index.ts';

export type ControlFacts = {
  /** Of the node that we read, as it says itself. */
  readonly sourceOffset: number | null;
  readonly isShuttingDown: boolean;
  /** A FAILOVER waits for a replica that has everything. */
  readonly isFailoverWaiting: boolean;
  /** A pair of the node's own clock and its offset at that moment. */
  readonly bracket: { readonly ms: number; readonly offset: number } | null;
};

export type ControlOptions = {
  readonly tls?: TlsOptions;
  readonly clock: Clock;
  readonly onFacts: (facts: ControlFacts) => void;
  /** The user may not ask: nothing will come. One sentence. */
  readonly onForbidden: (text: string) => void;
};

const POLL_MS = 1000;
const BRACKET_MS = 10_000;
const TIMEOUT_MS = 5000;

/**
 * A second connection to the node that is read: asks each second how far it is and whether it waits
 * for us, every ten seconds also for its clock. Nothing depends on it; where it is forbidden or
 * broken, recording goes on and knows less.
 */
export class ControlWatch {
  readonly #address: RedisAddress;
  readonly #options: ControlOptions;
  #conn: RedisConnection | null = null;
  #timer: NodeJS.Timeout | null = null;
  #bracketAtMs = Number.NEGATIVE_INFINITY;
  #isPolling = false;
  #isClosed = false;

  constructor(address: RedisAddress, options: ControlOptions) {
    this.#address = address;
    this.#options = options;
    void this.poll();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#conn?.close();
  }

  /** Asks now; never rejects. */
  async poll(): Promise<void> {
    if (this.#isPolling || this.#isClosed) return;
    this.#isPolling = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    try {
      await this.#ask();
    } catch {
      // The node is away, or slow: the log link has its own deadlines and says so.
      this.#conn?.close();
      this.#conn = null;
    }
    this.#isPolling = false;
    if (this.#isClosed) return this.#conn?.close();
    this.#timer = setTimeout(() => void this.poll(), POLL_MS);
  }

  async #ask(): Promise<void> {
    const { tls, clock } = this.#options;
    this.#conn ??= await connect(this.#address, {
      connectTimeoutMs: TIMEOUT_MS,
      commandTimeoutMs: TIMEOUT_MS,
      readBufferBytes: 16 << 10,
      ...(tls && { tls }),
    });
    const wantsTime = clock.monotonic() - this.#bracketAtMs >= BRACKET_MS;
    const commands = [
      ['INFO', 'server'],
      ...(wantsTime ? [['TIME']] : []),
      ['INFO', 'replication'],
    ];
    const replies = await this.#conn.pipeline(commands);
    const replication = replies.at(-1);
    if (replication instanceof ReplyError) {
      if (replication.code !== 'NOPERM' && !/unknown command/i.test(replication.message)) return;
      this.#options.onForbidden('The user may not run INFO: lag and shutdowns are not seen');
      return this.close();
    }
    const server = replies[0] instanceof ReplyError ? {} : parseInfo(replyText(replies[0]));
    const info = parseInfo(replyText(replication));
    const offset = infoNumber(info, info['role'] === 'slave' ? 'slave_repl_offset' : MASTER_OFFSET);
    const time = wantsTime ? replies[1] : null;
    if (Array.isArray(time)) this.#bracketAtMs = clock.monotonic();
    this.#options.onFacts({
      sourceOffset: offset ?? infoNumber(info, MASTER_OFFSET),
      isShuttingDown: (infoNumber(server, 'shutdown_in_milliseconds') ?? -1) >= 0,
      isFailoverWaiting: info['master_failover_state'] === 'waiting-for-sync',
      bracket: Array.isArray(time) && offset !== null ? { ms: readTime(time), offset } : null,
    });
  }
}

const MASTER_OFFSET = 'master_repl_offset';

/** TIME answers seconds and microseconds. */
function readTime(reply: readonly unknown[]): number {
  return Number(reply[0]) * 1000 + Math.floor(Number(reply[1]) / 1000);
}
