import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { MemoryStorage } from '../../../test/fakes/memory-storage.ts';
import {
  bigBlocks,
  SAMPLE_KEYS,
  sampleBlocks,
  smallBlock,
} from '../../../test/fakes/sample-backup.ts';
import { HEADER, NAME, writeDataFile } from '../../../test/fakes/sample-data-file.ts';
import { openDataFile } from './data-file-reader.ts';
import { type DataBlock, DataFileWriter } from './data-file-writer.ts';

describe('DataFileWriter', () => {
  test('writes what openDataFile reads back', async () => {
    const blocks = sampleBlocks(SAMPLE_KEYS, 4);
    const { storage, record, bytes } = await writeDataFile(blocks, 4);
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
    const { storage, record } = await writeDataFile(sampleBlocks(SAMPLE_KEYS));
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
    const continued = await writeDataFile(rest);
    const second = await openDataFile(continued.storage, continued.record);
    assert.deepEqual(
      second.blocks.map((block) => block.beginsIn),
      [-1, -1],
    );
  });

  test('writes an empty file that reads as one', async () => {
    const { storage, record } = await writeDataFile([]);
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
    for (const wrong of bad) await assert.rejects(writeDataFile([wrong]), /Bug in Tidemark/);
    const [first, second] = bigBlocks({ db: 0, key: 'b', parts: 2 });
    await assert.rejects(writeDataFile([first, block]), /Bug in Tidemark/);
    await assert.rejects(writeDataFile([block, second]), /Bug in Tidemark/);
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
