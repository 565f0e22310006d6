import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { splitsOf } from '../../test/support/splits.ts';
import { encodeCommand, streamBytes } from '../../test/support/stream-bytes.ts';
import { isCoded } from '../base/index.ts';
import { CommandReader } from './command-reader.ts';
import { readRelayed } from './relayed-commands.ts';

function read(bytes: Buffer, cuts: readonly number[] = [], reader = newReader()): string[] {
  const commands: string[] = [];
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    // Copied, as what is read is the reader's only during the call.
    const piece = Buffer.from(bytes.subarray(from, to));
    reader.push(piece, 0, piece.length, (command) => {
      const args = Array.from({ length: command.argc }, (_, i) => command.arg(i).toString());
      const { offset, database, inTransaction, name, start, end } = command;
      const again = Buffer.from(command.bytes.subarray(start, end));
      assert.ok(again.equals(bytes.subarray(offset, offset + again.length)));
      commands.push(`${offset} ${database}${inTransaction ? 't' : ''} ${name}: ${args.join('|')}`);
    });
    piece.fill(0);
    from = to;
  }
  return commands;
}

function newReader(): CommandReader {
  return new CommandReader({ offset: 0, database: 3 });
}

describe('CommandReader', () => {
  test('hands out commands with offset, database, transaction and name', () => {
    const lines = [
      'set a 1',
      'SELECT 5',
      'multi',
      'SELECT 6',
      'XGROUP create s g',
      'EXEC',
      'FOO é',
    ];
    assert.deepEqual(read(streamBytes(...lines)), [
      '0 3 SET: set|a|1',
      '27 3 SELECT: SELECT|5',
      '50 5t MULTI: multi',
      '65 5t SELECT: SELECT|6',
      '88 6t XGROUP CREATE: XGROUP|create|s|g',
      '130 6t EXEC: EXEC',
      '144 6 FOO: FOO|é',
    ]);
  });

  test('names what it does not know, and containers without a subcommand', () => {
    const names = read(
      streamBytes(
        'json.set k',
        'XGROUP',
        'Xgroup Foo k',
        Buffer.from('*1\r\n$2\r\n\xff\0\r\n', 'latin1'),
      ),
    ).map((line) => /^\d+ 3 (.*?): /.exec(line)?.[1]);
    assert.deepEqual(names, ['JSON.SET', 'XGROUP', 'XGROUP FOO', String.raw`\xff\x00`]);
  });

  test('reads the same however the bytes are cut', () => {
    const bytes = streamBytes(
      'SELECT 11',
      encodeCommand(['SET', 'k', '*1\r\n$8\r\nFLUSHALL\r\n']),
      encodeCommand(['SET', '', '']),
      Buffer.from('\n\n'),
      'MULTI',
      'XGROUP CREATE s g $',
      'SELECT 0',
      'EXEC',
      encodeCommand(['MSET', ...Array.from({ length: 40 }, (_, i) => `k${i}`)]),
      encodeCommand(['SET', 'big', 'x'.repeat(3000)]),
      Buffer.from('\n'),
    );
    const whole = read(bytes);
    assert.equal(whole.length, 9);
    for (let cut = 1; cut < bytes.length; cut += 1) {
      assert.deepEqual(read(bytes, [cut]), whole, `cut at ${cut}`);
    }
    for (const cuts of splitsOf(bytes.length, 20)) assert.deepEqual(read(bytes, cuts), whole);
  });

  test('hands over a command where it lies, and knows how far it came', () => {
    const bytes = streamBytes('SET a 1', 'SET b 2');
    const reader = newReader();
    let inPlace = 0;
    reader.push(bytes, 0, 40, (command) => {
      if (command.bytes.buffer === bytes.buffer) inPlace++;
    });
    assert.equal(inPlace, 1);
    assert.equal(reader.offset, 27);
    assert.equal(reader.isWithinCommand, true);
    reader.push(bytes, 40, bytes.length, () => {});
    assert.equal(reader.offset, bytes.length);
    assert.equal(reader.isWithinCommand, false);
  });

  test('hands over what is whole before it refuses the rest', () => {
    const bytes = streamBytes('SET a 1', 'SET b 2', Buffer.from('PING\r\n'));
    for (const cuts of splitsOf(bytes.length, 4)) {
      const reader = newReader();
      assert.throws(
        () => read(bytes, cuts, reader),
        (error) => isCoded(error, 'STREAM_CORRUPT') && error.offset === 54,
      );
      assert.equal(reader.offset, 54);
    }
  });
});

describe('readRelayed', () => {
  test('hands over what a relay carries, in its database', () => {
    const inner = streamBytes('SET a 1', 'SELECT 2', 'DEL a');
    const seen: string[] = [];
    const relay = (bytes: Buffer): boolean => {
      let whole = false;
      newReader().push(bytes, 0, bytes.length, (command) => {
        whole = readRelayed(command, ({ name, database }) => seen.push(`${name} ${database}`));
      });
      return whole;
    };
    assert.equal(relay(encodeCommand(['RREPLAY', 'u', inner, '9', '1'])), true);
    assert.equal(relay(encodeCommand(['RREPLAY', 'u', inner.subarray(0, 30)])), false);
    assert.equal(relay(encodeCommand(['RREPLAY', 'u', 'PING'])), false);
    assert.equal(relay(encodeCommand(['RREPLAY'])), false);
    assert.deepEqual(seen, ['SET 9', 'SELECT 9', 'DEL 2', 'SET 3']);
  });
});
