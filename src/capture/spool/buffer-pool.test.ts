import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferPool } from './buffer-pool.ts';

test('BufferPool gives a buffer out again only when it was given back, and none of others', () => {
  const pool = new BufferPool(64, 2);
  const [first, second] = [pool.take(), pool.take()];
  assert.notEqual(first.buffer, second.buffer);
  pool.giveBack(Buffer.alloc(64));
  pool.giveBack(first.subarray(0, 10));
  const again = pool.take();
  assert.equal(again.buffer, first.buffer);
  assert.equal(again.length, 64, 'whole');
  assert.notEqual(pool.take().buffer, second.buffer);
});

test('BufferPool keeps no more than it may', () => {
  const pool = new BufferPool(64, 1);
  const taken = [pool.take(), pool.take()];
  for (const buffer of taken) pool.giveBack(buffer);
  assert.equal(pool.take().buffer, taken[0].buffer);
  assert.notEqual(pool.take().buffer, taken[1].buffer);
});
