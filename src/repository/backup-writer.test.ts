import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryStorage } from '../../test/fakes/memory-storage.ts';
import {
  SAMPLE_KEYS,
  sampleFacts,
  smallBlock,
  writeSampleBackup,
} from '../../test/fakes/sample-backup.ts';
import {
  BackupWriter,
  ensureSource,
  findBackup,
  listBackups,
  openDataFile,
  openRepository,
  readInstanceRecord,
  readManifest,
  type Repository,
} from './index.ts';
import { encodeDocument } from './records/document.ts';
import { encodeManifest, parseManifest } from './records/manifest-document.ts';
import type { Manifest } from './records/manifest.ts';

async function opened() {
  const storage = new MemoryStorage();
  const repository = await openRepository(storage, { mode: 'write', writerVersion: '1.2.3' });
  return { storage, repository };
}

function namesOf(storage: MemoryStorage, part: string): string[] {
  return [...storage.objects.keys()].filter((name) => name.includes(part));
}

async function begun(repository: Repository) {
  const source = await ensureSource(repository, {
    name: 's',
    kind: 'standalone',
    marks: ['run:1'],
  });
  return await BackupWriter.begin(repository, source.id);
}

describe('BackupWriter', () => {
  test('commits what readManifest reads back', async () => {
    const { storage, repository } = await opened();
    const manifest = await writeSampleBackup(repository);
    assert.deepEqual(await readManifest(repository, manifest.source, manifest.id), manifest);
    assert.equal(manifest.totals.keys, SAMPLE_KEYS.length + 1);
    assert.deepEqual(
      manifest.files.map((file) => [file.shard, file.sequence]),
      [
        ['00000', 1],
        ['00000', 0],
        ['08192', 1],
      ],
    );
    assert.equal(manifest.writer.version, '1.2.3');
    assert.deepEqual(namesOf(storage, '/begun/'), [], 'the heartbeat has ended');
    const instance = manifest.files.find((file) => file.kind === 'instance')!;
    const lines: unknown[] = [];
    for await (const line of readInstanceRecord(repository, instance)) lines.push(line);
    assert.deepEqual(lines, [{ type: 'info', value: '# Server' }]);
  });

  test('names the backup before it as its predecessor', async () => {
    const { repository } = await opened();
    const first = await writeSampleBackup(repository);
    const second = await writeSampleBackup(repository);
    const third = await writeSampleBackup(repository);
    assert.equal(first.predecessor, null);
    assert.equal(second.predecessor?.id, first.id);
    const listed = await listBackups(repository, first.source);
    assert.deepEqual(
      listed.map((backup) => backup.id),
      // Begun within one second, and in order all the same.
      [first.id, second.id, third.id],
    );
  });

  test('lists nothing before commit and leaves nothing after abort', async () => {
    const { storage, repository } = await opened();
    const writer = await begun(repository);
    assert.equal(namesOf(storage, '/begun/').length, 1);
    await writer.shard('00000').append(smallBlock([{ db: 0, key: 'a' }]));
    await writer.shard('00000').close();
    await writer.writeInstance('00000', [{ type: 'info' }]);
    await writer.shard('00001').append(smallBlock([{ db: 0, key: 'b' }]));
    assert.equal(namesOf(storage, '/data/').length, 2);
    assert.deepEqual(await listBackups(repository, writer.source), []);
    await writer.abort();
    await writer.abort();
    assert.deepEqual(namesOf(storage, '/data/'), []);
    assert.deepEqual(namesOf(storage, '/begun/'), []);
  });

  test('refuses as a bug facts that do not agree with the files', async () => {
    const { repository } = await opened();
    const writer = await begun(repository);
    await writer.shard('00000').append(smallBlock([{ db: 0, key: 'a' }]));
    const facts = sampleFacts(
      [
        { db: 0, key: 'a' },
        { db: 1, key: 'b' },
      ],
      ['00000'],
    );
    await assert.rejects(writer.commit(facts), /Bug in Tidemark: an inconsistent manifest/);
    await writer.abort();
    assert.deepEqual(await listBackups(repository, writer.source), []);
  });

  test('renews its heartbeat and keeps one member', async (t) => {
    const { storage, repository } = await opened();
    const source = await ensureSource(repository, { name: 's', kind: 'standalone', marks: [] });
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const writer = await BackupWriter.begin(repository, source.id, { heartbeatMs: 1000 });
    for (const beat of ['00000002', '00000003']) {
      t.mock.timers.tick(1000);
      for (let i = 0; i < 1000 && !namesOf(storage, '/begun/')[0].includes(beat); i++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
      const left = namesOf(storage, '/begun/');
      assert.deepEqual(
        left.map((name) => name.slice(-13)),
        [`${beat}.json`],
      );
    }
    await writer.abort();
  });

  test('an empty source makes a backup without entries', async () => {
    const { repository } = await opened();
    const writer = await begun(repository);
    const manifest = await writer.commit(sampleFacts([], ['00000']));
    assert.equal(manifest.files.length, 0);
    assert.deepEqual(await readManifest(repository, writer.source, writer.id), manifest);
  });
});

describe('findBackup', () => {
  test('takes an id, a unique beginning, latest, or one before these', async () => {
    const { storage, repository } = await opened();
    const { id, source } = await writeSampleBackup(repository);
    const folder = `sources/${source}/backups/`;
    const manifest = storage.objects.get(`${folder}${id}.json`)!;
    const others = [
      '20250101t000000z-aaaaaa',
      '20250101t000000z-aabbbb',
      '20991231t000000z-cccccc',
    ];
    for (const other of others) storage.objects.set(`${folder}${other}.json`, manifest);
    const idOf = async (wanted: string) => (await findBackup(repository, source, wanted)).id;
    assert.equal(await idOf(id), id);
    assert.equal(await idOf(id.slice(0, 12)), id);
    assert.equal(await idOf('latest'), others[2]);
    assert.equal(await idOf('20250101T000000Z-AAB'), others[1]);
    await assert.rejects(idOf('2025'), /aaaaaa, 20250101t000000z-aabbbb/);
    await assert.rejects(idOf('2025'), { code: 'BACKUP_AMBIGUOUS' });
    assert.equal(await idOf('latest~0'), others[2]);
    assert.equal(await idOf('latest~1'), id);
    assert.equal(await idOf(`${id.slice(0, 12)}~1`), others[1]);
    await assert.rejects(idOf('latest~4'), /'latest~4' of .*cccccc has 3 before it/);
    for (const none of ['1999', '', '~1', 'latest~', 'latest~x', 'latest~4']) {
      await assert.rejects(idOf(none), { code: 'BACKUP_NOT_FOUND' });
    }
    await storage.put(`sources/${source}/deleted/${others[2]}.json`, Buffer.of(1));
    assert.equal(await idOf('latest'), id, 'a tombstone unlists at once');
    await assert.rejects(readManifest(repository, source, others[0]), {
      code: 'REPOSITORY_CORRUPT',
    });
  });
});

describe('openDataFile', () => {
  test('reads every file of a manifest', async () => {
    const { storage, repository } = await opened();
    const manifest = await writeSampleBackup(repository);
    for (const file of manifest.files) {
      const reader = await openDataFile(storage, file);
      assert.equal(reader.blocks.length, file.blocks);
    }
  });
});

describe('parseManifest', () => {
  async function sample() {
    const { repository } = await opened();
    const manifest = await writeSampleBackup(repository);
    const { source, id: backup } = manifest;
    const place = { object: 'm', repository: repository.id, source, backup };
    return { manifest, place };
  }

  test('rejects a flip of any byte', async () => {
    const { manifest, place } = await sample();
    const bytes = encodeManifest(manifest);
    for (let at = 0; at < bytes.length; at += 3) {
      const flipped = Buffer.from(bytes);
      flipped[at] ^= 1 << (at & 7);
      assert.throws(() => parseManifest(flipped, place), { code: 'REPOSITORY_CORRUPT' });
    }
  });

  test('rejects members that are missing, wrong or inconsistent, digest and all', async () => {
    const { manifest, place } = await sample();
    const file = manifest.files[0];
    const changed = (change: Partial<Record<keyof Manifest, unknown>>) =>
      parseManifest(encodeDocument('tidemark-manifest', { ...manifest, ...change }), place);
    assert.deepEqual(changed({}), manifest);
    const withFile = (change: object) => ({
      files: [{ ...file, ...change }, ...manifest.files.slice(1)],
    });
    const bad: Partial<Record<keyof Manifest, unknown>>[] = [
      { id: '20251122t123000z-7f3a2c' },
      { source: 'x-abc123' },
      { repository: '1'.repeat(32) },
      { files: manifest.files.slice(1) },
      { files: [...manifest.files, file] },
      { databases: manifest.databases.toReversed() },
      { slotRanges: 0 },
      { slotRanges: 17 },
      { startedAt: '2026-13-22T12:30:00.000Z' },
      { startedAt: '2027-01-01T00:00:00.000Z' },
      { snapshotAt: 5 },
      { parents: ['../x'] },
      { shards: [] },
      { totals: { ...manifest.totals, keys: -1 } },
      { totals: { ...manifest.totals, storedBytes: 2 ** 60 } },
      { lossy: { reason: 1.5 } },
      { labels: ['a'] },
      { predecessor: { id: 'x', digest: 'y' } },
      withFile({ name: 'repository.json' }),
      withFile({ name: file.name.replace(manifest.source, 'other-abc123') }),
      withFile({ sequence: 2 }),
      withFile({ size: file.size + 1 }),
      withFile({ size: 2 ** 40 }),
      withFile({ digest: 'sha256:xyz' }),
      withFile({ cipher: 'aes-256-gcm' }),
      withFile({ codec: 'lz4' }),
      withFile({ entries: file.entries + 1 }),
      withFile({ directory: { ...file.directory, offset: -1 } }),
    ];
    for (const change of bad) {
      const shown = JSON.stringify(change).slice(0, 200);
      assert.throws(() => changed(change), { code: 'REPOSITORY_CORRUPT' }, shown);
    }
    for (const name of Object.keys(manifest)) {
      assert.throws(() => changed({ [name]: undefined }), { code: 'REPOSITORY_CORRUPT' }, name);
    }
  });

  test('refuses by name what a newer version requires', async () => {
    const { manifest, place } = await sample();
    const bytes = encodeManifest({ ...manifest, requires: ['sealed'] });
    assert.throws(() => parseManifest(bytes, place), /requires "sealed"/);
    assert.throws(() => parseManifest(bytes, place), { code: 'REPOSITORY_UNSUPPORTED' });
  });
});
