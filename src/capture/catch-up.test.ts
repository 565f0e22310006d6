import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CatchUp } from './catch-up.ts';

const MIB = 1 << 20;

test('CatchUp is over when much less comes than before, and not before two seconds', () => {
  const link = new CatchUp();
  const seen = [0, 50, 100, 150, 155, 160].map((mib, i) => link.look(mib * MIB, i * 1000));
  assert.deepEqual(seen, [false, false, false, false, true, true]);
});

test('CatchUp is over when next to nothing comes, and at last after a minute', () => {
  assert.deepEqual(
    [0, 10, 20].map((offset, i) => new CatchUp().look(offset, i * 1000)),
    [false, false, true],
  );
  const steady = new CatchUp();
  const seen = Array.from({ length: 63 }, (_, i) => steady.look(i * MIB, i * 1000));
  assert.equal(seen.indexOf(true), 61);
});
