import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './ports.ts';
import { RespPipe } from './resp-pipe.ts';
import type { RunningServer, ServerBinary } from './servers.ts';

const DEADLINE_MS = 30_000;

/** Waits until `probe` gives something; an error counts as not yet. */
export async function until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const found = await probe().catch(() => undefined);
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`Not within ${DEADLINE_MS} ms: ${what}`);
    await delay(20);
  }
}

/** One Sentinel that may decide alone, watching `master` under the name `orders`. */
export class RunningSentinel {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #dir: string;

  private constructor(port: number, child: ChildProcess, dir: string) {
    this.port = port;
    this.#child = child;
    this.#dir = dir;
  }

  static async start(binary: ServerBinary, master: RunningServer): Promise<RunningSentinel> {
    const port = await freePort();
    const dir = mkdtempSync(join(tmpdir(), 'tidemark-sentinel-'));
    const config = join(dir, 'sentinel.conf');
    const lines = [
      'bind 127.0.0.1',
      `port ${port}`,
      `dir ${dir}`,
      `sentinel monitor orders 127.0.0.1 ${master.port} 1`,
      'sentinel down-after-milliseconds orders 500',
      'sentinel failover-timeout orders 5000',
    ];
    writeFileSync(config, `${lines.join('\n')}\n`);
    const { file, args } = binary.run([config, '--sentinel']);
    const child = spawn(file, args, { stdio: 'ignore', cwd: dir });
    const sentinel = new RunningSentinel(port, child, dir);
    await until('an answer of the Sentinel', async () => {
      const pipe = await RespPipe.open(`redis://127.0.0.1:${port}`);
      pipe.close();
      return true;
    });
    return sentinel;
  }

  get url(): string {
    return `sentinel://127.0.0.1:${this.port}/orders`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await exited;
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
