import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseAck } from './acknowledgement.ts';

test('chooseAck never says everything, but to a source that waits for us to end', () => {
  const facts = { durableOffset: 100, storedOffset: 40, isShuttingDown: false };
  assert.equal(chooseAck({ ...facts, mode: 'durable' }), 99);
  assert.equal(chooseAck({ ...facts, mode: 'stored' }), 40);
  assert.equal(chooseAck({ ...facts, mode: 'stored', storedOffset: 100 }), 99);
  assert.equal(chooseAck({ ...facts, mode: 'none' }), 0);
  assert.equal(chooseAck({ ...facts, mode: 'durable', durableOffset: 0 }), 0);
  for (const mode of ['durable', 'stored', 'none'] as const) {
    assert.equal(chooseAck({ ...facts, mode, isShuttingDown: true }), 100);
  }
});
