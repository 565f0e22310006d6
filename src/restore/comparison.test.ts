import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { targetFormat } from '../rdb/index.ts';
import { equalExpiry, equalValue, timeOf } from './comparison.ts';
import type { WantedKey } from './command-parts.ts';
import { isFatal } from './refusals.ts';
import type { TargetFacts } from './target-facts.ts';

const facts = (expireTime: boolean): TargetFacts => ({
  identity: {} as TargetFacts['identity'],
  format: targetFormat('redis', expireTime ? 70000 : 60000),
  setPxat: expireTime,
  restoreOptions: true,
  expireTime,
  functions: expireTime,
  modules: null,
});

describe('equalExpiry', () => {
  test('is exact where the server tells the instant', () => {
    assert.equal(equalExpiry(5000, 5000, 0, facts(true), 'absolute'), true);
    assert.equal(equalExpiry(5000, 5001, 0, facts(true), 'absolute'), false);
  });

  test('allows for the clock where it tells the time that is left', () => {
    assert.equal(equalExpiry(5000, 3500, 1000, facts(false), 'absolute'), true);
    assert.equal(equalExpiry(5000, 2500, 1000, facts(false), 'absolute'), false);
  });

  test('tells none from some', () => {
    for (const has of [true, false]) {
      assert.equal(equalExpiry(-1, -1, 0, facts(has), 'absolute'), true);
      assert.equal(equalExpiry(-1, 5000, 0, facts(has), 'absolute'), false);
      assert.equal(equalExpiry(5000, -1, 0, facts(has), 'remaining'), false);
    }
  });

  test('does not compare what every restore counts anew', () => {
    assert.equal(equalExpiry(5000, 99_999, 0, facts(true), 'remaining'), true);
  });
});

test('equalValue takes a payload that it cannot read for another value', () => {
  const key = Buffer.from('k');
  const text = Buffer.from('v');
  const wanted: WantedKey = { key, expireAtMs: -1, payload: undefined, text, usage: [] };
  const payload = Buffer.from([0, 1, 0x76, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  assert.equal(equalValue(wanted, payload), true);
  payload[0] = 200;
  assert.equal(equalValue(wanted, payload), false);
  assert.equal(equalValue(wanted, Buffer.alloc(3)), false);
});

test('timeOf reads TIME to the millisecond', () => {
  assert.equal(timeOf([Buffer.from('1700000000'), Buffer.from('123999')]), 1_700_000_000_123);
});

test('isFatal tells errors about the server from those about a key', () => {
  for (const line of [
    'OOM command not allowed',
    'READONLY You',
    'BUSY Redis is busy',
    'NOPERM x',
  ]) {
    assert.equal(isFatal(line), true, line);
  }
  for (const line of ['BUSYKEY Target key name already exists.', 'ERR Bad data format', '']) {
    assert.equal(isFatal(line), false, line);
  }
});
