import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Difference, DifferenceKind } from './difference.ts';
import { DifferenceTally, prefixOf } from './difference-tally.ts';

function difference(kind: DifferenceKind, db: number, key: string): Difference {
  return { kind, db, key: Buffer.from(key), before: null, after: null };
}

describe('prefixOf', () => {
  test('takes the parts in front of a colon, as many as there are', () => {
    const prefixes = (key: string): string[] =>
      [1, 2, 3].map((depth) => prefixOf(Buffer.from(key), depth).toString());
    assert.deepEqual(prefixes('a:b:c'), ['a', 'a:b', 'a:b']);
    assert.deepEqual(prefixes('plain'), ['', '', '']);
    assert.deepEqual(prefixes(':b:c'), ['', ':b', ':b']);
    assert.deepEqual(prefixes(''), ['', '', '']);
    assert.equal(prefixOf(Buffer.from(`${'x'.repeat(1000)}:y`), 1).length, 256);
  });
});

describe('DifferenceTally', () => {
  test('counts by database and by prefix', () => {
    const tally = new DifferenceTally(1);
    tally.equal(3, 10);
    tally.equal(0);
    tally.add(difference('added', 0, 'user:1'));
    tally.add(difference('removed', 0, 'cart:1'));
    tally.add(difference('changed', 0, 'user:2'));
    tally.add(difference('ttl-changed', 3, 'user:2'));
    assert.deepEqual(tally.totals, { added: 1, removed: 1, changed: 1, ttlChanged: 1, equal: 11 });
    assert.deepEqual(
      tally.databases.map(({ db, equal, ttlChanged }) => [db, equal, ttlChanged]),
      [
        [0, 1, 0],
        [3, 10, 1],
      ],
    );
    assert.deepEqual(
      tally.prefixes.map(({ db, prefix }) => `${db} ${prefix.toString()}`),
      ['0 user', '0 cart', '3 user'],
    );
    assert.equal(tally.uncounted, 0);
  });

  test('tells no more than 10,000 prefixes apart', () => {
    const tally = new DifferenceTally(1);
    for (let i = 0; i < 10_005; i++) tally.add(difference('added', 0, `${i}:x`));
    tally.add(difference('added', 0, '7:y'));
    assert.equal(tally.prefixes.length, 10_000);
    assert.equal(tally.uncounted, 5);
    assert.equal(tally.prefixes[0].added, 2);
    assert.equal(tally.totals.added, 10_006);
  });
});
