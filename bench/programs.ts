import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type RunningServer,
  type ServerName,
  type StartOptions,
  startServer,
} from '../test/support/servers.ts';
import { cpuSecondsOf, measure, type Run } from './measure.ts';

const PROJECT = dirname(import.meta.dirname);
const TIDEMARK = [process.execPath, join(PROJECT, 'bin', 'tidemark')] as const;

/** One command of ours as a whole process, quiet. */
export function tidemark(...args: readonly string[]): Promise<Run> {
  return measure([...TIDEMARK, ...args, '--quiet']);
}

/** A command of ours that runs until it is disposed of. */
export function startTidemark(...args: readonly string[]): AsyncDisposable {
  const [file, ...rest] = [...TIDEMARK, ...args, '--quiet'];
  const child = spawn(file, rest, { stdio: ['ignore', 'ignore', 'inherit'] });
  const closed = new Promise((resolve) => child.once('close', resolve));
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGINT');
      await closed;
    },
  };
}

/** What one command of ours prints with --json. */
export async function tidemarkJson(...args: readonly string[]): Promise<unknown> {
  const [file, ...rest] = [...TIDEMARK, ...args, '--quiet', '--json'];
  const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString());
}

/** redis-cli or redis-check-rdb of a server's own version. */
export function tool(
  server: RunningServer,
  name: 'cli' | 'check-rdb',
  args: readonly string[],
): [string, ...string[]] {
  const command = server.binary.runTool(name, args);
  return [command.file, ...command.args];
}

export function cli(server: RunningServer, ...args: readonly string[]): Promise<Run> {
  return measure(tool(server, 'cli', ['-p', String(server.port), ...args]));
}

/** redis-cli with a file as its standard input. */
export async function cliFed(
  server: RunningServer,
  input: string,
  ...args: readonly string[]
): Promise<Run> {
  const file = openSync(input, 'r');
  try {
    return await measure(tool(server, 'cli', ['-p', String(server.port), ...args]), file);
  } finally {
    closeSync(file);
  }
}

/** `command` on a fresh server, whose start and end are not measured. */
export async function onFresh(
  name: ServerName,
  command: (server: RunningServer) => Promise<Run>,
): Promise<Run> {
  await using server = await startServer(name);
  return await command(server);
}

/** A server that loads an RDB at its start, until it answers. Its folder is removed. */
export async function loadAtStart(
  name: ServerName,
  folder: string,
  options: StartOptions = {},
): Promise<Run> {
  const begunAt = performance.now();
  await using server = await startServer(name, {
    ...options,
    dir: folder,
    readyTimeoutMs: 300_000,
  });
  const wallSeconds = (performance.now() - begunAt) / 1000;
  return { wallSeconds, cpuSeconds: cpuSecondsOf(server.pid), peakMiB: 0 };
}

export function emptyFolder(path: string): string {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}
