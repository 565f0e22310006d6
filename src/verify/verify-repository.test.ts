import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryStorage } from '../../test/fakes/memory-storage.ts';
import { writeSampleBackup } from '../../test/fakes/sample-backup.ts';
import { findSource, openRepository } from '../repository/index.ts';
import { verifyRepository } from './index.ts';

describe('verifyRepository', () => {
  test('verifies every backup and their order', async () => {
    const storage = new MemoryStorage();
    const repository = await openRepository(storage, { mode: 'write' });
    const manifest = await writeSampleBackup(repository);
    const second = await writeSampleBackup(repository);
    const report = await verifyRepository(repository);
    assert.equal(report.backups.length, 2);
    assert.deepEqual(report.findings, []);
    assert.deepEqual(
      report.backups.flatMap((backup) => backup.findings),
      [],
    );
    const name = (id: string) => `sources/${manifest.source}/backups/${id}.json`;
    const changed = storage.copy();
    changed.objects.get(name(manifest.id))!.bytes = Buffer.from('{}');
    const reader = await openRepository(changed, { mode: 'read' });
    const found = await verifyRepository(reader, { source: manifest.source });
    assert.deepEqual(
      found.findings.map((finding) => finding.code),
      ['predecessor-changed'],
    );
    changed.objects.delete(name(manifest.id));
    const pruned = await verifyRepository(reader);
    assert.deepEqual(pruned.findings, [], 'a predecessor may be pruned');
    assert.deepEqual(
      pruned.backups.map((backup) => backup.backup),
      [second.id],
    );
  });

  test('verifies on where a source is damaged, which is found by its id', async () => {
    const storage = new MemoryStorage();
    const repository = await openRepository(storage, { mode: 'write' });
    const first = await writeSampleBackup(repository, 'first');
    const second = await writeSampleBackup(repository, 'second');
    storage.objects.get(`sources/${first.source}/source.json`)!.bytes[40] ^= 1;
    const report = await verifyRepository(repository);
    assert.deepEqual(
      report.findings.map((finding) => finding.code),
      ['source-corrupt'],
    );
    assert.equal(report.backups.length, 2);
    assert.equal((await findSource(repository, second.source)).name, 'second');
    await assert.rejects(findSource(repository, 'second'), { code: 'REPOSITORY_CORRUPT' });
  });
});
