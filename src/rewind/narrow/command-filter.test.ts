import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { splitsOf } from '../../../test/support/splits.ts';
import { streamBytes } from '../../../test/support/stream-bytes.ts';
import { CommandReader, DependencyClosure } from '../../commands/index.ts';
import { CommandFilter } from './command-filter.ts';

const START = { offset: 100, database: 0 };

/** What a key of a database needs of these commands, in any cuts the same. */
function filtered(wanted: string, database: number, lines: readonly string[]): Buffer {
  const bytes = streamBytes(...lines);
  const closure = new DependencyClosure();
  new CommandReader(START).push(bytes, 0, bytes.length, (command) => closure.add(command));
  const needed = closure.close((db, key) => db === database && key.toString() === wanted);
  const whole = new CommandFilter(needed, START).push(bytes);
  for (const cuts of splitsOf(bytes.length, 20)) {
    const filter = new CommandFilter(needed, START);
    const ends = [...cuts, bytes.length];
    const pieces = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
    assert.deepEqual(Buffer.concat(pieces.map((piece) => filter.push(piece))), whole);
  }
  return whole;
}

function keeps(wanted: string, database: number, lines: string[], expected: string[]): void {
  const kept = filtered(wanted, database, lines).toString('latin1');
  assert.equal(kept, streamBytes(...expected).toString('latin1'));
}

describe('CommandFilter', () => {
  test('keeps what writes a needed key, and what touches all keys', () => {
    keeps(
      'a',
      0,
      ['SET a 1', 'SET b 1', 'PING', 'FLUSHALL', 'RPUSH b 2', 'COPY b a', 'COPY a c', 'SET a 2'],
      ['SET a 1', 'SET b 1', 'FLUSHALL', 'RPUSH b 2', 'COPY b a', 'SET a 2'],
    );
  });

  test('selects a database only where the next kept command runs in another', () => {
    keeps(
      'a',
      1,
      ['SET a 0', 'SELECT 1', 'SET b 1', 'SELECT 2', 'SET a 2', 'SELECT 1', 'SET a 1', 'INCR a'],
      ['SELECT 1', 'SET a 1', 'INCR a'],
    );
    keeps(
      'a',
      0,
      ['SELECT 3', 'SET a 3', 'SELECT 0', 'SET a 0', 'SELECT 3', 'FLUSHDB', 'SELECT 0', 'INCR a'],
      ['SET a 0', 'SELECT 3', 'FLUSHDB', 'SELECT 0', 'INCR a'],
    );
  });

  test('follows a key through databases that are exchanged', () => {
    keeps(
      'a',
      0,
      ['SELECT 2', 'SET a 2', 'SELECT 1', 'SET a 1', 'SWAPDB 0 1', 'SELECT 2', 'DEL a'],
      ['SELECT 1', 'SET a 1', 'SWAPDB 0 1'],
    );
  });

  test('keeps transactions whole, and none that would be empty', () => {
    const transaction = ['MULTI', 'SET b 1', 'EXEC'];
    keeps(
      'a',
      1,
      [...transaction, 'MULTI', 'SET a 9', 'SELECT 1', 'SET a 1', 'PUBLISH c m', 'SET b 1', 'EXEC']
        .concat(transaction)
        .concat('MULTI', 'EXEC', 'SET a 2'),
      ['MULTI', 'SELECT 1', 'SET a 1', 'EXEC', 'SET a 2'],
    );
  });

  test('keeps functions and scripts of the cache, which commands of other keys may not need', () => {
    const lines = ['FUNCTION LOAD x', 'SCRIPT LOAD y', 'FUNCTION DELETE z'];
    keeps('a', 0, ['SET b 1', ...lines, 'SET b 2'], lines);
  });
});
