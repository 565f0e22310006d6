import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded } from '../../base/index.ts';
import { parseInstant, type ParsedTime } from './parse-instant.ts';
import { resolveTime } from './resolve-time.ts';

const NOW = Date.UTC(2026, 10, 22, 12, 0, 0);

function resolve(text: string, zone: string, nowMs = NOW) {
  return resolveTime(parseInstant(text) as ParsedTime, { nowMs, zone });
}

function refusal(text: string, zone: string, nowMs = NOW): string {
  try {
    const { local } = resolve(text, zone, nowMs);
    assert.fail(`${text} was read as ${local}`);
  } catch (error) {
    assert.ok(isCoded(error, 'INSTANT_INVALID'), String(error));
    return error.message;
  }
}

describe('resolveTime', () => {
  test('reads local times in their zone, of either season', () => {
    const table: readonly [string, string, string][] = [
      ['2026-11-22 12:30', 'Europe/Berlin', '2026-11-22T11:30:00.000Z'],
      ['2026-07-01 12:30', 'Europe/Berlin', '2026-07-01T10:30:00.000Z'],
      ['2026-11-22', 'Asia/Shanghai', '2026-11-21T16:00:00.000Z'],
      ['2026-01-15 00:15', 'America/St_Johns', '2026-01-15T03:45:00.000Z'],
      ['2026-01-15 08:00', 'Asia/Kathmandu', '2026-01-15T02:15:00.000Z'],
      ['2026-01-15 08:00', 'Australia/Lord_Howe', '2026-01-14T21:00:00.000Z'],
      ['2026-11-22 12:30', 'UTC', '2026-11-22T12:30:00.000Z'],
    ];
    for (const [text, zone, utc] of table) {
      const { ms, note } = resolve(text, zone);
      assert.equal(new Date(ms).toISOString(), utc, `${text} in ${zone}`);
      assert.equal(note, null);
    }
    const { local } = resolve('2026-07-01T10:30:00.5Z', 'Europe/Berlin');
    assert.equal(local, '2026-07-01T12:30:00.500+02:00');
  });

  test('counts back from now, and takes a time of day from today', () => {
    assert.equal(resolve('-90s', 'UTC').ms, NOW - 90_000);
    // 12:00 UTC is 20:00 in Shanghai.
    const { ms, note } = resolve('19:30', 'Asia/Shanghai');
    assert.equal(ms, NOW - 30 * 60_000);
    assert.equal(note, null);
    assert.equal(resolve('20:00', 'Asia/Shanghai').ms, NOW);
  });

  test('takes a time of day that is to come from yesterday, and says so', () => {
    const { ms, note, local } = resolve('20:01:00', 'Asia/Shanghai');
    assert.equal(ms, NOW + 60_000 - 86_400_000);
    assert.match(note ?? '', /^20:01:00 is still to come today, so yesterday's is meant$/);
    assert.equal(local, '2026-11-21T20:01:00+08:00');
    // The day after clocks went forward: yesterday was 23 hours long.
    const now = Date.parse('2026-03-30T08:00:00+02:00');
    assert.equal(resolve('08:01', 'Europe/Berlin', now).local, '2026-03-29T08:01:00+02:00');
  });

  test('refuses an hour that came twice, with both readings', () => {
    const said = refusal('2026-10-25 02:30', 'Europe/Berlin');
    assert.match(said, /2026-10-25T02:30:00\+02:00 or 2026-10-25T02:30:00\+01:00/);
    assert.match(refusal('2026-11-01 01:15', 'America/New_York'), /-04:00 or .*-05:00/);
    // Half an hour is repeated there.
    assert.match(refusal('2026-04-05 01:45', 'Australia/Lord_Howe'), /\+11:00 or .*\+10:30/);
    const later = Date.parse('2026-10-25T12:00:00+01:00');
    assert.match(refusal('02:30', 'Europe/Berlin', later), /showed 2026-10-25 02:30:00 twice/);
    // The edges were shown once.
    assert.equal(resolve('2026-10-25 01:59:59', 'Europe/Berlin').local.slice(-6), '+02:00');
    assert.equal(resolve('2026-10-25 03:00', 'Europe/Berlin').local.slice(-6), '+01:00');
  });

  test('refuses an hour that never came, with both readings', () => {
    const said = refusal('2026-03-29 02:30', 'Europe/Berlin');
    assert.match(said, /2026-03-29T02:30:00\+02:00 \(2026-03-29T01:30:00\+01:00\) or /);
    assert.match(said, /2026-03-29T02:30:00\+01:00 \(2026-03-29T03:30:00\+02:00\)/);
    // Of today, but before the jump: yesterday's is meant.
    const before = Date.parse('2026-03-29T01:00:00+01:00');
    assert.equal(resolve('02:30', 'Europe/Berlin', before).local, '2026-03-28T02:30:00+01:00');
    const after = Date.parse('2026-03-29T09:00:00+02:00');
    assert.match(refusal('02:30', 'Europe/Berlin', after), /never showed/);
  });
});
