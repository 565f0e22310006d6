import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Command } from 'commander';
import { addSelectionOptions, parseText, selectionOf } from './selection-options.ts';

function select(...args: string[]) {
  const command = addSelectionOptions(new Command()).exitOverride();
  return selectionOf(command.parse(args, { from: 'user' }).opts());
}

describe('selectionOf', () => {
  test('restricts nothing when no option is given', () => {
    assert.deepEqual(select(), {});
  });

  test('collects repeated options and lists', () => {
    assert.deepEqual(select('--db', '3,0', '--db', '0', '--type', 'hash,ZSET', '--type', 'set'), {
      databases: [0, 3],
      types: ['hash', 'zset', 'set'],
    });
    assert.deepEqual(select('--key', 'a', '--key', 'b,c', '--match', 'u:*', '--exclude', '*:x'), {
      keys: [Buffer.from('a'), Buffer.from('b,c')],
      match: [Buffer.from('u:*')],
      exclude: [Buffer.from('*:x')],
    });
  });

  test('refuses unknown types and databases', () => {
    assert.throws(() => select('--type', 'hashes'), { code: 'USAGE', message: /'hashes'/ });
    assert.throws(() => select('--db', 'x'), { code: 'USAGE' });
  });
});

describe('parseText', () => {
  test('takes text as UTF-8, base64: as bytes, text: as an escape', () => {
    assert.deepEqual(parseText('ключ'), Buffer.from('ключ'));
    assert.deepEqual(parseText('base64:AP8='), Buffer.from([0, 255]));
    assert.deepEqual(parseText('base64:AP8'), Buffer.from([0, 255]));
    assert.deepEqual(parseText('text:base64:AP8='), Buffer.from('base64:AP8='));
    assert.deepEqual(parseText(''), Buffer.alloc(0));
  });

  test('refuses what is no base64', () => {
    for (const text of ['base64:no!', 'base64:A', 'base64:A B']) {
      assert.throws(() => parseText(text), { code: 'USAGE' }, text);
    }
  });
});
