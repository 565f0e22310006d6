import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { STATE_HOME } from '../support/state-home.ts';

/** `bin/tidemark` as a process of its own, the way people run it. */

export type Finished = {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type RunOptions = {
  readonly env?: Readonly<Record<string, string>>;
  /** Given to standard input, which is empty otherwise. */
  readonly input?: Uint8Array;
};

const launcher = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin', 'tidemark');

export class Tidemark {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly finished: Promise<Finished>;

  constructor(args: readonly string[], options: RunOptions = {}) {
    const { TIDEMARK_REPO: _repo, TIDEMARK_PASSWORD: _password, ...env } = process.env;
    this.child = spawn(process.execPath, [launcher, ...args], {
      env: { ...env, XDG_STATE_HOME: STATE_HOME, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child.stdin?.on('error', () => {});
    this.child.stdin?.end(options.input ?? '');
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString();
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.finished = new Promise((resolve) => {
      this.child.once('close', (status) => {
        resolve({ status, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

export async function tidemark(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  return await new Tidemark(args, options).finished;
}

/** Of a run with `--json`; `document` is what the command says it is. */
export type Result<T> = {
  readonly status: number | null;
  readonly document: T;
  readonly stderr: string;
};

/** The same with `--json`, parsed. */
export async function tidemarkJson(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Result<unknown>> {
  const { status, stdout, stderr } = await tidemark([...args, '--json'], options);
  return { status, document: JSON.parse(stdout) as unknown, stderr };
}

/** A folder that is gone after the test. */
export function temporaryFolder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-cli-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Looks until `seen` gives something, or fails after `timeoutMs`. */
export async function waitFor<T>(
  what: string,
  seen: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await seen();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`Waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
