import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCoded } from '../../base/index.ts';
import { parseDuration, parseDurationOrOff } from './durations.ts';

test('parseDuration reads days, hours, minutes and seconds, also together', () => {
  assert.equal(parseDuration('1d'), 86_400_000);
  assert.equal(parseDuration('1h30m'), 5_400_000);
  assert.equal(parseDuration(' 45s '), 45_000);
});

test('parseDuration refuses what is no duration, and none at all', () => {
  for (const text of ['', '5', 's', '0s', '-1h', '1h 2m', '1.5h', 'off']) {
    assert.throws(
      () => parseDuration(text),
      (error) => isCoded(error, 'USAGE'),
      text,
    );
  }
});

test('parseDurationOrOff knows off', () => {
  assert.equal(parseDurationOrOff('off'), null);
  assert.equal(parseDurationOrOff('2h'), 7_200_000);
});
