import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseCount, parseDatabase, parseDatabaseMap, parseLabel, parseRate } from './amounts.ts';

const usage = { code: 'USAGE' };

describe('parseRate', () => {
  test('reads binary and decimal units, with and without /s', () => {
    const rates: [string, number][] = [
      ['20MiB/s', 20 << 20],
      ['20 MiB', 20 << 20],
      ['1.5GiB/s', 1.5 * 2 ** 30],
      ['500KB', 500_000],
      ['3GB/s', 3e9],
      ['2mb', 2e6],
      ['64KiB/s', 65_536],
      ['100B/s', 100],
    ];
    for (const [text, bytes] of rates) assert.equal(parseRate(text), bytes, text);
  });

  test('refuses what has no unit, no number, or is nothing', () => {
    for (const text of ['20', '', 'MiB', '-1MiB', '0MiB/s', '0.1B', '5 parsecs', '1MiB/min']) {
      assert.throws(() => parseRate(text), usage, text);
    }
  });
});

describe('parseCount', () => {
  test('reads whole numbers from 1 to the most', () => {
    assert.equal(parseCount('a number')('7'), 7);
    for (const text of ['0', '-1', '1.5', 'x', '', '65', '1e3']) {
      assert.throws(() => parseCount('a number', 64)(text), usage, text);
    }
  });
});

describe('parseDatabase', () => {
  test('reads numbers from 0 on', () => {
    assert.equal(parseDatabase('0'), 0);
    assert.equal(parseDatabase(' 15'), 15);
    for (const text of ['', '-1', '1.0', 'x', '99999999999']) {
      assert.throws(() => parseDatabase(text), usage, text);
    }
  });
});

describe('parseDatabaseMap', () => {
  test('collects pairs of one and of several options', () => {
    const first = parseDatabaseMap('0:5,1:6', undefined);
    assert.deepEqual(
      [...parseDatabaseMap('3:0', first)],
      [
        [0, 5],
        [1, 6],
        [3, 0],
      ],
    );
  });

  test('refuses what is no pair, and one database twice', () => {
    for (const text of ['0', '0:1:2', 'a:b', '0:', ':1', '0:1,0:2', '']) {
      assert.throws(() => parseDatabaseMap(text, undefined), usage, text);
    }
  });
});

describe('parseLabel', () => {
  test('splits at the first = and keeps earlier labels', () => {
    const first = parseLabel('team=shop', undefined);
    assert.deepEqual(parseLabel('sum=1=2', first), { team: 'shop', sum: '1=2' });
    assert.deepEqual(parseLabel('empty=', undefined), { empty: '' });
    for (const text of ['', '=x', 'x']) assert.throws(() => parseLabel(text, undefined), usage);
  });
});
