import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sampleFacts } from '../../../test/fakes/sample-backup.ts';
import { isCoded } from '../../base/index.ts';
import type { Manifest, ShardFacts } from '../../repository/index.ts';
import { parseExportTarget, sourceTarget, targetForSource } from './export-target.ts';

/** A manifest of which only the shards matter. */
function manifestOf(...servers: (readonly [string, string | null, number?])[]): Manifest {
  const [model] = sampleFacts([], ['00000']).shards as [ShardFacts];
  const shards = servers.map(([family, version, rdb = 10]) => ({
    ...model,
    server: { family, version, runId: null },
    rdb: { version: rdb, checksum: 'verified' as const, bytes: 1 },
  }));
  return { ...sampleFacts([], []), shards } as unknown as Manifest;
}

describe('parseExportTarget', () => {
  test('reads servers and formats', () => {
    const read = (text: string) => {
      const { family, version, number, format } = parseExportTarget(text);
      return [family, version, number, format.rdbVersion];
    };
    assert.deepEqual(read('redis-7.0'), ['redis', '7.0.0', 70099, 10]);
    assert.deepEqual(read('redis-7.0.15'), ['redis', '7.0.15', 70015, 10]);
    assert.deepEqual(read('Redis-8.10'), ['redis', '8.10.0', 81099, 15]);
    assert.deepEqual(read('valkey-8.1'), ['valkey', '8.1.0', 80199, 11]);
    assert.deepEqual(read('valkey-9.0.1'), ['valkey', '9.0.1', 90001, 80]);
    assert.deepEqual(read('keydb-6.3'), ['keydb', '6.3.0', 60399, 9]);
    assert.deepEqual(read('rdb:12'), ['redis', '7.4.0', 70400, 12]);
    assert.deepEqual(read('rdb:80'), ['valkey', '9.0.0', 90000, 80]);
  });

  test('refuses what no server is', () => {
    const bad = ['', 'redis', 'redis-7', 'valkey-7.0', 'redis-2.4', 'rdb:5', 'rdb:16', 'rdb:79'];
    for (const text of [...bad, 'dragonfly-1.0', 'redis-7.0.x', ' redis-7.0']) {
      assert.throws(
        () => parseExportTarget(text),
        (error) => isCoded(error, 'USAGE'),
        text,
      );
    }
  });
});

describe('sourceTarget', () => {
  test('is the server of the backup, the newest of several', () => {
    assert.equal(sourceTarget(manifestOf(['redis', '7.2.6'])).number, 70206);
    const mixed = manifestOf(['valkey', '8.0.1'], ['valkey', '9.0.0'], ['valkey', '8.1.0']);
    assert.equal(sourceTarget(mixed).version, '9.0.0');
  });

  test('goes by the version of the RDB where the server is not known', () => {
    assert.equal(sourceTarget(manifestOf(['redis', null, 9])).version, '5.0.0');
    assert.throws(
      () => sourceTarget(manifestOf(['unknown', null])),
      (error) => isCoded(error, 'USAGE') && error.hint.includes('--for'),
    );
  });
});

describe('targetForSource', () => {
  test('knows that Redis 8.0.2 cannot read the vector sets of later ones', () => {
    const old = parseExportTarget('redis-8.0.2');
    const has = (source: string, target = old) =>
      targetForSource(target, manifestOf(['redis', source])).format.vectorSets;
    assert.equal(has('8.0.2'), true);
    assert.equal(has('8.0.3'), false);
    assert.equal(has('8.6.3'), false);
    assert.equal(has('8.6.3', parseExportTarget('redis-8.0')), true);
  });
});
