import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fillServer, writeLoad } from './data-shapes.ts';
import { digestServer, readLive } from './live-reader.ts';
import { RespPipe } from './resp-pipe.ts';
import { isAtLeast, notRun, SERVER_NAMES, findServer, startServer, whyMissing } from './servers.ts';
import { diffModels, loadRdb, loadTruth } from './truth.ts';

describe('readLive', () => {
  for (const name of SERVER_NAMES) {
    test(`reads the same twice from ${name}, filled with every shape`, async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      await using server = await startServer(binary);
      await fillServer(server.url, { seed: 5, bulkKeys: 500, big: false });
      const first = await readLive(server.url);
      const second = await readLive(server.url);
      assert.deepEqual(diffModels(first, second), []);
      const types = new Set([...first.keys.values()].map(({ type }) => type));
      for (const type of ['string', 'list', 'set', 'zset', 'hash', 'stream']) {
        assert.ok(types.has(type), `no ${type}`);
      }
      assert.deepEqual([...new Set([...first.keys.values()].map(({ db }) => db))], [0, 3, 9, 15]);
      if (isAtLeast(binary, 7)) assert.equal(first.functions?.length, 2);
      const quick = await digestServer(server.url);
      const pipe = await RespPipe.open(server.url);
      await pipe.call('HSET', 'hash:size:2', 'field 0', 'changed');
      pipe.close();
      assert.notEqual(await digestServer(server.url), quick);
      const changes = diffModels(first, await readLive(server.url));
      assert.equal(changes.length, 1);
      assert.match(changes[0] ?? '', /"hash:size:2": fields\[0\]: .*"changed"/);
    });
  }

  const FIXTURES = [
    ['redis-4.0.14', 'redis-7.0'],
    ['redis-5.0.14', 'redis-7.0'],
    ['redis-6.2.16', 'redis-7.0'],
    ['keydb-6.3.4', 'redis-7.0'],
    ['redis-7.0.15', 'redis-7.0'],
    ['redis-7.4.1', 'redis-8.0'],
    ['redis-8.6.3', 'redis-newest'],
    ['valkey-8.1.1', 'valkey-8'],
    ['valkey-9.1.2', 'valkey-9'],
  ] as const;
  for (const [fixture, name] of FIXTURES) {
    test(`finds in ${name} what the ground truth of ${fixture} says`, async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      const dir = mkdtempSync(join(tmpdir(), 'tidemark-fixture-'));
      try {
        writeFileSync(join(dir, 'dump.rdb'), loadRdb(fixture));
        await using server = await startServer(binary, { dir });
        // A newer server makes up the counters that an older file lacks, and drops nothing.
        const live = await readLive(server.url);
        assert.deepEqual(diffModels(loadTruth(fixture).loadedModel, live), []);
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    });
  }
});

describe('writeLoad', () => {
  test('keeps writing keys of all types until it is stopped', async () => {
    await using server = await startServer('redis-7.0');
    const load = await writeLoad(server.url, 3, { acrossDatabases: true });
    const deadline = Date.now() + 10_000;
    while (load.commands < 6000 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const commands = await load.stop();
    assert.ok(commands >= 6000);
    const model = await readLive(server.url);
    const types = new Set([...model.keys.values()].map(({ type }) => type));
    assert.deepEqual([...types].sort(), ['hash', 'list', 'set', 'stream', 'string', 'zset']);
  });
});
