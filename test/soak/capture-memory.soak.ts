import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { runLoad } from '../../bench/log-followers.ts';
import {
  findServer,
  notRun,
  type RunningServer,
  startServer,
  whyMissing,
} from '../support/servers.ts';

const SERVER = 'redis-7.0';
const MIB = 2 ** 20;
const ONE_SHARD_BYTES = 200 * MIB;
const IDLE_SHARD_BYTES = 30 * MIB;
const IDLE_SHARDS = Number(process.env['SHARDS'] ?? 50);
const LOAD = { rate: 40_000, seconds: Number(process.env['LOAD_SECONDS'] ?? 60) };

type Measured = {
  readonly peakBytes: number;
  readonly residentBytes: number;
  readonly gaps: number;
  readonly commands: number;
};

/** Captures all servers, does something meanwhile, and tells what the process held. */
async function measureCapture(
  servers: readonly RunningServer[],
  meanwhile: () => Promise<unknown>,
): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-memory-'));
  const script = join(import.meta.dirname, 'measured-capture.ts');
  const child = spawn(process.execPath, [script, folder, ...servers.map(({ url }) => url)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, 'ready');
    await meanwhile();
    child.stdin.end();
    const { value } = await lines.next();
    return JSON.parse(value ?? '{}') as Measured;
  } finally {
    const closed = once(child, 'close');
    child.stdin.end();
    if (child.exitCode === null) await closed;
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startServers(
  count: number,
): Promise<AsyncDisposableStack & { servers: RunningServer[] }> {
  const stack = new AsyncDisposableStack();
  const servers: RunningServer[] = [];
  for (let i = 0; i < count; i++) servers.push(stack.use(await startServer(SERVER)));
  return Object.assign(stack, { servers });
}

describe('the memory of a capture', () => {
  test(`of one shard under ${LOAD.rate} writes a second stays below 200 MiB`, async (t) => {
    if (findServer(SERVER) === undefined) return notRun(t, SERVER, whyMissing(SERVER));
    await using one = await startServers(1);
    const found = await measureCapture(one.servers, () => runLoad(one.servers[0], LOAD));
    t.diagnostic(`peak ${Math.round(found.peakBytes / MIB)} MiB, ${found.commands} commands`);
    assert.equal(found.gaps, 0);
    // Commands that change nothing are not replicated.
    assert.ok(found.commands > LOAD.rate * LOAD.seconds * 0.8);
    assert.ok(found.peakBytes < ONE_SHARD_BYTES);
  });

  test(`grows by less than 30 MiB for each of ${IDLE_SHARDS} idle shards`, async (t) => {
    if (findServer(SERVER) === undefined) return notRun(t, SERVER, whyMissing(SERVER));
    await using all = await startServers(IDLE_SHARDS + 1);
    // Long enough for segments to be closed and stored.
    const idle = (): Promise<void> => delay(20_000);
    const one = await measureCapture(all.servers.slice(0, 1), idle);
    const many = await measureCapture(all.servers, idle);
    const each = (key: 'peakBytes' | 'residentBytes'): number =>
      (many[key] - one[key]) / IDLE_SHARDS / MIB;
    t.diagnostic(
      `one ${Math.round(one.peakBytes / MIB)} MiB, each further ${each('peakBytes').toFixed(1)} ` +
        `MiB at the peak and ${each('residentBytes').toFixed(1)} MiB at the end`,
    );
    assert.equal(many.gaps, 0);
    assert.ok(each('peakBytes') < IDLE_SHARD_BYTES / MIB);
  });
});
