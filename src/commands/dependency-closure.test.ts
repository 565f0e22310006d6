import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { streamBytes } from '../../test/support/stream-bytes.ts';
import { CommandReader } from './command-reader.ts';
import { DependencyClosure, type NeededKeys } from './dependency-closure.ts';
import type { StreamCommand } from './stream-command.ts';

function each(lines: readonly string[], use: (command: StreamCommand) => void): void {
  const bytes = streamBytes(...lines);
  new CommandReader({ offset: 0, database: 0 }).push(bytes, 0, bytes.length, use);
}

/** What a key of database 0 needs after these commands. */
function close(wanted: string, ...lines: readonly string[]): NeededKeys {
  const closure = new DependencyClosure();
  each(lines, (command) => closure.add(command));
  return closure.close((database, key) => database === 0 && key.toString() === wanted);
}

/** Of the candidates `a`, `b@5`, those that are needed. */
function needed(keys: NeededKeys, candidates: string): string {
  return candidates
    .split(' ')
    .filter((candidate) => {
      const [key, database = '0'] = candidate.split('@');
      return keys.has(Number(database), Buffer.from(key));
    })
    .join(' ');
}

describe('DependencyClosure', () => {
  test('follows what commands carry from key to key', () => {
    const lines = ['COPY b a', 'SUNIONSTORE b c d', 'RENAME e d', 'COPY a f', 'SET x 1'];
    assert.equal(needed(close('a', ...lines), 'a b c d e f x'), 'a b c d e');
    assert.equal(needed(close('x', ...lines), 'a b c d e f x'), 'x');
    assert.equal(needed(close('e', ...lines), 'a b c d e f x'), 'd e');
  });

  test('follows keys into other databases', () => {
    assert.equal(needed(close('a', 'SELECT 5', 'MOVE a 0'), 'a a@5 b@5'), 'a a@5');
    assert.equal(needed(close('a', 'SELECT 5', 'COPY b a DB 0'), 'a b a@5 b@5'), 'a b@5');
    const swapped = close('a', 'SELECT 3', 'COPY b a', 'SWAPDB 0 1', 'SWAPDB 3 1');
    assert.equal(needed(swapped, 'a b a@1 b@1 b@3 a@2'), 'a b a@1 b@1 b@3');
  });

  test('does not join keys that a command treats one by one', () => {
    assert.equal(needed(close('a', 'DEL a b', 'MSET a 1 c 1', 'UNLINK a d'), 'a b c d'), 'a');
    assert.equal(needed(close('a', 'MSETNX a 1 c 1'), 'a c'), 'a c');
  });

  test('joins many keys of one command without linking each with each', () => {
    const many = Array.from({ length: 1000 }, (_, index) => `k${index}`);
    const closure = new DependencyClosure();
    each([`MSETNX ${many.map((key) => `${key} v`).join(' ')}`], (command) => closure.add(command));
    assert.ok(closure.links < 3000);
    const keys = closure.close((_, key) => key.toString() === 'k7');
    assert.equal(needed(keys, 'k0 k7 k999 k1000 k0@1'), 'k0 k7 k999');
    assert.equal([...keys.named()].length, 1000);
    const none = closure.close((_, key) => key.toString() === 'other');
    assert.equal([...none.named()].length, 0);
  });

  test('joins the streams of an XREADGROUP, whose groups it changes', () => {
    const keys = close('a', 'XREADGROUP GROUP g c STREAMS a b > >');
    assert.equal(needed(keys, 'a b c'), 'a b');
  });

  test('needs everything for what nobody can follow', () => {
    for (const line of [
      'EVAL script 1 z',
      'JSON.SET z $ 1',
      'RREPLAY uuid x',
      'KEYDB.CRON z REPEAT 0 1 x',
      'SORT z BY w_* STORE y',
      'SORT z GET o_* STORE y',
    ]) {
      const keys = close('a', line);
      assert.equal(keys.isEverything, true, line);
      assert.equal(needed(keys, 'a q r@7'), 'a q r@7');
    }
    assert.equal(close('a', 'SORT z BY nosort GET # STORE y').isEverything, false);
    assert.equal(close('a', 'FLUSHALL', 'FUNCTION LOAD x').isEverything, false);
  });

  test('keeps the commands that write a needed key, or any', () => {
    const lines = 'SET a 1,SET x 1,COPY b a,COPY a x,DEL x a,FLUSHDB,MULTI,EXEC,LPUSH b 1,SORT a'
      .split(',')
      .concat('XREADGROUP GROUP g c STREAMS a >');
    const keys = close('a', ...lines);
    const kept: string[] = [];
    each(lines, (command) => {
      if (keys.keeps(command)) kept.push(command.name);
    });
    assert.equal(kept.join(' '), 'SET COPY DEL FLUSHDB MULTI EXEC LPUSH XREADGROUP');
  });
});
