import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseBefore, parseInstant } from './parse-instant.ts';

describe('parseInstant', () => {
  test('reads each form of the grammar', () => {
    const half = Date.UTC(2026, 10, 22, 12, 30);
    const table: readonly [string, object][] = [
      ['2026-11-22T12:30:00Z', { kind: 'time', ms: half }],
      ['2026-11-22t12:30:00.250z', { kind: 'time', ms: half + 250 }],
      ['2026-11-22 12:30:00.1239+02:00', { kind: 'time', ms: half - 7_200_000 + 123 }],
      ['2026-11-22T12:30-03:30', { kind: 'time', ms: half + 12_600_000 }],
      ['2026-11-22 12:30', { kind: 'local', wallMs: half }],
      ['2026-11-22T12:30:00.5', { kind: 'local', wallMs: half + 500 }],
      ['2026-11-22', { kind: 'local', wallMs: Date.UTC(2026, 10, 22) }],
      ['14:02', { kind: 'clock', dayMs: 50_520_000 }],
      [' 14:02:07 ', { kind: 'clock', dayMs: 50_527_000 }],
      ['-10m', { kind: 'ago', ms: 600_000 }],
      ['-1d2h3m4s', { kind: 'ago', ms: 93_784_000 }],
      ['latest', { kind: 'latest' }],
      ['mark:a1B2c3', { kind: 'mark', id: 'a1b2c3' }],
      [
        'offset:20261122t123000z-7f3a2c11:4096',
        { kind: 'offset', lineage: '20261122t123000z-7f3a2c11', offset: 4096 },
      ],
    ];
    for (const [text, parsed] of table) assert.deepEqual(parseInstant(text), parsed, text);
  });

  test('refuses everything else', () => {
    const wrong = [
      '',
      'now',
      '10m',
      '-',
      '-1w',
      '+1h',
      '24:00',
      '12:60',
      '12:30Z',
      '2026-13-01',
      '2026-02-30',
      '2026-11-22T25:00Z',
      '2026-11-22T12:30:60Z',
      '2026-11-22T12:30+24:00',
      'mark:',
      'mark:abcdefg',
      'offset:abc',
      'offset:abc:-1',
      'offset:abc:9999999999999999',
      'offset:../x:1',
    ];
    for (const text of wrong) {
      assert.throws(() => parseInstant(text), { code: 'INSTANT_INVALID' }, text);
    }
  });
});

describe('parseBefore', () => {
  test('reads marks and last:', () => {
    assert.deepEqual(parseBefore('A1b2c3'), { kind: 'mark', id: 'a1b2c3' });
    assert.deepEqual(parseBefore('mark:a1b2c3'), { kind: 'mark', id: 'a1b2c3' });
    assert.deepEqual(parseBefore('last:FLUSHALL'), { kind: 'last', mark: 'FLUSHALL' });
    assert.deepEqual(parseBefore('LAST:swapdb'), { kind: 'last', mark: 'SWAPDB' });
    for (const text of ['', 'FLUSHALL', 'last:', 'last:DEL', 'a1b2c', '14:02']) {
      assert.throws(() => parseBefore(text), { code: 'INSTANT_INVALID' }, text);
    }
  });
});
