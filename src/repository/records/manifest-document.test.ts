import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStorage } from '../../../test/fakes/memory-storage.ts';
import { writeSampleBackup } from '../../../test/fakes/sample-backup.ts';
import { openRepository } from '../repository.ts';
import { encodeManifest, parseManifest } from './manifest-document.ts';
import type { Manifest, ReadingFacts } from './manifest.ts';

test('parseManifest keeps how a shard was read, and no scanned shard in an instant', async () => {
  const repository = await openRepository(new MemoryStorage(), { mode: 'write' });
  const manifest = await writeSampleBackup(repository);
  const { source, id: backup } = manifest;
  const place = { object: 'm', repository: repository.id, source, backup };
  const parse = (reading: object | undefined, consistency: Manifest['consistency']) => {
    const shards = manifest.shards.map((shard) =>
      reading === undefined ? shard : { ...shard, reading: reading as ReadingFacts },
    );
    const read = parseManifest(encodeManifest({ ...manifest, shards, consistency }), place);
    return read.shards[0]?.reading;
  };
  const none = { why: null, vanished: 0, changed: 0, duplicates: 0 };
  const scan = { mode: 'scan', why: 'NOPERM', vanished: 3, changed: 1, duplicates: 2 };
  assert.equal(parse(undefined, 'point-in-time'), undefined);
  assert.deepEqual(parse({ mode: 'psync', ...none }, 'point-in-time'), { mode: 'psync', ...none });
  assert.deepEqual(parse(scan, 'fuzzy'), scan);
  for (const bad of [{ ...scan, mode: 'guess' }, { ...scan, vanished: -1 }, { mode: 'scan' }]) {
    assert.throws(() => parse(bad, 'fuzzy'), { code: 'REPOSITORY_CORRUPT' });
  }
  assert.throws(() => parse(scan, 'point-in-time'), { code: 'REPOSITORY_CORRUPT' });
});
