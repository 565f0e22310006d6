import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpoolArena } from './spool-arena.ts';
import { isWhole, MAX_DATA_BYTES, readRecordHead, RECORD_BYTES } from './spool-record.ts';

/** The records in what an arena gave: their heads and payloads. */
function records(buffers: readonly Buffer[]) {
  const bytes = Buffer.concat(buffers);
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    const head = readRecordHead(bytes.subarray(at));
    assert.ok(head !== undefined);
    const payload = bytes.subarray(at + RECORD_BYTES, at + RECORD_BYTES + head.size);
    assert.ok(isWhole(bytes.subarray(at, at + RECORD_BYTES), payload));
    found.push({ ...head, payload });
    at += RECORD_BYTES + head.size;
  }
  return found;
}

test('SpoolArena joins what arrived in one millisecond and nothing else', () => {
  const arena = new SpoolArena();
  const text = Buffer.from('abcdefgh');
  arena.append(text, 0, 2, { offset: 10, atMs: 5, sinceMs: 0 });
  arena.append(text, 2, 4, { offset: 12, atMs: 5, sinceMs: 0 });
  arena.append(text, 4, 6, { offset: 14, atMs: 6, sinceMs: 0 });
  arena.append(text, 6, 8, { offset: 16, atMs: 6, sinceMs: 3 });
  assert.equal(arena.bytes, 8 + 3 * RECORD_BYTES);
  const found = records(arena.take()).map((record) => [
    record.offset,
    record.atMs,
    record.sinceMs,
    record.payload.toString(),
  ]);
  assert.deepEqual(found, [
    [10, 5, 0, 'abcd'],
    [14, 6, 0, 'ef'],
    [16, 6, 3, 'gh'],
  ]);
  assert.equal(arena.bytes, 0);
  assert.deepEqual(arena.take(), []);
});

test('SpoolArena takes any size in records of bounded size, without a gap', () => {
  for (const size of [1, 65_499, 65_500, 65_501, 65_536, 3 * MAX_DATA_BYTES + 17]) {
    const arena = new SpoolArena();
    const bytes = Buffer.alloc(size, 'tidemark');
    for (let at = 0; at < size; at += 40_000) {
      const end = Math.min(size, at + 40_000);
      arena.append(bytes, at, end, { offset: at, atMs: 1, sinceMs: 0 });
    }
    const found = records(arena.take());
    assert.ok(Buffer.concat(found.map(({ payload }) => payload)).equals(bytes));
    let offset = 0;
    for (const record of found) {
      assert.equal(record.offset, offset);
      assert.ok(record.size > 0 && record.size <= MAX_DATA_BYTES);
      offset += record.size;
    }
  }
});

test('SpoolArena writes into what it was given back, never into what is still out', () => {
  const arena = new SpoolArena();
  const bytes = Buffer.alloc(1 << 20, 'tidemark');
  const place = { atMs: 1, sinceMs: 0 };
  arena.append(bytes, 0, bytes.length, { offset: 0, ...place });
  const out = arena.take();
  const before = Buffer.concat(out);
  for (let round = 0; round < 3; round++) {
    arena.append(Buffer.alloc(1 << 20, round), 0, 1 << 20, { offset: 1, ...place });
    const taken = arena.take();
    assert.ok(taken.every((buffer) => out.every((other) => other.buffer !== buffer.buffer)));
    arena.giveBack(taken);
  }
  assert.ok(Buffer.concat(out).equals(before));
  arena.giveBack(out);
});
