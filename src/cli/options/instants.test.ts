import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseInstant } from './instants.ts';

const NOW = Date.UTC(2026, 10, 22, 12, 0, 0);

describe('parseInstant', () => {
  test('reads instants with a zone, and those of this machine', () => {
    assert.equal(parseInstant('2026-11-22T12:30:00Z', NOW), Date.UTC(2026, 10, 22, 12, 30));
    assert.equal(parseInstant('2026-11-22t12:30:00.250z', NOW), NOW + 30 * 60_000 + 250);
    assert.equal(parseInstant('2026-11-22T12:30:00+02:00', NOW), Date.UTC(2026, 10, 22, 10, 30));
    assert.equal(parseInstant('2026-11-22 14:02', NOW), new Date(2026, 10, 22, 14, 2).getTime());
    assert.equal(parseInstant('2026-11-22', NOW), new Date(2026, 10, 22).getTime());
  });

  test('counts back from now', () => {
    assert.equal(parseInstant('-10m', NOW), NOW - 600_000);
    assert.equal(parseInstant('-1d2h', NOW), NOW - 26 * 3_600_000);
  });

  test('refuses everything else', () => {
    for (const text of ['', 'now', '10m', '-', '-1w', '2026-13-01', '2026-11-22T25:00Z', '12:30']) {
      assert.throws(() => parseInstant(text, NOW), { code: 'USAGE' }, text);
    }
  });
});
