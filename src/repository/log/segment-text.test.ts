import assert from 'node:assert/strict';
import { test } from 'node:test';
import { command, NOON } from '../../../test/fakes/sample-log.ts';
import { SegmentText, type TextBlock } from './segment-text.ts';

const PING = command('PING');

function textOf(blocks: readonly TextBlock[]): string {
  return blocks.map(({ text }) => text.toString('latin1')).join('');
}

test('SegmentText merges arrival times so that none is too early', () => {
  const text = new SegmentText({ offset: 0, database: 0 }, 8);
  const blocks: TextBlock[] = [];
  for (let i = 0; i < 50; i++) blocks.push(...text.push(PING, NOON + i));
  assert.deepEqual(blocks, [], 'far less than a block');
  assert.ok(text.times.length <= 8);
  for (const [i, { offset, ms }] of text.times.entries()) {
    const next = text.times[i + 1]?.offset ?? 50 * PING.length;
    assert.ok(offset % PING.length === 0 && next > offset);
    assert.equal(ms, NOON + next / PING.length - 1, 'when the last of them came');
  }
});

test('SegmentText never annotates a second twice, nor one before the last', () => {
  const text = new SegmentText({ offset: 0, database: 12 });
  const blocks: TextBlock[] = [];
  for (const ms of [1000, 1999, 500, 2000, 1500, 4000]) blocks.push(...text.push(PING, NOON + ms));
  blocks.push(...text.end());
  const second = NOON / 1000;
  const ping = PING.toString('latin1');
  const expected = [
    '*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n',
    `#TS:${second + 1}\r\n${ping.repeat(3)}`,
    `#TS:${second + 2}\r\n${ping.repeat(2)}`,
    `#TS:${second + 4}\r\n${ping}`,
  ];
  assert.equal(textOf(blocks), expected.join(''));
  assert.deepEqual(
    text.times.map(({ ms }) => ms - NOON),
    [1000, 1999, 2000, 4000],
  );
});
