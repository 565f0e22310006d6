import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CodedError } from '../../base/index.ts';
import { connect, parseAddress, parseInfo, type RedisConnection } from '../../redis/index.ts';
import { replyText } from '../../resp/index.ts';
import type { Environment } from '../terminal.ts';

/** A throw-away server, alone in a folder of its own. */
export type DemoServer = {
  readonly url: string;
  /** `redis 7.0.15`. */
  readonly name: string;
  readonly major: number;
  readonly connection: RedisConnection;
  /** The program that it runs. */
  readonly path: string;
  /** A process that, like the server, must not outlive us, has started or ended. */
  guardChild(pid: number, isRunning: boolean): void;
  /** Ends the server and removes the folder. Idempotent. */
  stop(): Promise<void>;
};

type Binary = { readonly path: string; readonly name: string; readonly major: number };

const NAMES = ['redis-server', 'valkey-server'];
const ATTEMPTS = 5;
const START_TIMEOUT_MS = 10_000;
const POLL_MS = 25;

/** The server program to use: the one given, or the first on PATH. Throws USAGE. */
export function findServerBinary(env: Environment, given: string | undefined): Binary {
  const hint = 'Install redis-server or valkey-server, or give --server /path/to/one';
  const candidates = given === undefined ? NAMES : [given];
  for (const candidate of candidates) {
    const path = findProgram(env, candidate);
    if (path === undefined) continue;
    const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
    const match = /^(\w+) server v=((\d+)\.\S+)/i.exec(stdout ?? '');
    if (match !== null) {
      const name = `${match[1]?.toLowerCase()} ${match[2]}`;
      return { path, name, major: Number(match[3]) };
    }
    throw new CodedError('USAGE', `Cannot use ${path}: it is no Redis or Valkey server`, { hint });
  }
  const sought = candidates.join(' or ');
  throw new CodedError('USAGE', `Cannot find ${sought} on this machine`, { hint });
}

/**
 * Starts a server on a free port of the loopback address and resolves when it answers. From now on
 * `folder` belongs to it: it goes with the server, even if this process is killed.
 */
export async function startDemoServer(
  binary: Binary,
  folder: string,
  signal: AbortSignal,
): Promise<DemoServer> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const child = spawn(binary.path, serverArguments(binary, port, folder), {
      cwd: folder,
      stdio: 'ignore',
      // A group of its own: Ctrl-C at the terminal must not reach it before our last words to it.
      detached: true,
    });
    const guard = startGuard(child, folder);
    try {
      const connection = await waitUntilReady(child, port, signal);
      const stop = async (): Promise<void> => {
        connection.close();
        await end(child);
        rmSync(folder, { recursive: true, force: true });
        guard?.kill('SIGKILL');
      };
      const guarded = new Set<number>();
      const guardChild = (pid: number, isRunning: boolean): void => {
        if (isRunning) guarded.add(pid);
        else guarded.delete(pid);
        guard?.stdin?.write(`${[...guarded].join(' ')}\n`);
      };
      return { url: `redis://127.0.0.1:${port}`, ...binary, connection, guardChild, stop };
    } catch (error) {
      guard?.kill('SIGKILL');
      await end(child);
      if (signal.aborted || attempt === ATTEMPTS) throw error;
    }
  }
}

function serverArguments({ major }: Binary, port: number, folder: string): string[] {
  const settings: [string, string][] = [
    ['bind', '127.0.0.1'],
    ['port', String(port)],
    ['dir', folder],
    ['save', ''],
    ['appendonly', 'no'],
    ['daemonize', 'no'],
    ['repl-diskless-sync', 'yes'],
    ['repl-diskless-sync-delay', '0'],
    // Minutes of what the demo writes, as precheck would advise.
    ['repl-backlog-size', '128mb'],
  ];
  // The demo compares DEBUG DIGEST, which newer servers allow only when told so at their start.
  if (major >= 7) settings.push(['enable-debug-command', 'local']);
  return settings.flatMap(([name, value]) => [`--${name}`, value]);
}

/**
 * A shell that reads until our end of its input closes, however this process ended; then it kills
 * the server and the processes whose ids it was told last, and removes the folder. Nothing is
 * undone twice: `stop` ends the guard last.
 */
function startGuard(server: ChildProcess, folder: string): ChildProcess | undefined {
  if (server.pid === undefined) return undefined;
  const script =
    'while read -r pids; do children=$pids; done; kill -9 "$1" $children 2>/dev/null; ' +
    'sleep 0.2; rm -rf -- "$2"';
  const guard = spawn('sh', ['-c', script, 'sh', String(server.pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.on('error', () => {});
  guard.stdin.on('error', () => {});
  return guard;
}

async function waitUntilReady(
  child: ChildProcess,
  port: number,
  signal: AbortSignal,
): Promise<RedisConnection> {
  const address = parseAddress(`redis://127.0.0.1:${port}`);
  const deadline = performance.now() + START_TIMEOUT_MS;
  let failure: unknown;
  child.once('error', (error) => {
    failure = error;
  });
  while (performance.now() < deadline && !hasEnded(child)) {
    signal.throwIfAborted();
    try {
      const connection = await connect(address, { signal, commandTimeoutMs: 30_000 });
      const info = parseInfo(replyText(await connection.command(['INFO', 'server'])));
      // Somebody else may have taken the port first.
      if (Number(info['process_id']) === child.pid) return connection;
      connection.close();
    } catch (error) {
      failure = error;
    }
    await delay(POLL_MS, undefined, { signal });
  }
  throw new CodedError('CONNECT_FAILED', 'Cannot start a server for the demo', { cause: failure });
}

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  child.once('exit', () => resolve());
  child.kill('SIGKILL');
  await promise;
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}

function findProgram(env: Environment, name: string): string | undefined {
  const folders = name.includes('/') ? [''] : (env['PATH'] ?? '').split(delimiter);
  for (const folder of folders) {
    const path = folder === '' ? name : join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not there, or not ours to run: the next one.
    }
  }
  return undefined;
}

async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once('error', reject);
  server.listen({ host: '127.0.0.1', port: 0 }, () => {
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    server.close(() => resolve(port));
  });
  return await promise;
}
