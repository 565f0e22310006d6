import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShardHistory } from './shard-history.ts';

const OLD = 'a'.repeat(40);
const NEW = 'b'.repeat(40);

test('ShardHistory records why a lineage begins, and ids that sort', () => {
  const history = new ShardHistory('00000');
  const nowMs = Date.parse('2026-11-22T12:30:00.400Z');
  const first = history.begin({ replid: OLD, offset: 10 }, null, nowMs);
  assert.equal(first.gap, null);
  assert.equal(history.lineageOf({ replid: OLD, offset: 9 }), null);
  assert.equal(history.lineageOf({ replid: OLD, offset: 10 }), first.lineage);
  history.rename(NEW);
  assert.equal(history.lineageOf({ replid: NEW, offset: 30 }), first.lineage);
  history.leave({ lineage: first, endOffset: 30, endMs: nowMs, replid: NEW });
  const second = history.begin({ replid: NEW, offset: 90 }, null, nowMs + 100);
  assert.ok(second.lineage > first.lineage);
  assert.deepEqual(
    [second.gap?.lineage, second.gap?.endOffset, second.gap?.orphanFrom],
    [first.lineage, 30, null],
  );
  assert.match(second.gap?.why ?? '', /backlog is too small/);
  assert.equal(history.lineageOf({ replid: OLD, offset: 95 }), null);
});
