import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type BackupRequest, backUp } from '../../src/backup/index.ts';
import { isCoded } from '../../src/base/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { openRepository, type Repository } from '../../src/repository/index.ts';
import { MemoryStorage } from '../fakes/memory-storage.ts';
import { fillServer } from '../support/data-shapes.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import {
  findServer,
  isAtLeast,
  notRun,
  type RunningServer,
  SERVER_NAMES,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { diffModels } from '../support/truth.ts';
import { WriteLoad } from '../support/write-load.ts';
import { storedModel } from './stored-lines.ts';

/** Everything but the smallest keys in parts, of a few elements each. */
const IN_PARTS = { bytes: 200, elements: 3, partBytes: 32 << 10 };
const OLD_EXPIRY_TOLERANCE_MS = 100;

async function memoryRepository(): Promise<Repository> {
  return await openRepository(new MemoryStorage(), { mode: 'write' });
}

async function backUpModel(server: RunningServer, request: Partial<BackupRequest> = {}) {
  const repository = request.repository ?? (await memoryRepository());
  const address = parseAddress(server.url);
  const report = await backUp({ repository, address, sourceName: 'test', ...request });
  return { report, model: await storedModel(repository, report.manifest) };
}

function readingOf({ report }: Awaited<ReturnType<typeof backUpModel>>) {
  return report.manifest.shards[0]?.reading;
}

for (const name of SERVER_NAMES) {
  describe(`a backup of ${name} by SCAN`, () => {
    test('holds what the backup by PSYNC holds, also with keys read in parts', async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      await using server = await startServer(binary);
      await fillServer(server.url, { seed: 21, bulkKeys: 1000 });
      const expiryToleranceMs = isAtLeast(binary, 7) ? 0 : OLD_EXPIRY_TOLERANCE_MS;
      const options = { times: 'exact', access: false, expiryToleranceMs } as const;
      const psync = await backUpModel(server, { mode: 'psync' });
      assert.equal(psync.report.manifest.consistency, 'point-in-time');
      assert.equal(readingOf(psync)?.mode, 'psync');

      const whole = await backUpModel(server, { mode: 'scan' });
      assert.deepEqual(diffModels(psync.model, whole.model, options), []);
      const { manifest } = whole.report;
      assert.equal(manifest.consistency, 'fuzzy');
      const none = { vanished: 0, changed: 0, duplicates: 0 };
      assert.deepEqual(readingOf(whole), { mode: 'scan', why: null, ...none });
      assert.equal(manifest.shards[0]?.replication, null);
      assert.deepEqual(manifest.lossy, {});
      const { databases } = psync.report.manifest;
      assert.deepEqual(manifest.databases, databases);

      const parts = await backUpModel(server, { mode: 'scan', threads: 3, bigKeys: IN_PARTS });
      assert.deepEqual(diffModels(psync.model, parts.model, options), []);
      assert.deepEqual(parts.report.manifest.databases, databases);
    });

    test('under write load holds every untouched key exactly, and each key once', async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      await using server = await startServer(binary);
      await fillServer(server.url, { seed: 22, bulkKeys: 5000, big: false });
      const before = await backUpModel(server, { mode: 'psync' });
      const load = await WriteLoad.start(server.url, { operationsPerSecond: 2000 });
      try {
        await load.reached(500);
        const expiryToleranceMs = isAtLeast(binary, 7) ? 0 : OLD_EXPIRY_TOLERANCE_MS;
        const during = await backUpModel(server, { mode: 'scan' });
        const own = new Set(load.ownKeys(during.model).keys.keys());
        const rest = new Map([...during.model.keys].filter(([id]) => !own.has(id)));
        const model = { ...during.model, keys: rest };
        const options = { times: 'exact', access: false, expiryToleranceMs } as const;
        assert.deepEqual(diffModels(before.model, model, options), []);
        assert.ok(own.size > 0, 'the load wrote keys');
        assert.equal(during.report.manifest.totals.keys, during.model.keys.size);
      } finally {
        await load.stop();
      }
    });
  });
}

describe('the mode auto', () => {
  const name = 'redis-7.0';
  const rights = '~* +@read +@transaction +select +time +info';

  test('reads by SCAN, says so and records it where the user may not PSYNC', async (t) => {
    const binary = findServer(name);
    if (binary === undefined) return notRun(t, name, whyMissing(name));
    const aclFile = `user default on nopass ~* &* +@all\nuser eve on >pw ${rights}\n`;
    await using server = await startServer(binary, { aclFile });
    await fillServer(server.url, { seed: 23, bulkKeys: 100, big: false });
    const address = parseAddress(server.url.replace('//', '//eve:pw@'));
    const told: string[] = [];
    const scanned = await backUpModel(server, { address, onNotice: (text) => told.push(text) });
    const psync = await backUpModel(server);
    assert.equal(readingOf(psync)?.mode, 'psync');
    assert.deepEqual(
      diffModels(psync.model, scanned.model, { access: false, functions: false }),
      [],
    );
    const reading = readingOf(scanned);
    assert.equal(reading?.mode, 'scan');
    assert.match(reading?.why ?? '', /NOPERM/);
    assert.ok(told.some((text) => /with SCAN instead/.test(text)));
    assert.ok(told.some((text) => /no right to FUNCTION LIST/.test(text)));

    const insisting = backUpModel(server, { address, mode: 'psync' });
    await assert.rejects(insisting, (error) => {
      assert.ok(isCoded(error, 'PSYNC_FORBIDDEN'));
      for (const way of ['ACL SETUSER eve +psync', '--mode scan', 'import']) {
        assert.ok(error.hint.includes(way), way);
      }
      return true;
    });
  });

  test('reads by SCAN where PSYNC was renamed', async (t) => {
    const binary = findServer(name);
    if (binary === undefined) return notRun(t, name, whyMissing(name));
    await using server = await startServer(binary, { config: { 'rename-command': 'PSYNC ""' } });
    await fillServer(server.url, { seed: 24, bulkKeys: 10, big: false });
    const scanned = await backUpModel(server);
    assert.equal(readingOf(scanned)?.mode, 'scan');
    assert.ok(scanned.model.keys.size > 100);
  });

  test('names both ways out where the user may neither PSYNC nor DUMP', async (t) => {
    const binary = findServer(name);
    if (binary === undefined) return notRun(t, name, whyMissing(name));
    const aclFile = 'user default on nopass ~* &* +@all\nuser eve on >pw ~* +info +scan\n';
    await using server = await startServer(binary, { aclFile });
    const address = parseAddress(server.url.replace('//', '//eve:pw@'));
    const repository = await memoryRepository();
    await assert.rejects(backUpModel(server, { address, repository }), (error) => {
      assert.ok(isCoded(error, 'PSYNC_FORBIDDEN'));
      assert.match(error.message, /DUMP/);
      assert.match(error.hint, /\+psync.*\+@read/);
      return true;
    });
    await assert.rejects(
      backUpModel(server, { address, repository, mode: 'scan' }),
      (error) => isCoded(error, 'NOPERM') && error.hint.includes('ACL SETUSER eve ~* +@read'),
    );
  });

  test('does not fall to SCAN when a server only cannot serve a replica now', async (t) => {
    const binary = findServer(name);
    if (binary === undefined) return notRun(t, name, whyMissing(name));
    await using server = await startServer(binary, { config: { replicaof: '127.0.0.1 1' } });
    const act = backUpModel(server, { deadlines: { retryMs: 100, retryDelayMs: 10 } });
    await assert.rejects(act, (error) => isCoded(error, 'PSYNC_REFUSED'));
  });
});

describe('a selection by SCAN', () => {
  test('holds what the same selection by PSYNC holds', async (t) => {
    const name = 'redis-7.0';
    const binary = findServer(name);
    if (binary === undefined) return notRun(t, name, whyMissing(name));
    await using server = await startServer(binary);
    await fillServer(server.url, { seed: 25, bulkKeys: 200, big: false });
    const bytes = (...texts: string[]) => texts.map((text) => Buffer.from(text));
    const selections = [
      { databases: [3, 15] },
      { databases: [7] },
      { keys: bytes('hash:size:2', 'nothing', 'hash:size:2') },
      { keys: bytes('hash:size:2'), match: bytes('list:*') },
      { match: bytes('hash:*'), exclude: bytes('*:2') },
      { match: bytes('hash:*', 'list:*') },
      { types: ['zset'] },
      { types: ['zset', 'stream'] },
      { databases: [0], types: ['hash'], match: bytes('*size*'), exclude: bytes('*2*') },
    ] as const;
    for (const selection of selections) {
      const psync = await backUpModel(server, { mode: 'psync', selection });
      const scanned = await backUpModel(server, { mode: 'scan', selection });
      const what = JSON.stringify(selection);
      assert.deepEqual(diffModels(psync.model, scanned.model, { access: false }), [], what);
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
    const address = parseAddress(`${server.url}/2`);
    const { model } = await backUpModel(server, { address, mode: 'scan' });
    assert.deepEqual([...model.keys.keys()], ['2:a']);
  });
});
