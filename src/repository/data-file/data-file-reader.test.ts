import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { FaultyStorage } from '../../../test/fakes/faulty-storage.ts';
import { MemoryStorage } from '../../../test/fakes/memory-storage.ts';
import { resealed } from '../../../test/fakes/resealed-file.ts';
import {
  SAMPLE_KEYS,
  sampleBlocks,
  type SampleKey,
  smallBlock,
} from '../../../test/fakes/sample-backup.ts';
import { HEADER, NAME, writeDataFile } from '../../../test/fakes/sample-data-file.ts';
import { isCoded } from '../../base/index.ts';
import type { DataFileRecord } from '../records/manifest.ts';
import { checkDataFileHeader, openDataFile } from './data-file-reader.ts';
import { murmur3 } from './key-hash.ts';

async function storageOf(bytes: Buffer): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  await storage.put(NAME, bytes);
  return storage;
}

function hashOf(key: string): number {
  const bytes = Buffer.from(key);
  return murmur3(bytes, 0, bytes.length);
}

async function readEverything(storage: MemoryStorage, record: DataFileRecord): Promise<Buffer> {
  await checkDataFileHeader({ id: HEADER.repository, storage }, record);
  const reader = await openDataFile(storage, record);
  const raw: Buffer[] = [];
  for (const index of reader.blocks.keys()) raw.push(await reader.readBlock(index));
  for (const index of reader.filters.keys()) await reader.readFilter(index);
  return Buffer.concat(raw);
}

describe('DataFileReader', () => {
  test('mayContain knows every key, by range', async () => {
    const keys: SampleKey[] = Array.from({ length: 200 }, (_, i) => ({ db: 0, key: `key:${i}` }));
    const blocks = sampleBlocks(keys, 16);
    const { storage, record } = await writeDataFile(blocks, 16);
    const reader = await openDataFile(storage, record);
    assert.equal(reader.filters.length, keys.length);
    let absent = 0;
    for (const [i, { key }] of keys.entries()) {
      const { range } = blocks[i];
      assert.ok((await reader.candidateBlocks(hashOf(key), range)).includes(i));
      if (!(await reader.mayContain(hashOf(`none:${i}`), range))) absent++;
    }
    assert.ok(absent > 180, String(absent));
  });

  test('reads the filters of a range by one request', async () => {
    const keys: SampleKey[] = Array.from({ length: 200 }, (_, i) => ({ db: 0, key: `key:${i}` }));
    const { storage, record } = await writeDataFile(sampleBlocks(keys, 16), 16);
    const counting = new FaultyStorage(storage, () => undefined);
    const reader = await openDataFile(counting, record);
    assert.equal(counting.calls.length, 1);
    await reader.candidateBlocks(1, 3);
    await reader.candidateBlocks(2, 3);
    assert.equal(counting.calls.length, 2);
  });

  test('finds the later parts of a key through the block that begins it', async () => {
    const keys: SampleKey[] = [
      { db: 0, key: 'small' },
      { db: 0, key: 'big', parts: 3 },
    ];
    const { storage, record } = await writeDataFile(sampleBlocks(keys));
    const reader = await openDataFile(storage, record);
    assert.deepEqual((await reader.candidateBlocks(hashOf('big'), 0)).slice(-3), [1, 2, 3]);
    const rest = await writeDataFile(sampleBlocks(keys.slice(1)).slice(1));
    const second = await openDataFile(rest.storage, rest.record);
    assert.deepEqual(await second.candidateBlocks(hashOf('big'), 0), [0, 1]);
  });

  test('without filters every block of the range is a candidate', async () => {
    const none = { filter: null };
    const { storage, record } = await writeDataFile([
      { ...smallBlock([{ db: 0, key: 'a' }]), ...none },
    ]);
    const reader = await openDataFile(storage, record);
    assert.equal(reader.filters.length, 0);
    assert.equal(await reader.mayContain(1, 0), true);
    assert.equal(await reader.mayContain(1, 1), false);
  });

  test('rejects every truncation', async () => {
    const { bytes, record } = await writeDataFile(sampleBlocks(SAMPLE_KEYS, 2), 2);
    for (let size = 0; size < bytes.length; size++) {
      const cut = await storageOf(bytes.subarray(0, size));
      await assert.rejects(readEverything(cut, record), { code: 'OBJECT_CORRUPT', object: NAME });
      // Also when somebody made the record fit the cut file.
      const directory = { ...record.directory, offset: size - record.directory.length - 40 };
      await assert.rejects(readEverything(cut, { ...record, size, directory }), (error) =>
        isCoded(error),
      );
    }
  });

  test('rejects a flip of every byte, or reads the same', async () => {
    const { bytes, record, storage } = await writeDataFile(sampleBlocks(SAMPLE_KEYS, 2), 2);
    const expected = await readEverything(storage, record);
    let detected = 0;
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at] ^= 1 << (at & 7);
      try {
        // Only names of optional things in the header may go unseen here; the file's digest, which
        // verification compares, covers them.
        assert.ok((await readEverything(await storageOf(flipped), record)).equals(expected));
      } catch (error) {
        assert.ok(isCoded(error), String(error));
        detected++;
      }
    }
    assert.ok(bytes.length - detected < 30, `${bytes.length - detected} flips unseen`);
  });

  test('survives hostile directories whose checksums are right', async () => {
    const { bytes, record } = await writeDataFile(sampleBlocks(SAMPLE_KEYS, 2), 2);
    const { offset, length } = record.directory;
    for (let at = 12; at < length; at++) {
      for (const value of [0x00, 0x7f, 0x80, 0xff]) {
        const hostile = resealed(bytes, record, (directory) => directory.fill(value, at, at + 1));
        assert.equal(hostile.record.directory.offset, offset);
        try {
          await readEverything(await storageOf(hostile.bytes), hostile.record);
        } catch (error) {
          assert.ok(isCoded(error), String(error));
        }
      }
    }
  });

  test('refuses a file of another place, version or requirement', async () => {
    const { storage, record, bytes } = await writeDataFile([]);
    const other = { id: '1'.repeat(32), storage };
    await assert.rejects(checkDataFileHeader(other, record), { code: 'OBJECT_CORRUPT' });
    const text = bytes.toString('latin1').replace('"requires":[]', '"requires":[7]');
    const wrong = await storageOf(Buffer.from(text, 'latin1'));
    await assert.rejects(checkDataFileHeader({ id: HEADER.repository, storage: wrong }, record));
  });
});

test('a data file is what plain zstd decodes to JSON Lines', async (t) => {
  const { bytes, storage, record } = await writeDataFile(sampleBlocks(SAMPLE_KEYS));
  const expected = await readEverything(storage, record);
  let decoded: Buffer;
  try {
    decoded = execFileSync('zstd', ['-dc'], { input: bytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    t.skip('not run: zstd is not installed');
    return;
  }
  assert.ok(decoded.equals(expected));
});

test('the documented file reads as documented', async () => {
  const bytes = Buffer.from(DOCUMENTED_FILE, 'base64');
  const storage = await storageOf(bytes);
  const sha = (part: Buffer) => `sha256:${createHash('sha256').update(part).digest('hex')}`;
  const record: DataFileRecord = {
    name: NAME,
    kind: 'entries',
    shard: '00000',
    sequence: 1,
    codec: 'zstd',
    cipher: null,
    keyId: null,
    size: 582,
    digest: 'sha256:faae73949e49e95e9db6fcd6b8452d7fca4121d74d78d4ac6d328197d2de3756',
    directory: { offset: 0x172, length: 172, digest: sha(bytes.subarray(0x172, 0x21e)) },
    blocks: 1,
    entries: 1,
    rawBytes: 47,
  };
  assert.equal(sha(bytes), record.digest);
  const line = '{"db":0,"key":"a","type":"string","value":"v"}\n';
  assert.equal((await readEverything(storage, record)).toString(), line);
  const reader = await openDataFile(storage, record);
  assert.equal(reader.blocks[0].offset, 0x126);
  assert.equal(await reader.mayContain(hashOf('a'), 0), true);
  assert.equal(await reader.mayContain(hashOf('hello'), 0), false);
});

/** The file of docs/formats/data-file.md. Never made again: what was written stays readable. */
const DOCUMENTED_FILE = [
  'VypNGB4BAABUTUhEeyJmb3JtYXQiOiJ0aWRlbWFyay1kYXRhIiwiZm9ybWF0VmVyc2lvbiI6MSwiY29kZWMiOiJ6c3',
  'RkIiwiY2lwaGVyIjpudWxsLCJrZXlJZCI6bnVsbCwiZGlnZXN0Ijoic2hhMjU2IiwicmVxdWlyZXMiOltdLCJvcHRp',
  'b25hbCI6W10sInJlcG9zaXRvcnkiOiIwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMCIsInNvdXJjZSI6In',
  'MtYWJjMTIzIiwiYmFja3VwIjoiMjAyNjExMjJ0MTIzMDAwei03ZjNhMmMiLCJzaGFyZCI6IjAwMDAwIiwic2VxdWVu',
  'Y2UiOjEsImtpbmQiOiJlbnRyaWVzIn0KKLUv/SAveQEAeyJkYiI6MCwia2V5IjoiYSIsInR5cGUiOiJzdHJpbmciLC',
  'J2YWx1ZSI6InYifQpXKk0YDAAAAFRNRkwAoAIAAFAFAFcqTRikAAAAVE1EUgEAQAABAAAAAQAAAAEAAAAAAAAAAAAA',
  'AAAAAAAAAAAAJgEAAAAAAAA4AAAALwAAAAAAAAAAAAAAAQAAAAAAAABzTn2nTfvdok3f5g9DZGpsR097KHsnSwyrjX',
  'I5MJeS8l4BAAAAAAAAFAAAAAEAAAAAAAAAAAAHAAEAAAAAAAAAMD6KHC9NZ5kk/k736anSt2YLHrTZ0TWTWZ6lBzX9',
  'aD5XKk0YIAAAAFRNVFIBAAAAcgEAAAAAAACsAAAAAAAAAC+QsIIgOJuN',
].join('');
