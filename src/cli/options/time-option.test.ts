import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTime } from './time-option.ts';

const NOW = Date.UTC(2026, 10, 22, 12);

test('readTime takes the times of --at, and no place in a log', () => {
  assert.equal(readTime('2026-11-22T12:30:00+02:00', NOW), Date.UTC(2026, 10, 22, 10, 30));
  assert.equal(readTime('2026-11-22', NOW), new Date(2026, 10, 22).getTime());
  assert.equal(readTime('-1d2h', NOW), NOW - 26 * 3_600_000);
  for (const text of ['latest', 'mark:abc123', 'offset:x:1']) {
    assert.throws(() => readTime(text, NOW), { code: 'USAGE' }, text);
  }
  assert.throws(() => readTime('noon', NOW), { code: 'INSTANT_INVALID' });
});
