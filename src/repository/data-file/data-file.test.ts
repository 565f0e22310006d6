import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { MemoryStorage } from '../../../test/fakes/memory-storage.ts';
import {
  bigBlocks,
  SAMPLE_KEYS,
  sampleBlocks,
  type SampleKey,
  smallBlock,
} from '../../../test/fakes/sample-backup.ts';
import { isCoded } from '../../base/index.ts';
import type { DataFileRecord } from '../records/manifest.ts';
import { checkDataFileHeader, openDataFile } from './data-file-reader.ts';
import { type DataBlock, DataFileWriter } from './data-file-writer.ts';
import { murmur3 } from './key-hash.ts';

const NAME = 'sources/s-abc123/data/20261122t123000z-7f3a2c/00000/00001.jsonl.zst';
const HEADER = {
  repository: '0'.repeat(32),
  source: 's-abc123',
  backup: '20261122t123000z-7f3a2c',
  shard: '00000',
  sequence: 1,
  kind: 'entries',
} as const;

async function written(blocks: readonly DataBlock[], slotRanges = 1) {
  const storage = new MemoryStorage();
  const writer = await DataFileWriter.begin(storage, NAME, HEADER, slotRanges);
  for (const block of blocks) await writer.append(block);
  const record = await writer.close();
  return { storage, record, bytes: await storage.read(NAME) };
}

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

describe('DataFileWriter', () => {
  test('writes what openDataFile reads back', async () => {
    const blocks = sampleBlocks(SAMPLE_KEYS, 4);
    const { storage, record, bytes } = await written(blocks, 4);
    assert.equal(record.size, bytes.length);
    assert.equal(record.digest, `sha256:${createHash('sha256').update(bytes).digest('hex')}`);
    assert.equal(record.entries, SAMPLE_KEYS.length);
    assert.equal(record.blocks, blocks.length);
    const reader = await openDataFile(storage, record);
    for (const [index, block] of blocks.entries()) {
      const found = reader.blocks[index];
      assert.equal(found.database, block.db);
      assert.equal(found.range, block.range);
      assert.equal(found.entries, block.entries);
      assert.equal(found.rawLength, block.rawLength);
      assert.equal((await reader.readBlock(index)).length, block.rawLength);
    }
    const stored = await reader.readStored(0, blocks.length);
    assert.deepEqual(
      stored.map((part) => part.length),
      blocks.map((b) => b.stored.length),
    );
  });

  test('marks where the keys of several blocks begin', async () => {
    const { storage, record } = await written(sampleBlocks(SAMPLE_KEYS));
    const { blocks } = await openDataFile(storage, record);
    const begin = blocks.findIndex((block) => block.firstPart);
    assert.deepEqual(
      blocks.slice(begin, begin + 4).map((block) => block.beginsIn),
      [begin, begin, begin, begin + 3],
    );
    assert.deepEqual(
      blocks.slice(begin, begin + 4).map((block) => block.continues),
      [false, true, true, false],
    );
    const rest = bigBlocks({ db: 0, key: 'big', parts: 3 }).slice(1);
    const continued = await written(rest);
    const second = await openDataFile(continued.storage, continued.record);
    assert.deepEqual(
      second.blocks.map((block) => block.beginsIn),
      [-1, -1],
    );
  });

  test('writes an empty file that reads as one', async () => {
    const { storage, record } = await written([]);
    assert.equal((await openDataFile(storage, record)).blocks.length, 0);
  });

  test('refuses as a bug what no reader would accept', async () => {
    const block = smallBlock([{ db: 0, key: 'a' }]);
    const bad: readonly DataBlock[] = [
      { ...block, range: 1 },
      { ...block, db: -1 },
      { ...block, rawLength: 0 },
      { ...block, digest: Buffer.alloc(31) },
      { ...block, stored: Buffer.alloc(0) },
    ];
    for (const wrong of bad) await assert.rejects(written([wrong]), /Bug in Tidemark/);
    const [first, second] = bigBlocks({ db: 0, key: 'b', parts: 2 });
    await assert.rejects(written([first, block]), /Bug in Tidemark/);
    await assert.rejects(written([block, second]), /Bug in Tidemark/);
  });

  test('closes near the target and never inside a key unless it must', async () => {
    const writer = await DataFileWriter.begin(new MemoryStorage(), NAME, HEADER, 1);
    assert.equal(writer.shouldClose(0, 5e9, false), false, 'an empty file takes any block');
    await writer.append(smallBlock([{ db: 0, key: 'a' }]));
    assert.equal(writer.shouldClose(0, 1000, false), false);
    assert.equal(writer.shouldClose(0, 4.1e9, true), true, 'the limit counts more than the key');
    const block = { ...smallBlock([{ db: 0, key: 'b' }]), stored: Buffer.alloc(64 << 20) };
    await writer.append(block);
    assert.equal(writer.shouldClose(0, 1000, false), true);
    assert.equal(writer.shouldClose(0, 1000, true), false);
    assert.equal(writer.shouldClose(500 * 65 * 2 ** 20, 1000, false), false);
    assert.equal(writer.shouldClose(500 * 63 * 2 ** 20, 1000, false), true);
  });

  test('leaves nothing after abort', async () => {
    const storage = new MemoryStorage();
    const writer = await DataFileWriter.begin(storage, NAME, HEADER, 1);
    await writer.append(smallBlock([{ db: 0, key: 'a' }]));
    await writer.abort();
    assert.equal(storage.objects.size, 0);
  });
});

describe('DataFileReader', () => {
  test('mayContain knows every key, by range', async () => {
    const keys: SampleKey[] = Array.from({ length: 200 }, (_, i) => ({ db: 0, key: `key:${i}` }));
    const blocks = sampleBlocks(keys, 16);
    const { storage, record } = await written(blocks, 16);
    const reader = await openDataFile(storage, record);
    assert.equal(reader.filters.length, 16);
    let absent = 0;
    for (const [i, { key }] of keys.entries()) {
      const { range } = blocks[i];
      assert.ok((await reader.candidateBlocks(hashOf(key), range)).includes(i));
      if (!(await reader.mayContain(hashOf(`none:${i}`), range))) absent++;
    }
    assert.ok(absent > 180, String(absent));
  });

  test('without filters every block of the range is a candidate', async () => {
    const none = { keyHashes: new Uint32Array(0) };
    const { storage, record } = await written([{ ...smallBlock([{ db: 0, key: 'a' }]), ...none }]);
    const reader = await openDataFile(storage, record);
    assert.equal(reader.filters.length, 0);
    assert.equal(await reader.mayContain(1, 0), true);
    assert.equal(await reader.mayContain(1, 1), false);
  });

  test('rejects every truncation', async () => {
    const { bytes, record } = await written(sampleBlocks(SAMPLE_KEYS, 2), 2);
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
    const { bytes, record, storage } = await written(sampleBlocks(SAMPLE_KEYS, 2), 2);
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
    const { bytes, record } = await written(sampleBlocks(SAMPLE_KEYS, 2), 2);
    const { resealed } = await import('../../../test/fakes/resealed-file.ts');
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
    const { storage, record, bytes } = await written([]);
    const other = { id: '1'.repeat(32), storage };
    await assert.rejects(checkDataFileHeader(other, record), { code: 'OBJECT_CORRUPT' });
    const text = bytes.toString('latin1').replace('"requires":[]', '"requires":[7]');
    const wrong = await storageOf(Buffer.from(text, 'latin1'));
    await assert.rejects(checkDataFileHeader({ id: HEADER.repository, storage: wrong }, record));
  });
});

test('a data file is what plain zstd decodes to JSON Lines', async (t) => {
  const { bytes, storage, record } = await written(sampleBlocks(SAMPLE_KEYS));
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
