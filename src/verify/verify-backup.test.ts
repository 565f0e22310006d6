import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FaultyStorage } from '../../test/fakes/faulty-storage.ts';
import { MemoryStorage } from '../../test/fakes/memory-storage.ts';
import {
  bigBlocks,
  SAMPLE_KEYS,
  sampleBlocks,
  sampleFacts,
  smallBlock,
  writeSampleBackup,
} from '../../test/fakes/sample-backup.ts';
import {
  filterOf,
  BackupWriter,
  type DataBlock,
  ensureSource,
  type Manifest,
  openRepository,
  sealBlock,
} from '../repository/index.ts';
import { FINDINGS, type FindingCode, verifyBackup } from './index.ts';

async function sample() {
  const storage = new MemoryStorage();
  const repository = await openRepository(storage, { mode: 'write' });
  const manifest = await writeSampleBackup(repository);
  return { storage, manifest, repository };
}

async function codesOf(storage: MemoryStorage | FaultyStorage, manifest: Manifest) {
  const repository = await openRepository(storage, { mode: 'read' });
  const report = await verifyBackup(repository, manifest.source, manifest.id);
  return report.findings.map((finding) => finding.code);
}

/** Verifies a backup of one file whose blocks are as given, right or wrong. */
async function codesOfBlocks(blocks: readonly DataBlock[]): Promise<FindingCode[]> {
  const storage = new MemoryStorage();
  const repository = await openRepository(storage, { mode: 'write' });
  const { id } = await ensureSource(repository, { name: 's', kind: 'standalone', marks: [] });
  const writer = await BackupWriter.begin(repository, id, { slotRanges: 4 });
  for (const block of blocks) await writer.shard('00000').append(block);
  const keys = blocks.reduce((sum, block) => sum + block.entries, 0);
  const facts = sampleFacts([], ['00000']);
  const databases = [{ db: 0, keys, expiring: 0, expired: 0, types: { string: keys } }];
  return await codesOf(storage, await writer.commit({ ...facts, databases }));
}

describe('verifyBackup', () => {
  test('finds nothing in a good backup and says what it read', async () => {
    const { repository, manifest } = await sample();
    let last;
    const onProgress = (progress: unknown) => {
      last = progress;
    };
    const report = await verifyBackup(repository, manifest.source, manifest.id, { onProgress });
    assert.deepEqual(report.findings, []);
    assert.equal(report.entries, SAMPLE_KEYS.length + 1);
    assert.equal(report.bytes, manifest.totals.storedBytes);
    assert.deepEqual(last, {
      backup: manifest.id,
      filesDone: 3,
      files: 3,
      bytesDone: manifest.totals.storedBytes,
      bytes: manifest.totals.storedBytes,
    });
  });

  test('finds a flip of any byte of any file, and which file', async () => {
    const { storage, manifest } = await sample();
    for (const file of manifest.files) {
      for (let at = 0; at < file.size; at += 7) {
        const damaged = storage.copy();
        const held = damaged.objects.get(file.name)!;
        held.bytes = Buffer.from(held.bytes);
        held.bytes[at] ^= 1 << (at & 7);
        const repository = await openRepository(damaged, { mode: 'read' });
        const report = await verifyBackup(repository, manifest.source, manifest.id);
        const found = report.findings.filter((finding) => finding.object === file.name);
        assert.ok(
          found.some((finding) => finding.code === 'file-digest'),
          `${file.name} at ${at}`,
        );
        assert.equal(found.length, report.findings.length);
      }
    }
  });

  test('finds every cut of a file', async () => {
    const { storage, manifest } = await sample();
    const [file] = manifest.files;
    for (const size of [0, 1, 11, 12, 100, file.directory.offset, file.size - 1]) {
      const damaged = storage.copy();
      const held = damaged.objects.get(file.name)!;
      held.bytes = held.bytes.subarray(0, size);
      assert.ok((await codesOf(damaged, manifest)).includes('file-size'));
    }
    const longer = storage.copy();
    const held = longer.objects.get(file.name)!;
    held.bytes = Buffer.concat([held.bytes, Buffer.of(0)]);
    assert.deepEqual(await codesOf(longer, manifest), ['file-size']);
  });

  test('goes on after the first damage', async () => {
    const { storage, manifest } = await sample();
    const [first, second, third] = manifest.files;
    storage.objects.delete(first.name);
    storage.objects.get(third.name)!.bytes[second.size >> 1] ^= 1;
    const codes = await codesOf(storage, manifest);
    assert.ok(codes.includes('file-missing') && codes.includes('file-digest'));
  });

  test('finds missing, damaged and unknown manifests', async () => {
    const { storage, manifest } = await sample();
    const name = `sources/${manifest.source}/backups/${manifest.id}.json`;
    storage.objects.get(name)!.bytes[100] ^= 1;
    assert.deepEqual(await codesOf(storage, manifest), ['manifest-corrupt']);
    storage.objects.delete(name);
    assert.deepEqual(await codesOf(storage, manifest), ['manifest-missing']);
  });

  test('reports a storage that fails and rejects when aborted', async () => {
    const { storage, manifest, repository } = await sample();
    const failing = new FaultyStorage(storage, ({ name }) =>
      name.includes('/data/') ? { kind: 'fail' } : undefined,
    );
    const expected = manifest.files.map(() => 'file-unreadable');
    assert.deepEqual(await codesOf(failing, manifest), expected);
    const reason = new Error('stop');
    const signal = AbortSignal.abort(reason);
    const { source, id } = manifest;
    await assert.rejects(verifyBackup(repository, source, id, {}, signal), reason);
  });

  test('compares the lines of a block with its directory', async () => {
    const good = smallBlock([{ db: 0, key: 'a' }], 4);
    const other = (good.range + 1) % 4;
    const lines = (text: string) => sealBlock(Buffer.from(text));
    const cases: readonly (readonly [FindingCode, readonly DataBlock[]])[] = [
      ['block-entries', [{ ...good, entries: 2 }]],
      ['block-database', [{ ...good, db: 1 }]],
      ['block-range', [{ ...good, range: other }]],
      ['filter-incomplete', [{ ...good, filter: filterOf(Uint32Array.of(1)) }]],
      ['block-lines', [{ ...good, ...lines('{"db":0,"key":"a","type":"string","value":"v"}') }]],
      ['block-lines', [{ ...good, ...lines('no lines at all\n') }]],
      ['block-lines', [{ ...good, ...lines('{"db":0,"key":"a","type":"string"}\n') }]],
      ['block-corrupt', [{ ...good, rawLength: good.rawLength + 1 }]],
      ['block-parts', bigBlocks({ db: 0, key: 'b', parts: 3 }, 4).slice(0, 2)],
      ['block-parts', bigBlocks({ db: 0, key: 'b', parts: 3 }, 4).slice(1)],
    ];
    assert.deepEqual(await codesOfBlocks([good]), []);
    for (const [code, blocks] of cases) {
      const found = await codesOfBlocks(blocks);
      assert.ok(found.includes(code), `${code} in ${found.join()}`);
      assert.ok(code in FINDINGS);
    }
    const parts = bigBlocks({ db: 0, key: 'b', parts: 4 }, 4);
    const gap = [parts[0], parts[1], parts[3]];
    assert.deepEqual(await codesOfBlocks(gap), ['block-parts']);
    assert.deepEqual(await codesOfBlocks(parts), []);
  });

  test('follows a big key from one file into the next', async () => {
    const blocks = sampleBlocks([{ db: 0, key: 'b', parts: 3 }], 4);
    assert.deepEqual(await codesOfBlocks(blocks), []);
  });
});
