import { availableMemory } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { CodedError, isCoded } from '../../base/index.ts';
import {
  connect,
  displayAddress,
  infoNumber,
  parseInfo,
  type RedisAddress,
  type RedisConnection,
} from '../../redis/index.ts';
import { replyPairs, replyText } from '../../resp/index.ts';
import type { FedReplica, FedTarget } from '../feed/feed-options.ts';
import type { Feed } from '../feed/feed.ts';
import type { FedServer } from '../feed-source.ts';
import { describeFedTarget } from './fed-target.ts';
import type { SandboxServer } from './find-sandbox-server.ts';
import { tailOfLog } from './log-tail.ts';
import { errorsInLog, errorsSince, readReplayErrors, type ReplayErrors } from './replay-errors.ts';
import { ServerProcess } from './server-process.ts';

export type SandboxOptions = {
  /** At least so many databases. Default 16. */
  readonly databases?: number;
  /** What the data will take in memory, about; absent: not checked. */
  readonly expectedBytes?: number;
  /** Bytes of memory that may be used. Default: what the system has free. */
  readonly availableBytes?: number;
  /** A TCP port on the loopback address besides the socket. Default: none. */
  readonly port?: number;
  /** Default: the system's folder for temporary files. */
  readonly parentFolder?: string;
  readonly signal?: AbortSignal;
};

/** What a replay did to the sandbox. */
export type SandboxFill = {
  readonly replica: FedReplica;
  /** Counted while it was fed: empty unless the feed allows what is inexact. */
  readonly failed: readonly FailedCommands[];
};

export type FailedCommands = {
  /** As the server names it; null where it does not. */
  readonly command: string | null;
  readonly count: number;
  readonly error: string | null;
};

/** Servers need more than their data: buffers, tables that grow, the child that saves. */
const MEMORY_FACTOR = 1.3;
const MEMORY_FLOOR = 32 << 20;
const DEFAULT_DATABASES = 16;
const POLL_MS = 20;
const LOG_LINES = 6;
const PROMOTE_TIMEOUT_MS = 30_000;

/**
 * A throw-away server that a feed fills: our own child on a unix socket in a folder of ours alone,
 * or somebody's empty server. While it is a replica nothing in it expires; `promote` makes it
 * writable, and what is due expires. Gone, or empty again, after `close`.
 */
export class Sandbox {
  /** Where to read it. Nobody else can reach a child's but by `port`. */
  readonly address: RedisAddress;
  /** What a feed for it is to be told. */
  readonly target: FedTarget;
  readonly #connection: RedisConnection;
  readonly #process: ServerProcess | null;
  /** What it said to its masters before; null: it was not changed. */
  #masterAuth: string | null = null;

  private constructor(
    connection: RedisConnection,
    target: FedTarget,
    process: ServerProcess | null,
  ) {
    this.#connection = connection;
    this.address = connection.address;
    this.target = target;
    this.#process = process;
  }

  /**
   * Starts a child. Throws SANDBOX_UNAVAILABLE when the data will not fit into memory, and
   * SANDBOX_FAILED with the end of its log.
   */
  static async start(server: SandboxServer, options: SandboxOptions = {}): Promise<Sandbox> {
    const { databases = DEFAULT_DATABASES, port, parentFolder, signal } = options;
    checkMemory(options);
    const process = await ServerProcess.start(
      server,
      { databases, ...(port !== undefined && { port }), ...(parentFolder && { parentFolder }) },
      signal,
    );
    try {
      const connection = await process.connect(signal);
      return new Sandbox(connection, await describeFedTarget(connection), process);
    } catch (error) {
      await process.close();
      throw error;
    }
  }

  /**
   * Takes a running server, which must be a master without keys, functions, replicas or cluster
   * mode; `close` leaves it empty. Throws SANDBOX_UNAVAILABLE, and what `connect` throws.
   */
  static async attach(address: RedisAddress, options: SandboxOptions = {}): Promise<Sandbox> {
    const { signal, databases = 1 } = options;
    const connection = await connect(address, {
      ...(signal !== undefined && { signal }),
      commandTimeoutMs: 60_000,
    });
    try {
      const target = await describeFedTarget(connection);
      await checkEmpty(connection, target, databases);
      return new Sandbox(connection, target, null);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** All that a child printed; empty for a server of somebody else's. */
  get log(): string {
    return this.#process?.log ?? '';
  }

  /**
   * Makes it a replica of `feed`, which feeds nobody else, and resolves when it has applied
   * everything and counted no error.
   * Throws REPLAY_INEXACT naming what failed (unless the feed allows it), SANDBOX_FAILED when the
   * server ends, and the codes of `feed.fed`.
   */
  async fill(feed: Feed, signal?: AbortSignal): Promise<SandboxFill> {
    const conn = this.#connection;
    const before = await readReplayErrors(conn);
    const logged = this.log.length;
    const had = replyPairs(await conn.command(['CONFIG', 'GET', 'masterauth']));
    this.#masterAuth ??= replyText(had.get('masterauth'));
    await conn.command(['CONFIG', 'SET', 'masterauth', feed.protect().reveal()]);
    const { host, port } = feed.address;
    const fed = feed.fed(signal);
    // Its failure is told below; until then it must not count as unhandled.
    fed.catch(() => {});
    await this.#becomeReplica(host, port);
    const replica = await this.#unlessEnded(fed);
    const after = await readReplayErrors(conn);
    const failed = failedCommands(errorsSince(before, after), this.log.slice(logged));
    if (failed.length > 0 && !feed.allowsInexact) throw inexact(this.target, failed);
    return { replica, failed };
  }

  /** Resolves when a child ended by itself, with the reason; null for somebody else's server. */
  get ended(): Promise<CodedError> | null {
    return this.#process?.ended ?? null;
  }

  /** Makes it a master: writable, and what is due expires. */
  async promote(): Promise<void> {
    await this.#becomeReplica('NO', 'ONE');
    const deadline = performance.now() + PROMOTE_TIMEOUT_MS;
    for (;;) {
      const info = replyText(await this.#connection.command(['INFO', 'replication']));
      if (parseInfo(info)['role'] === 'master') return;
      if (performance.now() > deadline) {
        throw new CodedError('SANDBOX_FAILED', 'The sandbox does not become a master');
      }
      await delay(POLL_MS);
    }
  }

  /** Ends and removes a child, empties somebody's server. Idempotent. */
  async close(): Promise<void> {
    if (this.#process === null && this.#connection.isOpen) await this.#leaveEmpty();
    this.#connection.close();
    await this.#process?.close();
  }

  async #unlessEnded(fed: Promise<FedReplica>): Promise<FedReplica> {
    try {
      const outcome = await (this.ended === null ? fed : Promise.race([fed, this.ended]));
      if (outcome instanceof CodedError) throw outcome;
      return outcome;
    } catch (error) {
      throw await this.#explained(error);
    }
  }

  async #becomeReplica(host: string, port: number | string): Promise<void> {
    // Before 5.0 it has its old name only, which all others know too.
    await this.#connection.command(['SLAVEOF', host, port]);
  }

  async #leaveEmpty(): Promise<void> {
    const conn = this.#connection;
    await conn.command(['SLAVEOF', 'NO', 'ONE']);
    if (this.#masterAuth !== null) {
      await conn.command(['CONFIG', 'SET', 'masterauth', this.#masterAuth]);
    }
    await conn.command(['FLUSHALL'], { timeoutMs: 600_000 });
    if (this.target.knownCommands?.has('FUNCTION') === true) {
      await conn.command(['FUNCTION', 'FLUSH']);
    }
  }

  /** A replica that left us may have said why, in its log. */
  async #explained(failure: unknown): Promise<unknown> {
    if (this.#process === null || !isCoded(failure, 'FEED_LOST', 'FEED_REFUSED')) return failure;
    const ended = await Promise.race([this.#process.ended, delay(200)]);
    if (ended !== undefined) return ended;
    const tail = tailOfLog(this.log, LOG_LINES);
    const message = `${failure.message}. Its log ends:\n${tail}`;
    return new CodedError(failure.code, message, { cause: failure });
  }
}

/** Throws SANDBOX_UNAVAILABLE where the data would not fit. */
export function checkMemory({
  expectedBytes,
  availableBytes = availableMemory(),
}: Pick<SandboxOptions, 'expectedBytes' | 'availableBytes'>): void {
  if (expectedBytes === undefined) return;
  const needed = Math.ceil(expectedBytes * MEMORY_FACTOR + MEMORY_FLOOR);
  if (needed <= availableBytes) return;
  const message =
    `Cannot start a sandbox: the data takes about ${mebibytes(needed)} of memory, ` +
    `${mebibytes(availableBytes)} are free`;
  throw new CodedError('SANDBOX_UNAVAILABLE', message, {
    hint: 'Use a larger machine, name a server elsewhere with --sandbox-url, or skip the check',
  });
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / (1 << 20))} MiB`;
}

async function checkEmpty(
  connection: RedisConnection,
  target: FedTarget,
  databases: number,
): Promise<void> {
  const where = displayAddress(connection.address);
  const refuse = (found: string): CodedError =>
    new CodedError('SANDBOX_UNAVAILABLE', `Cannot use ${where} as sandbox: ${found}`, {
      hint: 'A sandbox loses all its data: name an empty server that nobody else uses',
    });
  const info = parseInfo(replyText(await connection.command(['INFO'])));
  if (Object.keys(info).some((name) => /^db\d+$/.test(name))) throw refuse('it has keys');
  if (info['role'] !== 'master') throw refuse('it is a replica');
  if (infoNumber(info, 'connected_slaves') !== 0) throw refuse('it has replicas');
  if (info['cluster_enabled'] === '1') throw refuse('it is in cluster mode');
  if ((target.databases ?? databases) < databases) {
    throw refuse(`it has ${target.databases} databases, and ${databases} are needed`);
  }
  if (target.knownCommands?.has('FUNCTION') !== true) return;
  const functions = await connection.command(['FUNCTION', 'LIST']);
  if (Array.isArray(functions) && functions.length > 0) throw refuse('it has functions');
}

/** What went wrong while it was a replica, by the best of what the server tells. */
export function failedCommands(errors: ReplayErrors, log: string): FailedCommands[] {
  const logged = new Map<string, FailedCommands>();
  for (const { command, error } of errorsInLog(log)) {
    const had = logged.get(command);
    logged.set(command, { command, error, count: (had?.count ?? 0) + 1 });
  }
  const counted = errors.unexpected ?? errors.total ?? logged.size;
  if (counted <= 0) return [];
  if (logged.size > 0) return [...logged.values()];
  const named = Object.entries(errors.byCommand);
  if (named.length === 0) return [{ command: null, count: counted, error: null }];
  return named.map(([command, count]) => ({ command, count, error: null }));
}

export function inexact(target: FedServer, failed: readonly FailedCommands[]): CodedError {
  const what = failed.map(({ command, count, error }) => {
    const name = command === null ? 'commands' : `'${command}'`;
    return `${count} × ${name}${error === null ? '' : ` (${error})`}`;
  });
  const server = `${target.family} ${target.version}`;
  return new CodedError('REPLAY_INEXACT', `The sandbox (${server}) refused ${what.join(', ')}`, {
    hint: 'Name a server of the version of the source with --sandbox-server, or --allow-inexact',
  });
}
