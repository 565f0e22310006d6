import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, test } from 'node:test';
import type { EntrySelection } from '../../entries/index.ts';
import type { RedisConnection } from '../../redis/index.ts';
import type { CommandArg, Reply } from '../../resp/index.ts';
import { listKeys, readPage, scanArguments } from './key-pages.ts';
import { groupKeys } from './key-reader.ts';

describe('scanArguments', () => {
  const [a, b] = [Buffer.from('a*'), Buffer.from('b*')];
  const rows: readonly (readonly [string, EntrySelection, readonly unknown[]])[] = [
    ['nothing', {}, []],
    ['a single pattern', { match: [a] }, ['MATCH', a]],
    ['no two patterns', { match: [a, b] }, []],
    ['no pattern beside keys', { keys: [b], match: [a] }, []],
    ['no exclusion', { exclude: [a] }, []],
    ['a single type', { types: ['zset'] }, ['TYPE', 'zset']],
    ['no two types', { types: ['zset', 'set'] }, []],
    ['no type that servers call otherwise', { types: ['module'] }, []],
    ['pattern and type', { match: [a], types: ['list'] }, ['MATCH', a, 'TYPE', 'list']],
  ];
  for (const [what, selection, expected] of rows) {
    test(`leaves to the server: ${what}`, () => {
      const args = scanArguments({ selection, scanType: true });
      assert.deepEqual(args.slice(2), expected);
    });
  }

  test('asks no server before 6.0 for a type', () => {
    const args = scanArguments({ selection: { types: ['zset'] }, scanType: false });
    assert.deepEqual(args.slice(2), []);
  });
});

describe('readPage', () => {
  test('reads cursor and items, and rejects anything else', () => {
    const item = Buffer.from('k');
    assert.deepEqual(readPage([Buffer.from('17'), [item]]), ['17', [item]]);
    const big = '18446744073709551615';
    assert.deepEqual(readPage([Buffer.from(big), []]), [big, []]);
    for (const bad of [null, [], ['0'], ['x', []], ['0', null], ['0', [1]]]) {
      assert.throws(() => readPage(bad), { code: 'SOURCE_GARBAGE' });
    }
  });
});

describe('groupKeys', () => {
  test('keeps a transaction short in keys and bytes', () => {
    const keys = (count: number, bytes: number) =>
      Array.from({ length: count }, (_, i) => ({ key: Buffer.from(`${i}`), bytes, isBig: false }));
    const sizes = (groups: Buffer[][]) => groups.map((group) => group.length);
    assert.deepEqual(sizes(groupKeys(keys(130, 10))), [64, 64, 2]);
    assert.deepEqual(sizes(groupKeys(keys(5, 100 << 10))), [2, 2, 1]);
    assert.deepEqual(sizes(groupKeys(keys(2, 5 << 20))), [1, 1]);
    assert.deepEqual(groupKeys([]), []);
  });
});

/** A connection that only lists, page by page. */
function listing(pages: readonly (readonly string[])[]): RedisConnection {
  const answer = async (args: readonly CommandArg[]): Promise<Reply> => {
    if (args[0] === 'DBSIZE') return 1;
    assert.equal(args[0], 'SCAN');
    const page = Number(args[1]);
    const next = page + 1 === pages.length ? 0 : page + 1;
    return [Buffer.from(`${next}`), pages[page].map((key) => Buffer.from(key))];
  };
  return { attempt: answer } as unknown as RedisConnection;
}

describe('listKeys', () => {
  test('gives every key once, however often it is listed, and counts the repeated ones', async () => {
    const pages = [['a', 'b', 'a'], [], ['c', 'b'], ['', 'd', 'a'], ['']];
    let duplicates = 0;
    const options = {
      selection: {},
      scanType: true,
      tempFolder: tmpdir(),
      onDuplicates: (count: number) => (duplicates += count),
    };
    const listed: string[] = [];
    for await (const page of listKeys(listing(pages), options)) listed.push(...page.map(String));
    assert.deepEqual(listed.sort(), ['', 'a', 'b', 'c', 'd']);
    assert.equal(duplicates, 4);
  });

  test('asks for exact keys without listing, each once', async () => {
    const keys = ['a', 'b', 'a'].map((key) => Buffer.from(key));
    const options = { selection: { keys }, scanType: true, tempFolder: '', onDuplicates: () => {} };
    const pages: string[][] = [];
    for await (const page of listKeys(listing([]), options)) pages.push(page.map(String));
    assert.deepEqual(pages, [['a', 'b']]);
  });
});
