import { setTimeout as delay } from 'node:timers/promises';
import { assert, CodedError, isCoded } from '../../base/index.ts';
import {
  infoNumber,
  parseInfo,
  type RedisAddress,
  type RedisConnection,
} from '../../redis/index.ts';
import { replyText } from '../../resp/index.ts';
import type { SandboxServer } from './find-sandbox-server.ts';
import { readReplayErrors } from './replay-errors.ts';
import { checkMemory, type FailedCommands, failedCommands } from './sandbox.ts';
import { ServerProcess } from './server-process.ts';

export type AofSandboxOptions = {
  /** Writes the AOF: `appendonlydir` of servers from 7.0 on, `appendonly.aof` of older ones. */
  readonly prepare: (folder: string) => Promise<void>;
  readonly databases: number;
  /** What the data will take in memory, about; absent: not checked. */
  readonly expectedBytes?: number;
  /** Default: the system's folder for temporary files. */
  readonly parentFolder?: string;
  /** Told now and then of how much the server has read. */
  readonly onLoading?: (bytes: number) => void;
  readonly signal?: AbortSignal;
};

const POLL_MS = 50;
/** How long a server that has broken its connections may take to end. */
const END_MS = 1000;
/** Nobody listens there: what it would be told makes no difference. */
const NO_MASTER = '127.0.0.1 1';

/**
 * A throw-away server that loads an AOF by itself, as after a restart, and removes no key: it loads
 * as the replica of a master that does not exist, which waits for the master's word on every key
 * whose time has passed. `release` makes it a master that may be read whole, and still expires
 * nothing by itself. Nobody may read single keys of it: that removes what is due.
 */
export class AofSandbox {
  readonly #process: ServerProcess;
  readonly #connection: RedisConnection;
  #failed: readonly FailedCommands[] = [];

  private constructor(process: ServerProcess, connection: RedisConnection) {
    this.#process = process;
    this.#connection = connection;
  }

  /**
   * Resolves when everything is loaded. Throws SANDBOX_FAILED with the end of the log, and
   * SOURCE_UNSUPPORTED for a command that the server does not know.
   */
  static async load(server: SandboxServer, options: AofSandboxOptions): Promise<AofSandbox> {
    const { prepare, databases, parentFolder, signal } = options;
    checkMemory(options);
    const process = await ServerProcess.start(
      server,
      {
        databases,
        directives: directivesFor(server),
        prepare,
        ...(parentFolder !== undefined && { parentFolder }),
      },
      signal,
    ).catch((error: unknown) => {
      throw explained(error, server);
    });
    try {
      const connection = await process.connect(signal);
      const sandbox = new AofSandbox(process, connection);
      await sandbox.#untilLoaded(options);
      sandbox.#failed = failedCommands(await readReplayErrors(connection), process.log);
      return sandbox;
    } catch (error) {
      // Whatever failed first: that it ended says more, and its log says why.
      const isLost = isCoded(error, 'CONNECT_FAILED', 'CONNECT_TIMEOUT');
      const ended = isLost
        ? await Promise.race([process.ended, delay(END_MS, undefined, { ref: false })])
        : undefined;
      await process.close();
      throw explained(ended ?? error, server);
    }
  }

  /** Commands that it refused while it loaded, which servers pass over in silence. */
  get failed(): readonly FailedCommands[] {
    return this.#failed;
  }

  get address(): RedisAddress {
    return this.#process.address;
  }

  /** Makes it a master, which hands out all that it holds and removes nothing. */
  async release(): Promise<void> {
    await this.#connection.command(['DEBUG', 'SET-ACTIVE-EXPIRE', '0']);
    await this.#connection.command(['SLAVEOF', 'NO', 'ONE']);
  }

  /** Ends and removes it. Idempotent. */
  async close(): Promise<void> {
    this.#connection.close();
    await this.#process.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #untilLoaded({ onLoading, signal }: AofSandboxOptions): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      const reply = await this.#connection.command(['INFO', 'persistence']);
      const info = parseInfo(replyText(reply));
      if (infoNumber(info, 'loading') === 0) {
        assert(infoNumber(info, 'aof_enabled') === 1, 'a sandbox that loads an AOF');
        return;
      }
      onLoading?.(infoNumber(info, 'loading_loaded_bytes') ?? 0);
      await delay(POLL_MS, undefined, signal && { signal });
    }
  }
}

function directivesFor({ version }: SandboxServer): [string, string][] {
  const directives: [string, string][] = [
    ['appendonly', 'yes'],
    ['appendfilename', 'appendonly.aof'],
    ['replicaof', NO_MASTER],
    // The end was looked at before: a server that finds it torn has read something else.
    ['aof-load-truncated', 'no'],
    ['auto-aof-rewrite-percentage', '0'],
    ['appendfsync', 'no'],
  ];
  if (Number.parseInt(version) >= 7) {
    directives.push(['enable-debug-command', 'yes'], ['appenddirname', 'appendonlydir']);
  }
  return directives;
}

function explained(error: unknown, { family, version }: SandboxServer): unknown {
  if (!(error instanceof CodedError) || error.code !== 'SANDBOX_FAILED') return error;
  const unknown = /Unknown command '([^']*)' reading the append only file/.exec(error.message);
  if (unknown === null) return error;
  const message = `Cannot load the AOF: ${family} ${version} does not know '${unknown[1]}'`;
  return new CodedError('SOURCE_UNSUPPORTED', message, {
    hint: 'Name a server that knows it with --sandbox-server',
    cause: error,
  });
}
