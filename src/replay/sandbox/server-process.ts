import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CodedError } from '../../base/index.ts';
import {
  connect,
  parseAddress,
  type RedisAddress,
  type RedisConnection,
} from '../../redis/index.ts';
import { tailOfLog } from './log-tail.ts';
import type { SandboxServer } from './find-sandbox-server.ts';
import { createSandboxFolder, PID_FILE } from './sandbox-folder.ts';

export type ProcessOptions = {
  readonly databases: number;
  /** A port on the loopback address as well as the socket. */
  readonly port?: number;
  /** Default: the system's folder for temporary files. */
  readonly parentFolder?: string;
  /** Further directives, as they stand in the file; they win over our own. */
  readonly directives?: readonly (readonly [name: string, value: string])[];
  /** Puts into its folder what it is to find there when it starts. */
  readonly prepare?: (folder: string) => Promise<void>;
};

const START_TIMEOUT_MS = 20_000;
const POLL_MS = 10;
const LOG_TAIL_LINES = 12;
/** Of the path of a unix socket, in the smallest system. */
const MAX_SOCKET_PATH = 103;

const running = new Set<ServerProcess>();
let dieWithParent: readonly string[] | undefined;

/** A server as our child: it and its folder are gone when we are, whatever ends us. */
export class ServerProcess {
  readonly folder: string;
  readonly address: RedisAddress;
  /** Resolves when the process has ended, with the reason that is to be told. */
  readonly ended: Promise<CodedError>;
  readonly #server: SandboxServer;
  readonly #child: ChildProcess;
  readonly #logPath: string;

  private constructor(server: SandboxServer, options: ProcessOptions, folder: string) {
    this.folder = folder;
    this.#server = server;
    const socket = join(folder, 'server.sock');
    if (socket.length > MAX_SOCKET_PATH) {
      const message = `Cannot make a sandbox in '${folder}': the path of its socket is too long`;
      throw new CodedError('SANDBOX_UNAVAILABLE', message, {
        hint: 'Set TMPDIR to a shorter path',
      });
    }
    this.address = parseAddress(`unix://${encodeURI(socket)}`);
    this.#logPath = join(folder, 'server.log');
    const config = join(folder, 'server.conf');
    writeFileSync(config, configText(server, options, folder, socket), { mode: 0o600 });
    const log = openSync(this.#logPath, 'a', 0o600);
    const [file, ...args] = [...wrapper(), server.file, ...server.args, config];
    this.#child = spawn(file, args, {
      cwd: folder,
      stdio: ['ignore', log, log],
      // Ctrl-C at the terminal is for us: we end it when we have read what we need.
      detached: true,
    });
    closeSync(log);
    if (running.size === 0) process.once('exit', killAll);
    running.add(this);
    this.ended = this.#watch();
    if (this.#child.pid !== undefined) writeFileSync(join(folder, PID_FILE), `${this.#child.pid}`);
  }

  /** Resolves when it answers. Throws SANDBOX_FAILED with the end of its log. */
  static async start(
    server: SandboxServer,
    options: ProcessOptions,
    signal?: AbortSignal,
  ): Promise<ServerProcess> {
    const folder = createSandboxFolder(options.parentFolder);
    try {
      await options.prepare?.(folder);
      const started = new ServerProcess(server, options, folder);
      try {
        await started.#untilReady(signal);
        return started;
      } catch (error) {
        await started.close();
        throw error;
      }
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** All that it printed. */
  get log(): string {
    try {
      return readFileSync(this.#logPath, 'utf8');
    } catch {
      return '';
    }
  }

  async connect(signal?: AbortSignal): Promise<RedisConnection> {
    return await connect(this.address, {
      ...(signal !== undefined && { signal }),
      commandTimeoutMs: 60_000,
    });
  }

  /** SANDBOX_FAILED with the last lines of its log. */
  failure(what: string): CodedError {
    const tail = tailOfLog(this.log, LOG_TAIL_LINES);
    const message = `The sandbox (${this.#server.family} ${this.#server.version}) ${what}`;
    return new CodedError('SANDBOX_FAILED', `${message}. Its log ends:\n${tail}`);
  }

  /** Kills it and removes its folder. Idempotent. */
  async close(): Promise<void> {
    this.#kill();
    await this.ended;
    running.delete(this);
    if (running.size === 0) process.removeListener('exit', killAll);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** At the end of our process, when nothing can be awaited. */
  abandon(): void {
    this.#kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #kill(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      // With the children that it forked to save.
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }

  #watch(): Promise<CodedError> {
    const { promise, resolve } = Promise.withResolvers<CodedError>();
    this.#child.once('error', (error) => resolve(this.failure(`did not start: ${error.message}`)));
    this.#child.once('exit', (code, signal) => {
      resolve(this.failure(signal === null ? `ended with status ${code}` : `ended by ${signal}`));
    });
    return promise;
  }

  async #untilReady(signal: AbortSignal | undefined): Promise<void> {
    let failure: CodedError | undefined;
    void this.ended.then((reason) => (failure = reason));
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      signal?.throwIfAborted();
      try {
        const connection = await this.connect(signal);
        connection.close();
        return;
      } catch {
        // Not yet, or never.
      }
      if (failure !== undefined) throw failure;
      if (performance.now() > deadline) {
        throw this.failure(`did not answer within ${START_TIMEOUT_MS} ms`);
      }
      await delay(POLL_MS, undefined, signal && { signal });
    }
  }
}

function killAll(): void {
  for (const server of running) server.abandon();
}

/** Has the kernel kill the server with the thread that started it, where that can be had. */
function wrapper(): readonly string[] {
  if (dieWithParent === undefined) {
    const tried = spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']);
    dieWithParent = tried.status === 0 ? ['setpriv', '--pdeathsig', 'KILL'] : [];
  }
  return dieWithParent;
}

function configText(
  { family, version }: SandboxServer,
  { databases, port = 0, directives = [] }: ProcessOptions,
  folder: string,
  socket: string,
): string {
  const major = Number.parseInt(version);
  const settings: [string, string][] = [
    ['bind', '127.0.0.1'],
    ['port', String(port)],
    ['unixsocket', socket],
    ['unixsocketperm', '700'],
    ['protected-mode', 'yes'],
    ['daemonize', 'no'],
    ['dir', folder],
    ['databases', String(databases)],
    ['save', '""'],
    ['appendonly', 'no'],
    ['maxmemory', '0'],
    // The base comes as fast as the repository can be read: its silence is for us to judge.
    ['repl-timeout', '3600'],
    // It is read by a full backup afterwards.
    ['rdbcompression', 'no'],
    ['repl-diskless-sync', 'yes'],
    ['repl-diskless-sync-delay', '0'],
    ['stop-writes-on-bgsave-error', 'no'],
  ];
  // What the source took, the sandbox must take.
  if (major >= 5)
    settings.push(['proto-max-bulk-len', '4gb'], ['client-query-buffer-limit', '8gb']);
  if (major >= 6 && family !== 'keydb') settings.push(['repl-diskless-load', 'on-empty-db']);
  const lines = settings.map(([name, value]) => `${name} ${quoted(value)}\n`);
  return [...lines, ...directives.map(([name, value]) => `${name} ${value}\n`)].join('');
}

function quoted(value: string): string {
  return /[\s"'\\]/.test(value) && value !== '""' ? JSON.stringify(value) : value;
}
