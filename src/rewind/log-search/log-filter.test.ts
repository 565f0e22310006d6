import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeCommand } from '../../../test/support/stream-bytes.ts';
import { CommandReader } from '../../commands/index.ts';
import { type LogFilter, type Touch, WantedCommands } from './log-filter.ts';

function touchOf(line: string, filter: LogFilter, database = 0): Touch | null {
  const bytes = encodeCommand(line.split(' '));
  let touch: Touch | null = null;
  new CommandReader({ offset: 0, database }).push(bytes, 0, bytes.length, (command) => {
    touch = new WantedCommands(filter).touchOf(command);
  });
  return touch;
}

const KEYS: LogFilter = { keys: [Buffer.from('cart:7')] };
const GLOB: LogFilter = { match: [Buffer.from('cart:*')] };

describe('WantedCommands', () => {
  test('takes everything but control commands when nothing is asked', () => {
    for (const line of ['SET a 1', 'FLUSHALL', 'PUBLISH c m', 'FUNCTION LOAD x', 'JSON.SET a']) {
      assert.notEqual(touchOf(line, {}), null, line);
    }
    for (const line of ['PING', 'SELECT 1', 'MULTI', 'EXEC', 'REPLCONF GETACK *']) {
      assert.equal(touchOf(line, {}), null, line);
    }
  });

  test('finds commands by their name, containers with all their subcommands', () => {
    assert.equal(touchOf('del a', { commands: ['DEL'] }), 'named');
    assert.equal(touchOf('SET a 1', { commands: ['DEL'] }), null);
    assert.equal(touchOf('XGROUP CREATE s g $', { commands: ['XGROUP'] }), 'named');
    assert.equal(touchOf('XGROUP CREATE s g $', { commands: ['XGROUP SETID'] }), null);
    assert.equal(touchOf('PING', { commands: ['PING'] }), 'named');
    assert.equal(new WantedCommands({ commands: ['PING'] }).includesControls, true);
    assert.equal(new WantedCommands({ commands: ['SET'] }).includesControls, false);
  });

  test('finds commands by the keys that they name', () => {
    for (const filter of [KEYS, GLOB]) {
      assert.equal(touchOf('SET cart:7 x', filter), 'named');
      assert.equal(touchOf('SET x cart:7', filter), null);
      assert.equal(touchOf('RENAME old cart:7', filter), 'named');
      assert.equal(touchOf('MSET a cart:7 b 1', filter), null);
      assert.equal(touchOf('PUBLISH cart:7 m', filter), null);
    }
    assert.equal(touchOf('SET cart:8 x', KEYS), null);
    assert.equal(touchOf('SET cart:8 x', GLOB), 'named');
  });

  test('finds what touches every key, or may', () => {
    const table: readonly [string, Touch | null][] = [
      ['FLUSHALL', 'all'],
      ['FLUSHDB', 'all'],
      ['SWAPDB 0 1', 'all'],
      ['TRIMSLOTS RANGES 1 0 16383', 'all'],
      ['EVAL script 1 cart:7', 'named'],
      ['EVAL script 1 other', 'perhaps'],
      ['EVAL script 0', 'perhaps'],
      ['JSON.SET cart:7 $ 1', 'named'],
      ['JSON.SET other $ 1', 'perhaps'],
      ['RREPLAY uuid garbage', 'perhaps'],
    ];
    for (const [line, touch] of table) assert.equal(touchOf(line, KEYS), touch, line);
    // 12182 is the slot of "foo".
    const foo: LogFilter = { keys: [Buffer.from('foo')] };
    assert.equal(touchOf('TRIMSLOTS RANGES 2 0 5 12182 12182', foo), 'all');
    assert.equal(touchOf('TRIMSLOTS RANGES 1 0 5', foo), null);
    assert.equal(touchOf('CLUSTER FLUSHSLOT 12182', foo), 'all');
  });

  test('goes by the databases that a command touches', () => {
    const filter: LogFilter = { databases: [5] };
    assert.equal(touchOf('SET a 1', filter), null);
    assert.equal(touchOf('SET a 1', filter, 5), 'named');
    assert.equal(touchOf('FLUSHALL', filter), 'all');
    assert.equal(touchOf('FLUSHDB', filter), null);
    assert.equal(touchOf('FLUSHDB', filter, 5), 'all');
    assert.equal(touchOf('SWAPDB 5 1', filter), 'all');
    assert.equal(touchOf('SWAPDB 0 1', filter), null);
    assert.equal(touchOf('MOVE a 5', filter), 'named');
    assert.equal(touchOf('COPY a b DB 5', { ...filter, keys: [Buffer.from('b')] }), 'named');
    assert.equal(touchOf('COPY a b DB 5', { ...filter, keys: [Buffer.from('a')] }), null);
  });
});
