import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { splitsOf } from '../../test/support/splits.ts';
import { encodeCommand, streamBytes } from '../../test/support/stream-bytes.ts';
import { isCoded } from '../base/index.ts';
import { type NotableEvent, StreamScanner } from './stream-scanner.ts';

function scan(bytes: Buffer, cuts: readonly number[] = [], offset = 0) {
  const scanner = new StreamScanner({ offset, database: 3 });
  const events: NotableEvent[] = [];
  scanner.onNotable = (event) => events.push(event);
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    scanner.push(bytes, from, to);
    from = to;
  }
  return { scanner, events };
}

/** All that a scanner tells. */
function told({ scanner, events }: ReturnType<typeof scan>) {
  const { offset, boundary, boundaryDatabase, cut, cutDatabase, inTransaction } = scanner;
  const { total, keepalives, commands, verbatimScripts } = scanner;
  return {
    position: { offset, boundary, boundaryDatabase, cut, cutDatabase, inTransaction },
    tally: { total, keepalives, commands, verbatimScripts },
    events,
  };
}

describe('StreamScanner', () => {
  test('knows boundaries, cuts and databases', () => {
    const before = streamBytes('SELECT 7', 'set a 1');
    const begun = streamBytes('MULTI', 'SET b 2', 'sElEcT 12');
    const ended = streamBytes('EXEC');
    const bytes = Buffer.concat([before, begun, ended, streamBytes('SET c 3').subarray(0, 11)]);
    const { scanner } = scan(bytes, [], 1000);
    const cut = 1000 + before.length + begun.length + ended.length;
    assert.equal(scanner.cut, cut);
    assert.equal(scanner.boundary, cut);
    assert.equal(scanner.cutDatabase, 12);
    assert.equal(scanner.offset, 1000 + bytes.length);
    assert.equal(scanner.commands, 2);
    assert.equal(scanner.total, 6);

    const open = scan(Buffer.concat([before, begun]), [], 1000).scanner;
    assert.equal(open.inTransaction, true);
    assert.equal(open.boundary, 1000 + before.length + begun.length);
    assert.equal(open.boundaryDatabase, 12);
    assert.equal(open.cut, 1000 + before.length);
    assert.equal(open.cutDatabase, 7);
  });

  test('changes the database only at the end of its SELECT', () => {
    const select = streamBytes('SELECT 5');
    const { scanner } = scan(select.subarray(0, select.length - 1));
    assert.equal(scanner.boundaryDatabase, 3);
    scanner.push(select, select.length - 1, select.length);
    assert.equal(scanner.boundaryDatabase, 5);
  });

  test('counts keepalive newlines as bytes and nothing else', () => {
    const bytes = streamBytes(Buffer.from('\n\n'), 'PING', Buffer.from('\n'), 'SET a 1');
    const { scanner } = scan(bytes);
    assert.equal(scanner.cut, bytes.length);
    assert.equal(scanner.total, 2);
    assert.equal(scanner.keepalives, 1);
  });

  test('tells of GETACK, marks, scripts and unknown commands where they lie', () => {
    const lines = [
      'replconf getack *',
      'REPLCONF ACK 1',
      'PING',
      'SELECT 2',
      'flushall',
      'MULTI',
      'FLUSHDB ASYNC',
      'EXEC',
      'SWAPDB 0 1',
      'Function load x',
      'FUNCTION STATS',
      'SCRIPT FLUSH',
      'eval x 1 k',
      'TRIMSLOTS RANGES 1 0 9',
      'CLUSTER syncslots CONF',
      'cluster setslot 1',
      'CLUSTER',
      'json.set k $ 1',
      'XGROUP CREATE s g 0',
      'FLUSHDBS',
    ];
    const { scanner, events } = scan(streamBytes(...lines));
    assert.deepEqual(
      events.map(({ kind, mark, name, database, inTransaction }) =>
        [kind, mark ?? '-', name, database, inTransaction ? 'multi' : ''].join(' ').trim(),
      ),
      [
        'getack - REPLCONF 3',
        'mark FLUSHALL FLUSHALL 2',
        'mark FLUSHDB FLUSHDB 2 multi',
        'mark SWAPDB SWAPDB 2',
        'mark FUNCTION FUNCTION LOAD 2',
        'unknown - FUNCTION STATS 2',
        'mark SCRIPT SCRIPT FLUSH 2',
        'script - EVAL 2',
        'mark TRIMSLOTS TRIMSLOTS 2',
        'mark CLUSTER CLUSTER SYNCSLOTS 2',
        'unknown - CLUSTER 2',
        'unknown - JSON.SET 2',
        'unknown - FLUSHDBS 2',
      ],
    );
    const flush = events[1];
    const before = streamBytes(...lines.slice(0, 4)).length;
    assert.equal(flush.startOffset, before);
    assert.equal(flush.endOffset, before + streamBytes('flushall').length);
    assert.equal(scanner.verbatimScripts, 1);
    assert.equal(scanner.keepalives, 3);
  });

  test('looks into what a relay carries', () => {
    const inner = streamBytes('SET a 1', 'FLUSHALL', 'SELECT 9', 'FLUSHDB', 'newcmd x');
    const relay = encodeCommand(['RREPLAY', 'uuid', inner, '4', '17']);
    const twice = encodeCommand(['rreplay', 'uuid', encodeCommand(['RREPLAY', 'u', inner])]);
    const broken = encodeCommand(['RREPLAY', 'uuid', inner.subarray(0, 20)]);
    const garbage = encodeCommand(['RREPLAY', 'uuid', 'PING\r\n', '4']);
    for (const cuts of splitsOf(relay.length, 3)) {
      const { scanner, events } = scan(relay, cuts);
      assert.deepEqual(
        events.map(({ name, database }) => `${name} ${database}`),
        ['FLUSHALL 4', 'FLUSHDB 9', 'NEWCMD 9'],
      );
      for (const { startOffset, endOffset } of events) {
        assert.deepEqual([startOffset, endOffset], [0, relay.length]);
      }
      assert.equal(scanner.cutDatabase, 3);
      assert.equal(scanner.commands, 1);
    }
    assert.deepEqual(
      scan(twice).events.map(({ name }) => name),
      ['FLUSHALL', 'FLUSHDB', 'NEWCMD'],
    );
    for (const bytes of [broken, garbage, encodeCommand(['RREPLAY', 'x'])]) {
      assert.deepEqual(
        scan(bytes).events.map(({ kind, name }) => `${kind} ${name}`),
        ['unknown RREPLAY'],
      );
    }
  });

  test('tells the same however the bytes are cut', () => {
    const bytes = streamBytes(
      'SELECT 11',
      encodeCommand(['SET', 'k', Buffer.from('*1\r\n$8\r\nFLUSHALL\r\n')]),
      encodeCommand(['SET', '', '']),
      'MULTI',
      'XGROUP CREATE s g $',
      'SELECT 0',
      'EXEC',
      Buffer.from('\n'),
      'REPLCONF GETACK *',
      'FLUSHALL',
      encodeCommand(['SET', 'big', Buffer.alloc(3000, 'x')]),
      'EVALSHA abc 0',
    );
    const whole = told(scan(bytes));
    assert.equal(whole.position.cut, bytes.length);
    for (let cut = 1; cut < bytes.length; cut++) {
      assert.deepEqual(told(scan(bytes, [cut])), whole, `cut at ${cut}`);
    }
    for (const cuts of splitsOf(bytes.length, 20)) {
      assert.deepEqual(told(scan(bytes, cuts)), whole, `cut at ${cuts.slice(0, 9).join()}`);
    }
  });

  test('refuses what is no command, with its offset, and keeps its last boundary', () => {
    const good = streamBytes('SELECT 1', 'SET a 1');
    const table: readonly [string, number][] = [
      ['PING\r\n', 0],
      ['\r\n', 0],
      ['*0\r\n', 3],
      ['*-1\r\n', 1],
      ['*\r\n', 1],
      ['*01\r\n', 2],
      ['*1\n', 2],
      ['*3000000000\r\n', 12],
      ['*99999999999\r\n', 11],
      ['*1\r\n+OK\r\n', 4],
      ['*1\r\n$-1\r\n', 5],
      ['*1\r\n$4\r\nPINGS', 12],
      ['*1\r\n$4\r\nPING\rx', 13],
      ['*1\r\n$0\r\n\r\n', 8],
      ['*1\r\n$300\r\n', 10],
      ['*2\r\n$3\r\nSET\r\n$5000000000\r\n', 25],
      ['*2\r\n$6\r\nSELECT\r\n$1\r\nx\r\n', 23],
      ['*2\r\n$6\r\nSELECT\r\n$0\r\n\r\n', 20],
      ['*2\r\n$6\r\nSELECT\r\n$10\r\n9999999999\r\n', 33],
      ['REDIS0011', 0],
    ];
    for (const [text, at] of table) {
      const bytes = Buffer.concat([good, Buffer.from(text)]);
      const scanner = new StreamScanner({ offset: 500, database: 0 });
      assert.throws(
        () => scanner.push(bytes, 0, bytes.length),
        (error) => isCoded(error, 'STREAM_CORRUPT') && error.offset === 500 + good.length + at,
        JSON.stringify(text),
      );
      assert.equal(scanner.cut, 500 + good.length);
      assert.equal(scanner.cutDatabase, 1);
    }
  });

  test('accepts arguments longer than any buffer', () => {
    const scanner = new StreamScanner({ offset: 0, database: 0 });
    const head = Buffer.from('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4294967296\r\n');
    scanner.push(head, 0, head.length);
    const part = Buffer.alloc(1 << 20);
    for (let i = 0; i < 4096; i++) scanner.push(part, 0, part.length);
    scanner.push(Buffer.from('\r\n'), 0, 2);
    assert.equal(scanner.cut, head.length + 2 ** 32 + 2);
  });
});
