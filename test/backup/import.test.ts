import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { importRdb } from '../../src/backup/index.ts';
import { openRepository, readManifest } from '../../src/repository/index.ts';
import { verifyBackup } from '../../src/verify/index.ts';
import { MemoryStorage } from '../fakes/memory-storage.ts';
import { relics } from '../support/relic-builder.ts';
import { diffModels, loadRdb, loadTruth, truthNames } from '../support/truth.ts';
import { sortedLines, storedLines, storedModel } from './stored-lines.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-import-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(name: string): string {
  const path = join(folder, `${name}.rdb`);
  writeFileSync(path, loadRdb(name));
  return path;
}

async function memoryRepository() {
  return await openRepository(new MemoryStorage(), { mode: 'write' });
}

describe('importRdb', () => {
  for (const name of truthNames().filter((fixture) => !/\.(lru|lfu)$/.test(fixture))) {
    test(`makes a backup of ${name} that holds its ground truth`, async () => {
      const repository = await memoryRepository();
      const truth = loadTruth(name);
      const report = await importRdb({
        repository,
        sourceName: name,
        files: [fileOf(name)],
        workers: 1,
      });
      const { manifest } = report;
      const model = await storedModel(repository, manifest);
      assert.deepEqual(diffModels(truth.model, model), []);
      assert.deepEqual(await readManifest(repository, report.source.id, manifest.id), manifest);
      const [shard] = manifest.shards;
      assert.equal(shard?.rdb?.checksum, name.endsWith('nocomp') ? 'off' : 'verified');
      assert.equal(shard?.server.family, truth.family);
      assert.ok(shard?.server.version?.startsWith(truth.version.slice(0, 2).join('.')));
      assert.equal(report.notices.length, name.endsWith('nocomp') ? 1 : 0);
      assert.equal(manifest.totals.keys, truth.model.keys.size);
      const counted = manifest.databases.reduce((sum, { keys }) => sum + keys, 0);
      assert.equal(counted, truth.model.keys.size);
    });
  }

  test('keeps what relics hold, and counts what cannot be expressed', async () => {
    for (const relic of relics()) {
      const path = join(folder, 'relic.rdb');
      writeFileSync(path, relic.file);
      const repository = await memoryRepository();
      const report = await importRdb({
        repository,
        sourceName: 'relic',
        files: [path],
        workers: 1,
      });
      const model = await storedModel(repository, report.manifest);
      assert.equal(model.keys.size, relic.keys.length, relic.name);
      const lossy = relic.name.includes('member expiries') ? { 'keydb-member-expiry': 1 } : {};
      assert.deepEqual(report.manifest.lossy, lossy, relic.name);
    }
  });

  test('reads standard input', async () => {
    const repository = await memoryRepository();
    const rdb = loadRdb('redis-8.6.3');
    const pieces = [0, 1, 9, 5000, 5001, rdb.length].map((at) => at);
    const stdin = Readable.from(
      pieces.slice(1).map((to, i) => rdb.subarray(pieces[i], to)),
      { objectMode: false },
    );
    const report = await importRdb({ repository, sourceName: 'x', files: ['-'], stdin });
    const model = await storedModel(repository, report.manifest);
    assert.deepEqual(diffModels(loadTruth('redis-8.6.3').model, model), []);
    assert.equal(report.receivedBytes, rdb.length);
  });

  test('makes several files the shards of one backup', async () => {
    const names = ['redis-7.0.15.cluster', 'redis-7.2.6.lru', 'valkey-9.1.2.cluster'];
    const repository = await memoryRepository();
    const report = await importRdb({ repository, sourceName: 'x', files: names.map(fileOf) });
    const { manifest } = report;
    assert.deepEqual(
      manifest.shards.map(({ shard }) => shard),
      ['00000', '00001', '00002'],
    );
    let keys = 0;
    for (const [i, name] of names.entries()) {
      const files = manifest.files.filter(({ shard }) => shard === manifest.shards[i]?.shard);
      const truth = loadTruth(name);
      const model = await storedModel(repository, { ...manifest, files });
      assert.deepEqual(diffModels(truth.model, model), [], name);
      keys += truth.model.keys.size;
    }
    assert.equal(manifest.totals.keys, keys);
    assert.equal(
      manifest.databases.reduce((sum, facts) => sum + facts.keys, 0),
      keys,
    );
  });

  test('gives the same lines with one worker and with two', async () => {
    const repository = await memoryRepository();
    const files = [fileOf('valkey-9.1.2')];
    const lines: string[][] = [];
    for (const workers of [1, 2]) {
      const report = await importRdb({ repository, sourceName: 'x', files, workers });
      lines.push(sortedLines(await storedLines(repository, report.manifest, 'entries')));
    }
    assert.ok((lines[0]?.length ?? 0) > 100);
    assert.deepEqual(lines[0], lines[1]);
  });

  test('makes backups in which verification finds nothing', async () => {
    const repository = await memoryRepository();
    const files = [fileOf('redis-8.6.3'), fileOf('redis-4.0.14')];
    const report = await importRdb({ repository, sourceName: 'x', files });
    const verified = await verifyBackup(repository, report.source.id, report.id, {});
    assert.deepEqual(verified.findings, []);
  });
});
