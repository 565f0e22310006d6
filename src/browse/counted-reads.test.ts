import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeStorage } from '../../test/contracts/storage.ts';
import { MemoryStorage } from '../../test/fakes/memory-storage.ts';
import { CountedReads } from './counted-reads.ts';

describeStorage('CountedReads', async () => ({ storage: new CountedReads(new MemoryStorage()) }));

test('CountedReads counts requests, also those that fail, and the bytes that came', async () => {
  const storage = new CountedReads(new MemoryStorage());
  await storage.put('a/b', Buffer.alloc(10));
  assert.deepEqual(storage.cost, { requests: 0, bytes: 0 });
  await storage.read('a/b');
  await storage.read('a/b', { start: 2, end: 5 });
  await assert.rejects(storage.read('missing'));
  await storage.stat('a/b');
  await storage.exists('a/b');
  await storage.folders('a/');
  for await (const _ of storage.list('a/')) continue;
  assert.deepEqual(storage.cost, { requests: 7, bytes: 13 });
});
