import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tally } from './counts.ts';

test('Tally counts by database, in their order, and adds up', () => {
  const tally = new Tally();
  tally.of(9).restored = 2;
  tally.of(0).restored++;
  tally.of(0).selected = 4;
  assert.deepEqual(
    tally.databases.map(({ db, restored }) => [db, restored]),
    [
      [0, 1],
      [9, 2],
    ],
  );
  assert.equal(tally.totals.restored, 3);
  assert.equal(tally.totals.selected, 4);
});

test('Tally keeps the first thousand problems and counts all', () => {
  const tally = new Tally();
  for (let i = 0; i < 1500; i++) tally.problem({ db: 0, key: `${i}`, code: 'x', message: 'y' });
  assert.equal(tally.problems.length, 1000);
  assert.equal(tally.problems.at(-1)?.key, '999');
  assert.equal(tally.problemCount, 1500);
});
