import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { RespPipe } from '../test/support/resp-pipe.ts';
import { type RunningServer, type ServerName, startServer } from '../test/support/servers.ts';
import type { LoadResult } from './log-load.ts';
import { emptyFolder } from './programs.ts';

const PROJECT = dirname(import.meta.dirname);
const READY_MS = 60_000;
const STOP_MS = 120_000;

/** Who reads a master's stream while it is measured. */
export type Follower = {
  readonly name: 'nobody' | 'redis replica' | 'tidemark capture';
  start(master: RunningServer): Promise<RunningFollower>;
};

export interface RunningFollower extends AsyncDisposable {
  /** Undefined: nobody. */
  readonly pid: number | undefined;
}

export const NOBODY: Follower = {
  name: 'nobody',
  start: async () => ({ pid: undefined, [Symbol.asyncDispose]: async () => {} }),
};

/** A real replica of the same version, that keeps nothing on disk. */
export function replicaFollower(name: ServerName): Follower {
  return {
    name: 'redis replica',
    start: async (master) => {
      const server = await startServer(name, {
        config: { replicaof: `${master.host} ${master.port}` },
      });
      await untilOnline(master, () => '');
      return { pid: server.pid, [Symbol.asyncDispose]: () => server.stop() };
    },
  };
}

export function captureFollower(folder: string, options: readonly string[] = []): Follower {
  return {
    name: 'tidemark capture',
    start: async (master) => await RunningCapture.start(master, folder, options),
  };
}

/**
 * `tidemark capture` as a process of its own, with its repository and spool in `folder`, which is
 * emptied first. Ready once it follows the source and its first full backup is stored.
 */
export class RunningCapture implements RunningFollower {
  readonly repo: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #said: string[] = [];
  readonly #closed: Promise<number | null>;

  private constructor(child: ChildProcess, repo: string) {
    this.repo = repo;
    this.pid = child.pid as number;
    this.#child = child;
    this.#closed = new Promise((resolve) => child.once('close', resolve));
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#said.push(chunk.toString());
      this.#said.splice(0, this.#said.length - 50);
    });
  }

  static async start(
    master: RunningServer,
    folder: string,
    options: readonly string[] = [],
  ): Promise<RunningCapture> {
    emptyFolder(folder);
    const repo = join(folder, 'repo');
    const args = ['capture', master.url, '--source', 'bench', '--from', 'master', '--repo', repo];
    const program = join(PROJECT, 'bin', 'tidemark');
    const child = spawn(process.execPath, [program, ...args, '--ack', 'durable', ...options], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, XDG_STATE_HOME: join(folder, 'state') },
    });
    const capture = new RunningCapture(child, repo);
    try {
      await untilOnline(master, () => capture.#ending());
      const deadline = Date.now() + READY_MS;
      while (!hasBackup(repo)) {
        if (Date.now() > deadline) throw new Error(`No first backup:\n${capture.#said.join('')}`);
        await delay(20);
      }
      return capture;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  /** Ends it as Ctrl-C does: everything that it has is stored. */
  async stop(): Promise<void> {
    this.#child.kill('SIGINT');
    const late = delay(STOP_MS, 'late' as const, { ref: false });
    const status = await Promise.race([this.#closed, late]);
    if (status !== 0) throw new Error(`capture ended with ${status}:\n${this.#said.join('')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }

  /** Why it will never be ready, or nothing. */
  #ending(): string {
    return this.#child.exitCode === null ? '' : this.#said.join('') || 'it ended';
  }
}

function hasBackup(repo: string): boolean {
  return filesOf(repo).some((name) => /\/backups\/[^/]+\.json$/.test(name));
}

/** Paths of all files below a folder; none where it does not exist. */
export function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  } catch {
    return [];
  }
}

async function untilOnline(master: RunningServer, ended: () => string): Promise<void> {
  const pipe = await RespPipe.open(master.url);
  const deadline = Date.now() + READY_MS;
  try {
    while ((await readReplication(pipe)).acknowledged === null) {
      if (ended() !== '') throw new Error(`The follower ended: ${ended()}`);
      if (Date.now() > deadline) throw new Error('The follower never got online');
      await delay(20);
    }
  } finally {
    pipe.close();
  }
}

export type ReplicationLook = {
  readonly offset: number;
  /** What the first replica that is online has acknowledged. */
  readonly acknowledged: number | null;
};

export async function readReplication(pipe: RespPipe): Promise<ReplicationLook> {
  const text = ((await pipe.call('INFO', 'replication')) as Buffer).toString();
  const offset = Number(/^master_repl_offset:(\d+)/m.exec(text)?.[1] ?? 0);
  const acknowledged = /^slave\d+:.*state=online,offset=(\d+)/m.exec(text)?.[1];
  return { offset, acknowledged: acknowledged === undefined ? null : Number(acknowledged) };
}

/** Bytes that the server holds for its replicas. */
export async function readOutputBuffers(pipe: RespPipe): Promise<number> {
  const list = (await pipe.call('CLIENT', 'LIST', 'TYPE', 'replica')) as Buffer;
  const text = list.toString();
  return [...text.matchAll(/ omem=(\d+)/g)].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
}

/** The load generator as a process of its own. */
export async function runLoad(
  master: RunningServer,
  options: Readonly<Record<string, number>>,
): Promise<LoadResult> {
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const script = join(import.meta.dirname, 'log-load.ts');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [script, '--url', master.url, ...args],
    { maxBuffer: 1 << 20 },
  );
  return JSON.parse(stdout) as LoadResult;
}

/** Peak of the resident memory of a process, MiB. */
export function peakMemoryMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}
