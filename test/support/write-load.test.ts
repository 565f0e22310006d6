import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readLive } from './live-reader.ts';
import type { Model } from './model.ts';
import { RespPipe } from './resp-pipe.ts';
import { type RunningServer, startServer } from './servers.ts';
import { diffModels } from './truth.ts';
import { WriteLoad } from './write-load.ts';

/** A snapshot by the server itself, read back from another server that loads it. */
async function snapshot(server: RunningServer): Promise<Model> {
  const pipe = await RespPipe.open(server.url);
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-snapshot-'));
  try {
    await pipe.call('BGSAVE');
    const deadline = Date.now() + 20_000;
    for (;;) {
      const persistence = String(await pipe.call('INFO', 'persistence'));
      if (persistence.includes('rdb_bgsave_in_progress:0')) break;
      assert.ok(Date.now() < deadline, 'the snapshot takes too long');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    cpSync(join(server.dir, 'dump.rdb'), join(dir, 'dump.rdb'));
    await using copy = await startServer(server.binary, { dir });
    return await readLive(copy.url);
  } finally {
    pipe.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

describe('WriteLoad', () => {
  test('tells the exact instant of snapshots taken while it writes', async () => {
    await using server = await startServer('redis-7.0');
    const load = await WriteLoad.start(server.url, { seed: 11, operationsPerSecond: 20_000 });
    for (let i = 0; i < 3; i++) {
      await load.reached(load.operations + 1500);
      const before = load.operations;
      const model = await snapshot(server);
      const operation = load.identify(model);
      assert.ok(operation >= before && operation <= load.operations + 50);
      assert.deepEqual(diffModels(load.expectedAt(operation), load.ownKeys(model)), []);
      assert.notDeepEqual(diffModels(load.expectedAt(operation - 1), load.ownKeys(model)), []);
      assert.notDeepEqual(diffModels(load.expectedAt(operation + 1), load.ownKeys(model)), []);
    }
    const last = await load.stop();
    const final = await readLive(server.url);
    assert.equal(load.identify(final), last);
    assert.deepEqual(diffModels(load.expectedAt(last), load.ownKeys(final)), []);
    const { low, high } = load.operationsAt(load.journal[10]?.answeredMs ?? 0);
    assert.ok(low >= 550 && high >= low && high < last);
  });

  test('identify refuses data that is not of one instant', async () => {
    await using server = await startServer('redis-7.0');
    const load = await WriteLoad.start(server.url);
    await load.reached(500);
    await load.stop();
    const pipe = await RespPipe.open(server.url);
    await pipe.call('HSET', 'state:all:hash', 'n', 1);
    pipe.close();
    const model = await readLive(server.url);
    assert.throws(() => load.identify(model), /Not of one instant: .*state:all:hash/);
  });
});
