import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXPIRED, type ExportTtlPolicy, expiryOf, NO_EXPIRY } from './policies.ts';

const rules = (policy: ExportTtlPolicy) => ({ policy, startedAtMs: 10_000, snapshotAtMs: 5000 });

test('expiryOf leaves a key without expiry without', () => {
  for (const policy of ['absolute', 'remaining', 'persist'] as const) {
    assert.equal(expiryOf(NO_EXPIRY, rules(policy), 20_000), NO_EXPIRY);
  }
});

test('expiryOf absolute keeps the instant until it has come', () => {
  assert.equal(expiryOf(20_001, rules('absolute'), 20_000), 20_001);
  assert.equal(expiryOf(20_000, rules('absolute'), 20_000), EXPIRED);
});

test('expiryOf remaining counts from the start, whatever the time is now', () => {
  assert.equal(expiryOf(5001, rules('remaining'), 20_000), 10_001);
  assert.equal(expiryOf(5000, rules('remaining'), 20_000), EXPIRED);
  assert.equal(expiryOf(4000, rules('remaining'), 0), EXPIRED);
});

test('expiryOf persist takes every expiry off, also one that has passed', () => {
  assert.equal(expiryOf(1, rules('persist'), 20_000), NO_EXPIRY);
});

test('expiryOf recorded keeps what has passed, and shifts by a constant', () => {
  assert.equal(expiryOf(1, rules('recorded'), 20_000), 1);
  assert.equal(expiryOf(4000, { ...rules('recorded'), shiftMs: 500 }, 20_000), 4500);
  assert.equal(expiryOf(4000, { ...rules('recorded'), shiftMs: -9000 }, 20_000), 1);
  assert.equal(expiryOf(NO_EXPIRY, { ...rules('recorded'), shiftMs: 500 }, 0), NO_EXPIRY);
});
