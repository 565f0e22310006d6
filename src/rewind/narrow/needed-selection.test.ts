import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { streamBytes } from '../../../test/support/stream-bytes.ts';
import { CommandReader, DependencyClosure } from '../../commands/index.ts';
import type { EntrySelection } from '../../entries/index.ts';
import { baseSelectionFor, canNarrow, wantedKeys } from './needed-selection.ts';

const bytes = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text));

/** The selection of the base, its bytes as text. */
function baseFor(selection: EntrySelection, ...lines: string[]): Record<string, unknown> {
  const closure = new DependencyClosure();
  const stream = streamBytes(...lines);
  const reader = new CommandReader({ offset: 0, database: 0 });
  reader.push(stream, 0, stream.length, (command) => closure.add(command));
  const { keys, match, ...rest } = baseSelectionFor(
    selection,
    closure.close(wantedKeys(selection)),
  );
  return {
    ...rest,
    ...(keys && { keys: keys.map(String).sort() }),
    ...(match && { match: match.map(String) }),
  };
}

test('canNarrow: keys, globs or databases, but not every key', () => {
  assert.ok(canNarrow({ keys: [] }));
  assert.ok(canNarrow({ match: bytes('a*') }));
  assert.ok(canNarrow({ databases: [0] }));
  assert.ok(canNarrow({ databases: [0], match: bytes('*') }));
  assert.ok(!canNarrow({ match: bytes('a*', '*') }));
  assert.ok(!canNarrow({ types: ['hash'], exclude: bytes('a') }));
  assert.ok(!canNarrow({}));
});

test('wantedKeys goes by names and databases, never by types', () => {
  const wants = wantedKeys({ match: bytes('a*'), exclude: bytes('ab'), types: ['hash'] });
  assert.ok(wants(3, Buffer.from('ac')) && !wants(3, Buffer.from('ab')));
  assert.ok(!wants(3, Buffer.from('b')));
  assert.ok(!wantedKeys({ databases: [1] })(0, Buffer.from('a')));
});

describe('baseSelectionFor', () => {
  test('adds the keys that the wanted ones depend on', () => {
    const selection = { keys: bytes('a'), types: ['set' as const], exclude: bytes('x') };
    assert.deepEqual(baseFor(selection, 'SET a 1', 'SET b 1'), { keys: ['a'] });
    assert.deepEqual(baseFor(selection, 'SUNIONSTORE a x b', 'COPY a d'), {
      keys: ['a', 'b', 'x'],
    });
    assert.deepEqual(baseFor({ match: bytes('a*') }, 'RENAME b a1'), {
      keys: ['a1', 'b'],
      match: ['a*'],
    });
  });

  test('adds the databases that they come from', () => {
    const selection = { keys: bytes('a'), databases: [0] };
    assert.deepEqual(baseFor(selection, 'SET a 1'), { databases: [0], keys: ['a'] });
    assert.deepEqual(baseFor(selection, 'SELECT 5', 'MOVE a 0'), {
      databases: [0, 5],
      keys: ['a'],
    });
    assert.deepEqual(baseFor(selection, 'SWAPDB 0 4', 'SELECT 9', 'COPY b a DB 4'), {
      databases: [0, 4, 9],
      keys: ['a', 'b'],
    });
    assert.deepEqual(baseFor({ databases: [2] }, 'SWAPDB 2 3'), { databases: [2, 3] });
  });
});
