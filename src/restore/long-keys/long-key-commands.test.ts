import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hashValue, scoreBits, type ValueModel, zsetValue } from '../../../test/support/model.ts';
import { feedValue } from '../../../test/support/value-feeder.ts';
import { ReplyDecoder, type Reply } from '../../resp/index.ts';
import { LongKeyCommands } from './long-key-commands.ts';

/** The commands that a value becomes; a command has the form of a reply. */
function commandsOf(value: ValueModel): { commands: string[][]; largest: number } {
  const commands: string[][] = [];
  const decoder = new ReplyDecoder((reply) => {
    commands.push((reply as Reply[]).map((part) => (part as Buffer).toString('latin1')));
  });
  let largest = 0;
  const sink = new LongKeyCommands(Buffer.from('tmp'), 9000, (bytes, count) => {
    const before = commands.length;
    decoder.push(Buffer.from(bytes), 0, bytes.length);
    assert.equal(commands.length - before, count, 'the count is that of whole commands');
    largest = Math.max(largest, bytes.length);
  });
  feedValue(sink, value);
  return { commands, largest };
}

const ALIVE = ['PEXPIRE', 'tmp', '9000'];

describe('LongKeyCommands', () => {
  test('begins anew and renews the time to live with every chunk', () => {
    const { commands } = commandsOf({ kind: 'list', items: ['a', '', 'b'] });
    assert.deepEqual(commands, [['UNLINK', 'tmp'], ['RPUSH', 'tmp', 'a', '', 'b'], ALIVE]);
  });

  test('appends the pieces of a string', () => {
    const bytes = 'abc'.repeat(1_000_000);
    const { commands } = commandsOf({ kind: 'string', bytes });
    const appended = commands.filter(([name]) => name === 'APPEND');
    assert.ok(appended.length > 1);
    assert.equal(appended.map(([, , piece]) => piece).join(''), bytes);
  });

  test('keeps chunks of collections bounded, pairs together, nothing lost', () => {
    const fields = Array.from({ length: 5000 }, (_, i) => [`f${i}`, `v${i}`, null] as const);
    const { commands } = commandsOf(hashValue(fields));
    const sets = commands.filter(([name]) => name === 'HSET');
    assert.ok(sets.length > 5);
    assert.ok(sets.every((command) => command.length % 2 === 0 && command.length <= 520));
    assert.deepEqual(
      sets.flatMap((command) => command.slice(2)).sort(),
      fields.flatMap(([field, value]) => [field, value]).sort(),
    );
    const items = Array.from({ length: 40 }, () => 'x'.repeat(100_000));
    const { largest } = commandsOf({ kind: 'list', items });
    assert.ok(largest < 700_000, `${largest} bytes at once`);
  });

  test('writes scores so that they come back to the bit', () => {
    const scores = [0.1, -1e300, 1 / 3, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324];
    const members = scores.map((score, i) => [`m${i}`, scoreBits(score)] as const);
    const { commands } = commandsOf(zsetValue(members));
    const [, , ...pairs] = commands[1] ?? [];
    assert.deepEqual(
      pairs.filter((_, i) => i % 2 === 1),
      ['m0', 'm1', 'm2', 'm3', 'm4', 'm5'],
    );
    const read = pairs
      .filter((_, i) => i % 2 === 0)
      .map((text) =>
        text.endsWith('inf') ? Number(text.replace('inf', 'Infinity')) : Number(text),
      );
    assert.deepEqual(read, scores);
  });

  test('gives a field its expiry after its value', () => {
    const { commands } = commandsOf(
      hashValue([
        ['a', '1', null],
        ['b', '2', 77],
        ['c', '3', null],
      ]),
    );
    assert.deepEqual(commands, [
      ['UNLINK', 'tmp'],
      ['HSET', 'tmp', 'a', '1', 'b', '2'],
      ALIVE,
      ['HPEXPIREAT', 'tmp', '77', 'FIELDS', '1', 'b'],
      ['HSET', 'tmp', 'c', '3'],
      ALIVE,
    ]);
  });

  test('joins the pieces of long elements', () => {
    const long = 'y'.repeat(2_500_000);
    const { commands } = commandsOf({ kind: 'list', items: ['a', long, 'b'] });
    const items = commands.filter(([name]) => name === 'RPUSH').flatMap((parts) => parts.slice(2));
    assert.deepEqual(
      items.map((item) => item.length),
      [1, 2_500_000, 1],
    );
    assert.equal(items[1], long);
  });

  test('knows for which kinds there are commands', () => {
    const kinds = ['string', 'list', 'set', 'hash', 'zset', 'stream', 'array', 'opaque'] as const;
    const possible = kinds.filter((kind) => LongKeyCommands.can(kind));
    assert.deepEqual(possible, ['string', 'list', 'set', 'hash', 'zset']);
  });
});
