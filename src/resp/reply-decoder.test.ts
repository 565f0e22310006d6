import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ByteBuilder, isCoded } from '../base/index.ts';
import { appendCommand, encodeCommand } from './encode-command.ts';
import { type Reply, ReplyError } from './reply.ts';
import { ReplyDecoder } from './reply-decoder.ts';
import { replyPairs, replyText } from './reply-text.ts';
import { splitsOf } from '../../test/support/splits.ts';

const ROWS: readonly (readonly [string, Reply])[] = [
  ['+OK\r\n', 'OK'],
  ['+\r\n', ''],
  ['-ERR wrong kind\r\n', new ReplyError('ERR wrong kind')],
  ['-OOM\r\n', new ReplyError('OOM')],
  [':0\r\n', 0],
  [':-12\r\n', -12],
  [':9007199254740991\r\n', 9007199254740991],
  [':9223372036854775807\r\n', 9223372036854775807n],
  ['$0\r\n\r\n', Buffer.alloc(0)],
  ['$-1\r\n', null],
  ['$5\r\na\r\nb\n\r\n', Buffer.from('a\r\nb\n')],
  ['*0\r\n', []],
  ['*-1\r\n', null],
  ['*2\r\n$1\r\nx\r\n:3\r\n', [Buffer.from('x'), 3]],
  ['*2\r\n*2\r\n+a\r\n*0\r\n*1\r\n$-1\r\n', [['a', []], [null]]],
  [`$300\r\n${'z'.repeat(300)}\r\n`, Buffer.alloc(300, 'z')],
];

function decodeAll(input: Buffer, cuts: readonly number[]): Reply[] {
  const replies: Reply[] = [];
  const decoder = new ReplyDecoder((reply) => replies.push(reply));
  let from = 0;
  for (const cut of [...cuts, input.length]) {
    // A larger buffer around each piece shows a decoder that reads past its range.
    const piece = Buffer.concat([Buffer.from('\n$'), input.subarray(from, cut), Buffer.from('\n')]);
    decoder.push(piece, 2, piece.length - 1);
    from = cut;
  }
  assert.ok(decoder.atBoundary);
  return replies;
}

describe('ReplyDecoder', () => {
  test('decodes every kind of reply at every split', () => {
    const input = Buffer.from(ROWS.map(([bytes]) => bytes).join(''));
    const expected = ROWS.map(([, reply]) => reply);
    for (const cuts of splitsOf(input.length, 300)) {
      assert.deepEqual(decodeAll(input, cuts), expected, `cuts ${cuts.join()}`);
    }
  });

  test('decodes one reply cut at each single position', () => {
    for (const [bytes, expected] of ROWS) {
      const input = Buffer.from(bytes);
      for (let cut = 0; cut <= input.length; cut++) {
        assert.deepEqual(decodeAll(input, [cut]), [expected], `${JSON.stringify(bytes)} at ${cut}`);
      }
    }
  });

  test('keeps replies apart from the buffer that they came in', () => {
    const replies: Reply[] = [];
    const decoder = new ReplyDecoder((reply) => replies.push(reply));
    const input = Buffer.from('$3\r\nabc\r\n');
    decoder.push(input);
    input.fill('x');
    assert.deepEqual(replies, [Buffer.from('abc')]);
  });

  for (const [bad, offset] of [
    ['HTTP/1.1 400\r\n', 0],
    ['\n', 0],
    ['+OK\r\n\n', 5],
    ['+OK\n', 0],
    ['$x\r\n', 0],
    ['$-2\r\n', 0],
    ['$99999999999\r\n', 0],
    ['*99999999999\r\n', 0],
    [':1x\r\n', 0],
    ['$3\r\nabcde', 4],
    ['*1\r\n'.repeat(17), 64],
    [`+${'x'.repeat(70_000)}`, 0],
  ] as const) {
    test(`rejects ${JSON.stringify(bad.slice(0, 20))} with its offset`, () => {
      const decoder = new ReplyDecoder(() => {});
      assert.throws(
        () => decoder.push(Buffer.from(bad)),
        (error) => isCoded(error, 'RESP_INVALID') && error.offset === offset,
      );
    });
  }

  test('takes memory for the bytes that came, not for those announced', () => {
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 50 }, () => new ReplyDecoder(() => {}));
    for (const decoder of decoders) decoder.push(Buffer.from('$1000000000\r\nabc'));
    assert.ok(process.memoryUsage().arrayBuffers - before < 20 << 20);
    assert.ok(decoders.every((decoder) => !decoder.atBoundary));
  });
});

describe('encodeCommand', () => {
  test('writes an array of bulk strings, bytes as they are', () => {
    const bytes = encodeCommand(['SET', Buffer.from([0, 0xff, 13, 10]), 12, 'é']);
    const expected = '*4\r\n$3\r\nSET\r\n$4\r\n\0\xff\r\n\r\n$2\r\n12\r\n$2\r\n\xc3\xa9\r\n';
    assert.deepEqual(bytes, Buffer.from(expected, 'latin1'));
  });

  test('appends one command after another', () => {
    const out = new ByteBuilder(8);
    appendCommand(out, ['PING']);
    appendCommand(out, ['PING']);
    assert.equal(out.copy().toString(), '*1\r\n$4\r\nPING\r\n'.repeat(2));
  });
});

describe('replyPairs', () => {
  test('pairs a flat list and ignores an odd rest', () => {
    const pairs = replyPairs([Buffer.from('a'), 1, Buffer.from('b'), null, Buffer.from('c')]);
    assert.deepEqual(
      [...pairs],
      [
        ['a', 1],
        ['b', null],
      ],
    );
    assert.equal(replyPairs(new ReplyError('ERR')).size, 0);
  });

  test('replyText shows scalars', () => {
    const shown = [Buffer.from('é'), 1, 2n, 'OK', null, [], new ReplyError('ERR no')].map(
      replyText,
    );
    assert.deepEqual(shown, ['é', '1', '2', 'OK', '', '', 'ERR no']);
  });
});
