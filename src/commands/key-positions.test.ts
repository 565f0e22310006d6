import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CommandReader } from './command-reader.ts';
import { keyPositions, slotRanges } from './key-positions.ts';
import { encodeCommand } from '../../test/support/stream-bytes.ts';

/** `'RW:k 5'`: what is done with each key, and its database where it is not 0. */
function keysOf(line: string): string {
  return withCommand(line, (command) => {
    const found = keyPositions(command);
    if (typeof found === 'string') return found;
    return found
      .map(({ index, access, database }) => {
        const where = database === 0 ? '' : `@${database}`;
        return `${access}:${command.arg(index).toString()}${where}`;
      })
      .join(' ');
  });
}

function withCommand<T>(line: string, use: (command: Parameters<typeof keyPositions>[0]) => T): T {
  const bytes = encodeCommand(line.split(' ').map((word) => (word === '""' ? '' : word)));
  let result: T | undefined;
  new CommandReader({ offset: 0, database: 0 }).push(bytes, 0, bytes.length, (command) => {
    result = use(command);
  });
  return result as T;
}

describe('keyPositions', () => {
  const table: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
    ranges: [
      ['set k v', 'RW:k'],
      ['DEL a b c', 'RM:a RM:b RM:c'],
      ['MSET a 1 b 2', 'OW:a OW:b'],
      ['BITOP NOT d a b', 'OW:d RO:a RO:b'],
      ['PFMERGE d a b', 'RW:d RO:a RO:b'],
      ['BLPOP a b 0', 'RW:a RW:b'],
      ['RENAME a b', 'RW:a OW:b'],
      ['LMOVE a b LEFT RIGHT', 'RW:a RW:b'],
      ['XGROUP CREATE s g $', 'RW:s'],
      ['SINTERSTORE d a b', 'OW:d RO:a RO:b'],
      ['ZRANGESTORE d s 0 -1', 'OW:d RO:s'],
      ['GET', 'everything'],
      ['SET', ''],
    ],
    numkeys: [
      ['EVAL script 2 a b arg', 'RW:a RW:b'],
      ['EVALSHA abc 0 arg', ''],
      ['LMPOP 2 a b LEFT', 'RW:a RW:b'],
      ['BZMPOP 0 1 z MIN', 'RW:z'],
      ['MSETEX 2 a 1 b 2 PXAT 5', 'OW:a OW:b'],
      ['MSETEX 3 a 1 b 2', ''],
      ['EVAL script x a', ''],
      ['EVAL script 99999999 a', ''],
    ],
    dest_numkeys: [
      ['ZUNIONSTORE d 2 a b WEIGHTS 1 2', 'OW:d RO:a RO:b'],
      ['ZDIFFSTORE d 3 a b', ''],
    ],
    sort_store: [
      ['SORT l', 'RO:l'],
      ['SORT l BY STORE GET STORE store d', 'RO:l OW:d'],
      ['SORT l LIMIT 0 STORE STORE a STORE b', 'RO:l OW:b'],
      ['SORT l STORE', 'RO:l'],
    ],
    georadius_store: [
      ['GEORADIUS g 0 0 9 km STORE a STOREDIST b', 'RO:g OW:b'],
      ['GEORADIUS g 0 0 9 km ASC', 'RO:g'],
      ['GEORADIUSBYMEMBER g STORE 9 km STORE d', 'RO:g OW:d'],
    ],
    migrate: [
      ['MIGRATE h 1 k 0 9', 'RW:k'],
      ['MIGRATE h 1 "" 0 9 AUTH KEYS KEYS a b', 'RW:a RW:b'],
      ['MIGRATE h 1 "" 0 9 COPY AUTH2 KEYS pw KEYS a', 'RW:a'],
      ['MIGRATE h 1 ""', ''],
    ],
    streams_half: [
      ['XREADGROUP GROUP STREAMS c STREAMS a b > 0', 'RO:a RO:b'],
      ['XREADGROUP GROUP g STREAMS COUNT 1 STREAMS a 0', 'RO:a'],
      ['XREADGROUP GROUP g c STREAMS a', ''],
    ],
    databases: [
      ['MOVE k 5', 'RM:k OW:k@5'],
      ['COPY a b', 'RO:a OW:b'],
      ['COPY a b REPLACE DB 7', 'RO:a OW:b@7'],
    ],
    none: [
      ['PING', 'none'],
      ['PUBLISH c m', 'none'],
      ['FUNCTION LOAD x', 'none'],
      ['REPLCONF GETACK *', 'none'],
    ],
    everything: [
      ['FLUSHALL', 'everything'],
      ['SWAPDB 0 1', 'everything'],
      ['TRIMSLOTS RANGES 1 0 5', 'everything'],
      ['RREPLAY u x', 'everything'],
      ['JSON.SET k $ 1', 'everything'],
    ],
  };
  for (const [rule, rows] of Object.entries(table)) {
    test(`finds keys by the rule ${rule}`, () => {
      for (const [line, keys] of rows) assert.equal(keysOf(line), keys, line);
    });
  }
});

describe('slotRanges', () => {
  test('reads each form', () => {
    const table: readonly [string, number[][]][] = [
      [
        'TRIMSLOTS RANGES 2 0 5 100 16383',
        [
          [0, 5],
          [100, 16383],
        ],
      ],
      ['SFLUSH 7 9', [[7, 9]]],
      ['CLUSTER FLUSHSLOT 12', [[12, 12]]],
      ['CLUSTER FLUSHSLOT', []],
      ['TRIMSLOTS RANGES 1 x 5', []],
    ];
    for (const [line, ranges] of table) {
      const found = withCommand(line, slotRanges);
      assert.deepEqual(
        found.map(({ first, last }) => [first, last]),
        ranges,
        line,
      );
    }
  });
});
