import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FullGate } from './full-backups.ts';

test('FullGate lets so many in at a time, in order', async () => {
  const gate = new FullGate(1);
  const order: number[] = [];
  const leave = await gate.enter();
  const others = [1, 2].map(async (n) => {
    const out = await gate.enter();
    order.push(n);
    out();
    out();
  });
  await Promise.resolve();
  assert.deepEqual(order, []);
  leave();
  await Promise.all(others);
  assert.deepEqual(order, [1, 2]);
});
