import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  formatAmount,
  formatBytes,
  formatCount,
  formatDuration,
  formatInstant,
  formatUtc,
  printable,
} from './format.ts';

describe('formatBytes', () => {
  test('keeps four digits at most', () => {
    const texts = [0, 1023, 1024, 1536, 1024 ** 2 - 1, 1024 ** 2, 5.25 * 1024 ** 3, 1024 ** 6];
    assert.deepEqual(texts.map(formatBytes), [
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '1.0 MiB',
      '1.0 MiB',
      '5.3 GiB',
      '1024.0 PiB',
    ]);
  });
});

describe('formatCount', () => {
  test('groups thousands', () => {
    assert.deepEqual([0, 999, 1000, 1234567].map(formatCount), ['0', '999', '1,000', '1,234,567']);
    assert.equal(formatAmount(1, 'key'), '1 key');
    assert.equal(formatAmount(2000, 'entry', 'entries'), '2,000 entries');
  });
});

describe('formatDuration', () => {
  test('names at most two units', () => {
    const texts = [-5, 0, 432, 9_949, 12_300, 59_900, 200_000, 7_500_000, 273_600_000];
    assert.deepEqual(texts.map(formatDuration), [
      '0.0 s',
      '0.0 s',
      '0.4 s',
      '9.9 s',
      '12 s',
      '1 min',
      '3 min 20 s',
      '2 h 5 min',
      '3 d 4 h',
    ]);
  });
});

describe('formatInstant', () => {
  test('shows local time and UTC', () => {
    const time = '2026-11-22T12:30:00.123Z';
    assert.equal(formatUtc(time), '2026-11-22T12:30:00Z');
    assert.match(
      formatInstant(time),
      /^2026-11-2[123] \d\d:\d\d:00 local time \(2026-11-22T12:30:00Z\)$/,
    );
  });
});

describe('printable', () => {
  test('shows control characters instead of obeying them', () => {
    assert.equal(printable('a\u001b[2Jb\n\u009b\u202ec'), 'a\\x1b[2Jb\\x0a\\x9b\\u202ec');
    assert.equal(printable('Göran 李 €'), 'Göran 李 €');
  });
});
