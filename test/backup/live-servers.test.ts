import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type BackupRequest, backUp } from '../../src/backup/index.ts';
import type { EntrySelection } from '../../src/entries/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { openRepository, type Repository } from '../../src/repository/index.ts';
import { MemoryStorage } from '../fakes/memory-storage.ts';
import { fillServer } from '../support/data-shapes.ts';
import { readLive } from '../support/live-reader.ts';
import type { KeyModel, Model } from '../support/model.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import {
  findServer,
  notRun,
  type RunningServer,
  SERVER_NAMES,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { diffModels } from '../support/truth.ts';
import { WriteLoad } from '../support/write-load.ts';
import { sortedLines, storedLines, storedModel } from './stored-lines.ts';

async function memoryRepository(): Promise<Repository> {
  return await openRepository(new MemoryStorage(), { mode: 'write' });
}

async function backUpModel(
  server: RunningServer,
  repository: Repository,
  request: Partial<BackupRequest> = {},
) {
  const address = parseAddress(server.url);
  const report = await backUp({ repository, address, sourceName: 'test', ...request });
  return { report, model: await storedModel(repository, report.manifest) };
}

describe('a full backup', () => {
  for (const name of SERVER_NAMES) {
    test(`of ${name} with every shape of data holds what the server holds`, async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      await using server = await startServer(binary);
      await fillServer(server.url, { seed: 11, bulkKeys: 2000 });
      const repository = await memoryRepository();
      const live = await readLive(server.url);
      const { report, model } = await backUpModel(server, repository);
      assert.deepEqual(diffModels(live, model, { times: 'near' }), []);
      const { manifest } = report;
      assert.equal(manifest.consistency, 'point-in-time');
      assert.equal(manifest.shards[0]?.rdb?.checksum, 'verified');
      assert.equal(manifest.totals.keys, live.keys.size);
      assert.deepEqual(manifest.lossy, {});
      assertDatabases(live, manifest.databases);

      const again = await backUpModel(server, repository, { workers: 2 });
      const one = sortedLines(await storedLines(repository, manifest, 'entries'));
      const two = sortedLines(await storedLines(repository, again.report.manifest, 'entries'));
      const isSame = one.length === two.length && one.every((line, i) => line === two[i]);
      assert.ok(isSame, 'two workers gave other lines than one');
    });

    test(`of ${name} under write load shows one instant`, async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      await using server = await startServer(binary);
      await fillServer(server.url, { seed: 12, bulkKeys: 20_000, big: false });
      const load = await WriteLoad.start(server.url, { operationsPerSecond: 2000 });
      try {
        await load.reached(1000);
        const before = load.operations;
        const repository = await memoryRepository();
        const { report, model } = await backUpModel(server, repository);
        await load.reached(load.operations + 100);
        const operation = load.identify(model);
        assert.ok(operation >= before, `${operation} came before the backup began`);
        const expected = load.expectedAt(operation);
        const own = load.ownKeys(model);
        assert.deepEqual(diffModels(expected, own, { times: 'ignore', functions: false }), []);
        const snapshotAt = Date.parse(report.manifest.snapshotAt);
        const { high } = load.operationsAt(snapshotAt + 50);
        assert.ok(operation <= high, `operation ${operation} came after the snapshot's time`);
      } finally {
        await load.stop();
      }
    });
  }
});

function assertDatabases(live: Model, databases: readonly { db: number; keys: number }[]): void {
  const counts = new Map<number, number>();
  for (const { db } of live.keys.values()) counts.set(db, (counts.get(db) ?? 0) + 1);
  const found = databases.map(({ db, keys }) => [db, keys]);
  assert.deepEqual(
    found,
    [...counts].sort(([a], [b]) => a - b),
  );
}

describe('a selection', () => {
  const bytes = (...texts: string[]) => texts.map((text) => Buffer.from(text));
  const cases: readonly (readonly [string, EntrySelection, (key: KeyModel) => boolean])[] = [
    ['of databases', { databases: [3, 15] }, ({ db }) => db === 3 || db === 15],
    ['of a database without keys', { databases: [7] }, () => false],
    ['by key', { keys: bytes('hash:size:2', 'nothing') }, ({ key }) => key === 'hash:size:2'],
    ['by pattern', { match: bytes('hash:*') }, ({ key }) => key.startsWith('hash:')],
    [
      'by key or pattern',
      { keys: bytes('hash:size:2'), match: bytes('list:*') },
      ({ key }) => key === 'hash:size:2' || key.startsWith('list:'),
    ],
    [
      'with exclusions',
      { match: bytes('hash:*'), exclude: bytes('*:2') },
      ({ key }) => key.startsWith('hash:') && !key.endsWith(':2'),
    ],
    ['of types', { types: ['zset', 'stream'] }, ({ type }) => type === 'zset' || type === 'stream'],
    [
      'of everything at once',
      { databases: [0], types: ['hash'], match: bytes('*size*'), exclude: bytes('*2*') },
      ({ db, type, key }) =>
        db === 0 && type === 'hash' && key.includes('size') && !key.includes('2'),
    ],
  ];

  test('backs up the keys that it names and no other', async (t) => {
    const name = 'redis-7.0';
    const binary = findServer(name);
    if (binary === undefined) return notRun(t, name, whyMissing(name));
    await using server = await startServer(binary);
    await fillServer(server.url, { seed: 13, bulkKeys: 100, big: false });
    const repository = await memoryRepository();
    const live = await readLive(server.url);
    for (const [what, selection, wants] of cases) {
      const { report, model } = await backUpModel(server, repository, { selection });
      const keys = new Map([...live.keys].filter(([, key]) => wants(key)));
      assert.ok(keys.size > 0 || what.includes('without'), `${what}: the case is empty`);
      const differences = diffModels({ ...live, keys }, model, { times: 'near' });
      assert.deepEqual(differences, [], what);
      assert.equal(report.manifest.totals.keys, keys.size);
    }
  });

  test('is the database of the address', async (t) => {
    const name = 'redis-7.0';
    const binary = findServer(name);
    if (binary === undefined) return notRun(t, name, whyMissing(name));
    await using server = await startServer(binary);
    const pipe = await RespPipe.open(server.url);
    await pipe.call('SET', 'a', '0');
    await pipe.call('SELECT', '2');
    await pipe.call('SET', 'a', '2');
    pipe.close();
    const repository = await memoryRepository();
    const address = parseAddress(`${server.url}/2`);
    const { model } = await backUpModel(server, repository, { address });
    assert.deepEqual([...model.keys.keys()], ['2:a']);
  });
});
