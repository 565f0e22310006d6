import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded } from '../base/index.ts';
import { ReplyScanner } from './reply-scanner.ts';
import { splitsOf } from '../../test/support/splits.ts';

type Seen = readonly [number, string, string];

function scan(input: Buffer, cuts: readonly number[]): { seen: Seen[]; replies: number } {
  const seen: Seen[] = [];
  const scanner = new ReplyScanner((index, kind, head, length) => {
    seen.push([index, kind, head.toString('latin1', 0, length)]);
  });
  let from = 0;
  for (const cut of [...cuts, input.length]) {
    const piece = Buffer.concat([Buffer.from('+'), input.subarray(from, cut), Buffer.from('-')]);
    scanner.push(piece, 1, piece.length - 1);
    from = cut;
  }
  assert.ok(scanner.atBoundary);
  return { seen, replies: scanner.replies };
}

describe('ReplyScanner', () => {
  const input = Buffer.from(
    '+OK\r\n+OK\r\n:1\r\n$-1\r\n+QUEUED\r\n-OOM no memory\r\n$15\r\n1526919030474-0\r\n+OK\r\n' +
      '$4\r\n\r\n\r\n\r\n$0\r\n\r\n*-1\r\n*0\r\n*3\r\n+OK\r\n*1\r\n:1\r\n$2\r\nab\r\n+OK\r\n' +
      '*3\r\n+OK\r\n-ERR one\r\n-ERR two\r\n+OKAY\r\n+OK\r\n',
  );
  const expected: Seen[] = [
    [2, 'integer', '1'],
    [3, 'null', ''],
    [4, 'status', 'QUEUED'],
    [5, 'error', 'OOM no memory'],
    [6, 'bulk', '1526919030474-0'],
    [8, 'bulk', '\r\n\r\n'],
    [9, 'bulk', ''],
    [10, 'null', ''],
    [11, 'array', ''],
    [12, 'array', ''],
    [14, 'array', 'ERR one'],
    [15, 'status', 'OKAY'],
  ];

  test('counts replies and reports those that are not OK, at every split', () => {
    for (const cuts of splitsOf(input.length, 500)) {
      assert.deepEqual(scan(input, cuts), { seen: expected, replies: 17 }, `cuts ${cuts.join()}`);
    }
  });

  test('skips a bulk string of any size, keeping its first 256 bytes', () => {
    const big = Buffer.concat([
      Buffer.from('$100000\r\n'),
      Buffer.alloc(100_000, '-'),
      Buffer.from('\r\n'),
    ]);
    const { seen } = scan(big, [9, 70_000]);
    assert.deepEqual(seen, [[0, 'bulk', '-'.repeat(256)]]);
  });

  test('agrees with itself over many replies in large pieces', () => {
    const replies = '+OK\r\n$3\r\nabc\r\n'.repeat(50_000);
    let reported = 0;
    const scanner = new ReplyScanner(() => reported++);
    const bytes = Buffer.from(replies);
    for (let at = 0; at < bytes.length; at += 65_521) {
      scanner.push(bytes, at, Math.min(at + 65_521, bytes.length));
    }
    assert.deepEqual([scanner.replies, reported], [100_000, 50_000]);
  });

  for (const [bad, offset] of [
    ['HELLO', 0],
    ['+OK\n', 3],
    ['+OK\r+', 4],
    ['$abc\r\n', 1],
    ['$-5\r\n', 4],
    ['$\r\n', 1],
    ['$1\r\nab', 5],
    ['*1\r\n'.repeat(17), 67],
    ['+OK\r\n+OK\r\n\n', 10],
  ] as const) {
    test(`rejects ${JSON.stringify(bad.slice(0, 16))} with its offset`, () => {
      const scanner = new ReplyScanner(() => {});
      assert.throws(
        () => scanner.push(Buffer.from(bad)),
        (error) => isCoded(error, 'RESP_INVALID') && error.offset === offset,
      );
    });
  }
});
