import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, test } from 'node:test';
import { TEXT_PIECE_BYTES, type ValueSink } from '../../rdb/index.ts';
import { ElementSpool } from './element-spool.ts';

/** A sink that writes down its calls, texts joined again. */
function recorder(): { readonly calls: unknown[]; readonly sink: ValueSink } {
  const calls: unknown[] = [];
  let pieces: Buffer[] = [];
  const note =
    (name: string) =>
    (...args: unknown[]): void => {
      calls.push([name, ...args]);
    };
  const sink: ValueSink = {
    begin: note('begin'),
    text: (bytes, start, end, last, total) => {
      const piece = Buffer.from(bytes.subarray(start, end));
      assert.ok(last || piece.length === TEXT_PIECE_BYTES, 'all pieces but the last are full');
      pieces.push(piece);
      if (!last) return;
      const whole = Buffer.concat(pieces);
      assert.equal(whole.length, total);
      calls.push(whole.length > 100 ? [whole.length, whole[0], whole.at(-1)] : whole.toString());
      pieces = [];
    },
    score: note('score'),
    fieldExpireAt: note('fieldExpireAt'),
    streamEntry: note('streamEntry'),
    streamEnd: note('streamEnd'),
    arrayInsertIndex: note('arrayInsertIndex'),
    arrayIndex: note('arrayIndex'),
    opaque: note('opaque'),
    end: note('end'),
  };
  return { calls, sink };
}

describe('ElementSpool', () => {
  test('hands on what it was given, texts of any size, from file and memory', async () => {
    const spool = new ElementSpool(tmpdir());
    const expected: unknown[] = [];
    spool.begin('hash');
    const sizes = [0, 1, 65_530, 3, 70_000, TEXT_PIECE_BYTES, TEXT_PIECE_BYTES + 1, 3 << 20, 5];
    for (const size of sizes) {
      const text = Buffer.alloc(size, 'x');
      spool.text(text);
      expected.push(size > 100 ? [size, 120, 120] : text.toString());
      spool.fieldExpireAt(4_102_444_800_000 + size);
      expected.push(['fieldExpireAt', 4_102_444_800_000 + size]);
    }
    spool.count = sizes.length;
    const { calls, sink } = recorder();
    let permissions = 0;
    await spool.replay('hash', sink, null, async () => {
      permissions++;
    });
    assert.deepEqual(calls, [['begin', 'hash', sizes.length], ...expected, ['end']]);
    assert.ok(permissions > 3);
    spool.close();
  });

  test('forgets at begin, and keeps scores and stream ids exactly', async () => {
    const spool = new ElementSpool(tmpdir());
    spool.begin('zset');
    spool.text(Buffer.alloc(200_000));
    spool.begin('zset');
    spool.text(Buffer.from('a'));
    spool.score(-0);
    spool.text(Buffer.from('b'));
    spool.score(Number.NEGATIVE_INFINITY);
    spool.count = 2;
    const zset = recorder();
    await spool.replay('zset', zset.sink, null, async () => {});
    const members = ['a', ['score', -0], 'b', ['score', Number.NEGATIVE_INFINITY]];
    assert.deepEqual(zset.calls, [['begin', 'zset', 2], ...members, ['end']]);

    spool.begin('stream');
    spool.streamEntry(2n ** 64n - 1n, 2n ** 32n, 1);
    spool.text(Buffer.from('f'));
    spool.text(Buffer.from('v'));
    spool.count = 1;
    const stream = recorder();
    await spool.replay('stream', stream.sink, null, async () => {});
    const entry = ['streamEntry', 0xffffffff, 0xffffffff, 1, 0, 1];
    assert.deepEqual(stream.calls, [['begin', 'stream', 1], entry, 'f', 'v', ['end']]);
    spool.close();
  });

  test('hands on a string of parts in full pieces', async () => {
    const spool = new ElementSpool(tmpdir());
    spool.begin('string');
    for (let i = 0; i < 50; i++) spool.stringPart(Buffer.alloc(100_000, i));
    const { calls, sink } = recorder();
    await spool.replay('string', sink, null, async () => {});
    assert.deepEqual(calls, [['begin', 'string', 5_000_000], [5_000_000, 0, 49], ['end']]);
    spool.begin('string');
    const empty = recorder();
    await spool.replay('string', empty.sink, null, async () => {});
    assert.deepEqual(empty.calls, [['begin', 'string', 0], '', ['end']]);
    spool.close();
  });
});
