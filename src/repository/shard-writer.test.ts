import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStorage } from '../../test/fakes/memory-storage.ts';
import { bigBlocks, smallBlock } from '../../test/fakes/sample-backup.ts';
import { openDataFile, openRepository } from './index.ts';
import { ShardWriter } from './shard-writer.ts';

const PLACE = {
  source: 's-abc123',
  backup: '20261122t123000z-7f3a2c',
  shard: '00000',
  slotRanges: 1,
};

test('ShardWriter begins a new file past the target, but never inside a key', async () => {
  const storage = new MemoryStorage();
  const repository = await openRepository(storage, { mode: 'write' });
  const shard = new ShardWriter(repository, PLACE);
  const [first, middle, last] = bigBlocks({ db: 0, key: 'big', parts: 3 });
  const huge = { ...middle, stored: Buffer.alloc(64 << 20) };
  for (const block of [first, huge, last, smallBlock([{ db: 0, key: 'next' }])]) {
    await shard.append(block);
  }
  await shard.close();
  await shard.close();
  assert.deepEqual(
    shard.files.map((file) => [file.sequence, file.blocks, file.entries]),
    [
      [1, 3, 1],
      [2, 1, 1],
    ],
  );
  assert.deepEqual(
    shard.names,
    shard.files.map((file) => file.name),
  );
  for (const file of shard.files) await openDataFile(storage, file);
});

test('ShardWriter expecting a larger backup makes larger files', async () => {
  const repository = await openRepository(new MemoryStorage(), { mode: 'write' });
  const shard = new ShardWriter(repository, PLACE);
  shard.expectedBytes = 500 * (65 << 20);
  const block = smallBlock([{ db: 0, key: 'a' }]);
  await shard.append({ ...block, stored: Buffer.alloc(64 << 20) });
  await shard.append(block);
  await shard.close();
  assert.equal(shard.files.length, 1);
});

test('ShardWriter that never got a block leaves no file', async () => {
  const storage = new MemoryStorage();
  const shard = new ShardWriter(await openRepository(storage, { mode: 'write' }), PLACE);
  await shard.close();
  assert.deepEqual([...storage.objects.keys()], ['repository.json']);
});
