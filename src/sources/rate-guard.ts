import { CodedError, isCoded, systemClock } from '../base/index.ts';
import { parseInfo, type RedisConnection } from '../redis/index.ts';
import { type Reply, ReplyError, replyPairs, replyText } from '../resp/index.ts';
import {
  countSaveCalls,
  findHarm,
  parseBufferLimit,
  parseLargestBuffer,
  parseSavePoints,
  type SourceLook,
  type SourceSettings,
} from './rate-harm.ts';
import type { HarmBounds } from './rate-limit.ts';

const DEFAULT_BOUNDS: HarmBounds = {
  copyOnWriteBytes: 256 << 20,
  replicaBufferBytes: 64 << 20,
};

/** The server's own default. */
const DEFAULT_REPL_TIMEOUT_MS = 60_000;

const NO_SETTINGS: SourceSettings = {
  savePoints: [],
  bufferLimit: { hardBytes: 0, softBytes: 0 },
  replTimeoutMs: DEFAULT_REPL_TIMEOUT_MS,
};

export type Watched = {
  readonly framing: 'length' | 'mark';
  /** While false nothing is held back, so nothing is asked. */
  readonly isThrottled: () => boolean;
  /** Told once: the guard has ended then. */
  readonly onHarm: (reason: string) => void;
};

/**
 * Watches the source while a transfer is held back: INFO each second on a connection of its own,
 * which it owns and closes. Not being able to look any more counts as harm.
 */
export class RateGuard {
  readonly #conn: RedisConnection;
  readonly #bounds: HarmBounds;
  readonly #intervalMs: number;
  #settings = NO_SETTINGS;
  #mayList = true;
  #before: SourceLook | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isEnded = false;

  private constructor(conn: RedisConnection, bounds: Partial<HarmBounds>, intervalMs: number) {
    this.#conn = conn;
    this.#bounds = { ...DEFAULT_BOUNDS, ...bounds };
    this.#intervalMs = intervalMs;
  }

  /** Throws NOPERM when the user may not run INFO: a throttled run needs it. */
  static async create(
    conn: RedisConnection,
    bounds: Partial<HarmBounds>,
    intervalMs = 1000,
  ): Promise<RateGuard> {
    const guard = new RateGuard(conn, bounds, intervalMs);
    try {
      await conn.command(['INFO', 'persistence']);
      guard.#settings = await readSettings(conn);
    } catch (error) {
      conn.close();
      if (!isCoded(error, 'NOPERM', 'COMMAND_FAILED')) throw error;
      throw new CodedError('NOPERM', `Cannot limit the rate safely: ${error.message}`, {
        hint: 'Give the user +info, or leave out --rate',
        cause: error,
      });
    }
    return guard;
  }

  /** How long nothing may be read: a source drops a replica that takes nothing for longer. */
  get longestPauseMs(): number {
    return this.#settings.replTimeoutMs / 2;
  }

  /** Looks at once and then every interval, until harm or `end`. */
  begin(watched: Watched): void {
    void this.#look(watched);
  }

  async #look(watched: Watched): Promise<void> {
    const reason = watched.isThrottled() ? await this.#find(watched.framing) : null;
    if (!watched.isThrottled()) this.#before = null;
    if (this.#isEnded) return;
    if (reason === null || !watched.isThrottled()) {
      this.#timer = setTimeout(() => void this.#look(watched), this.#intervalMs);
      return;
    }
    this.end();
    watched.onHarm(reason);
  }

  async #find(framing: 'length' | 'mark'): Promise<string | null> {
    const before = this.#before;
    try {
      const look = await this.#read();
      this.#before = look;
      return findHarm(look, before, { framing, bounds: this.#bounds, settings: this.#settings });
    } catch (error) {
      return `the source cannot be watched any more (${(error as Error).message})`;
    }
  }

  async #read(): Promise<SourceLook> {
    const timeoutMs = this.#intervalMs * 5;
    const commands = [
      ['INFO'],
      ['INFO', 'commandstats'],
      ...(this.#mayList ? [['CLIENT', 'LIST', 'TYPE', 'slave']] : []),
    ];
    const [info, stats, clients] = await this.#conn.pipeline(commands, { timeoutMs });
    if (!(info instanceof Buffer)) {
      throw new Error(`INFO: ${info instanceof ReplyError ? info.message : 'no text'}`);
    }
    if (!(clients instanceof Buffer)) this.#mayList = false;
    return {
      info: parseInfo(info.toString()),
      bufferedBytes: clients instanceof Buffer ? parseLargestBuffer(clients.toString()) : null,
      saveCalls: stats instanceof Buffer ? countSaveCalls(parseInfo(stats.toString())) : null,
      atMs: systemClock.now(),
    };
  }

  end(): void {
    this.#isEnded = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#conn.close();
  }
}

/** What may not be read is taken for the server's default. */
async function readSettings(conn: RedisConnection): Promise<SourceSettings> {
  const read = async (name: string): Promise<string> => {
    const reply: Reply = await conn.attempt(['CONFIG', 'GET', name]);
    return replyText(replyPairs(reply).get(name));
  };
  const seconds = Number(await read('repl-timeout'));
  return {
    savePoints: parseSavePoints(await read('save')),
    bufferLimit: parseBufferLimit(await read('client-output-buffer-limit')),
    replTimeoutMs: seconds > 0 ? seconds * 1000 : DEFAULT_REPL_TIMEOUT_MS,
  };
}
