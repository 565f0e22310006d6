import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rdbFile, str } from '../../test/support/relic-builder.ts';
import { splitsOf } from '../../test/support/splits.ts';
import { isCoded } from '../base/index.ts';
import { type RdbBatch, RdbBatcher } from './batcher.ts';

const NO_SIDE = { aux() {}, functionLibrary() {}, moduleAux() {}, hashTemplate() {} };

const KEYS = Array.from({ length: 40 }, (_, i) => [0, str(`key ${i}`), str('v'.repeat(i * 7))]);
const FILE = rdbFile(
  11,
  'fe 00',
  ...KEYS.slice(0, 20),
  ['fe 03', 'fc 00d8c32cbb030000', 1, str('long'), '0c', ...Array(12).fill(str('i'.repeat(200)))],
  ...KEYS.slice(20),
  ['fe 05', 0, str('last'), str('')],
);

function batchesOf(file: Buffer, batchBytes: number, cuts: readonly number[] = []): RdbBatch[] {
  const batches: RdbBatch[] = [];
  const batcher = new RdbBatcher({
    batchBytes,
    side: NO_SIDE,
    onBatch: (batch) => batches.push({ ...batch, bytes: Buffer.from(batch.bytes) }),
  });
  let from = 0;
  for (const to of [...cuts, file.length]) {
    assert.equal(batcher.push(file, from, to), to - from);
    from = to;
  }
  batcher.finish();
  return batches;
}

describe('RdbBatcher', () => {
  test('hands on every byte once, in order, up to the end opcode', () => {
    for (const batchBytes of [32, 100, 1000, 1 << 20]) {
      for (const cuts of splitsOf(FILE.length, 3)) {
        const batches = batchesOf(FILE, batchBytes, cuts);
        let offset = 0;
        for (const batch of batches) {
          assert.equal(batch.offset, offset);
          offset += batch.bytes.length;
        }
        const all = Buffer.concat(batches.map(({ bytes }) => bytes));
        assert.ok(all.equals(FILE.subarray(0, FILE.length - 9)));
        assert.equal(
          batches.reduce((sum, { keys }) => sum + keys, 0),
          42,
        );
      }
    }
  });

  test('says of each batch in which database it begins', () => {
    const batches = batchesOf(FILE, 300);
    const select3 = FILE.indexOf('fe03fc', 0, 'hex');
    const select5 = FILE.lastIndexOf('fe05', FILE.length, 'hex');
    for (const { offset, db } of batches) {
      assert.equal(db, offset < select3 + 2 ? 0 : offset < select5 + 2 ? 3 : 5, `at ${offset}`);
    }
  });

  test('cuts a key larger than a batch in a first, middle and a last piece', () => {
    const parts = batchesOf(FILE, 500).map(({ part }) => part);
    const first = parts.indexOf('first');
    const last = parts.indexOf('last');
    assert.ok(first >= 0 && last > first + 1);
    assert.ok(parts.slice(first + 1, last).every((part) => part === 'middle'));
    assert.deepEqual([...new Set(parts.toSpliced(first, last - first + 1))], ['whole']);
  });

  test('makes its batches no larger than asked for, and keeps to recycled memory', () => {
    const memories = new Set<ArrayBufferLike>();
    const batcher: RdbBatcher = new RdbBatcher({
      batchBytes: 256,
      side: NO_SIDE,
      onBatch: ({ bytes }) => {
        assert.ok(bytes.length <= 256);
        memories.add(bytes.buffer);
        batcher.recycle(bytes.buffer as ArrayBuffer);
      },
    });
    batcher.push(FILE, 0, FILE.length);
    batcher.finish();
    assert.ok(memories.size <= 3, `${memories.size} buffers`);
  });

  test('grows for a side record that must be whole', () => {
    const libraries: number[] = [];
    const file = rdbFile(11, 'f5', str('x'.repeat(100_000)), 'fe 00', 0, str('k'), str('v'));
    const batcher = new RdbBatcher({
      batchBytes: 64,
      side: { ...NO_SIDE, functionLibrary: ({ length }) => libraries.push(length) },
      onBatch() {},
    });
    for (let at = 0; at < file.length; at += 777) {
      batcher.push(file, at, Math.min(file.length, at + 777));
    }
    batcher.finish();
    assert.deepEqual(libraries, [100_000]);
  });

  test('refuses a side record that is too large to be held, before its bytes come', () => {
    const batcher = new RdbBatcher({ batchBytes: 1 << 20, side: NO_SIDE, onBatch() {} });
    const head = Buffer.concat([
      Buffer.from('REDIS0011\xf5', 'latin1'),
      Buffer.from('8020000000', 'hex'),
    ]);
    assert.throws(
      () => batcher.push(head, 0, head.length),
      (error) => isCoded(error, 'RDB_UNSUPPORTED'),
    );
  });

  test('says how much belonged to the dump when it ended', () => {
    const more = Buffer.concat([FILE, Buffer.from('surplus')]);
    for (const batchBytes of [40, 1 << 20]) {
      const batcher = new RdbBatcher({ batchBytes, side: NO_SIDE, onBatch() {} });
      assert.equal(batcher.push(more, 0, more.length), FILE.length);
      assert.equal(batcher.push(more, 0, 5), 0);
    }
  });

  test('is RDB_TRUNCATED when the input ends early, also inside a long key', () => {
    for (const size of [0, 8, 9, 500, FILE.length - 1]) {
      const batcher = new RdbBatcher({ batchBytes: 100, side: NO_SIDE, onBatch() {} });
      batcher.push(FILE, 0, size);
      assert.throws(
        () => batcher.finish(),
        (error) => isCoded(error, 'RDB_TRUNCATED'),
      );
    }
  });
});
