import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { lzf, raw, str } from '../../test/support/relic-builder.ts';
import { splitsOf } from '../../test/support/splits.ts';
import { isCoded } from '../base/index.ts';
import { RdbCursor } from './cursor.ts';
import { TEXT_PIECE_BYTES } from './value-sink.ts';

function cursorOn(bytes: Buffer, cuts: readonly number[] = []): RdbCursor {
  const pieces: Buffer[] = [];
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    if (to > from) pieces.push(Buffer.from(bytes.subarray(from, to)));
    from = to;
  }
  const first = pieces.shift() ?? Buffer.alloc(0);
  return new RdbCursor(first, 0, first.length, 1000, () => pieces.shift());
}

const hex = (text: string): Buffer => raw(text);

describe('RdbCursor', () => {
  test('reads every form of a length', () => {
    const cases: readonly (readonly [string, bigint])[] = [
      ['00', 0n],
      ['3f', 63n],
      ['4040', 64n],
      ['7fff', 16383n],
      ['8000004000', 16384n],
      ['80ffffffff', 4294967295n],
      ['810000000100000000', 4294967296n],
      ['81001fffffffffffff', 9007199254740991n],
      ['80 00000001', 1n],
    ];
    for (const [text, value] of cases) {
      assert.equal(cursorOn(hex(text)).length(), Number(value));
      assert.equal(cursorOn(hex(text)).bigLength(), value);
      for (const cuts of splitsOf(hex(text).length, 0)) {
        assert.equal(cursorOn(hex(text), cuts).length(), Number(value));
      }
    }
    assert.equal(cursorOn(hex('81ffffffffffffffff')).bigLength(), 0xffffffffffffffffn);
    for (const bad of ['82', 'bf', 'c0', '81ffffffffffffffff']) {
      assert.throws(
        () => cursorOn(hex(bad)).length(),
        (error) => isCoded(error, 'RDB_CORRUPT'),
      );
    }
  });

  test('reads every form of a string, wherever the input is cut', () => {
    const cases: readonly (readonly [Buffer, string])[] = [
      [hex('00'), ''],
      [str('hello'), 'hello'],
      [hex('c0 80'), '-128'],
      [hex('c1 0080'), '-32768'],
      [hex('c2 00000080'), '-2147483648'],
      [hex('c2 ffffff7f'), '2147483647'],
      [hex('c3 09 4064 016161 e05700 016161'), 'a'.repeat(100)],
      [str('x'.repeat(20_000)), 'x'.repeat(20_000)],
      [lzf('pattern '.repeat(3000)), 'pattern '.repeat(3000)],
    ];
    for (const [bytes, text] of cases) {
      const file = Buffer.concat([bytes, str('next')]);
      for (const cuts of splitsOf(file.length, 3)) {
        if (cuts.length > 3000) continue;
        const cursor = cursorOn(file, cuts);
        assert.equal(cursor.copyString().toString(), text);
        assert.equal(cursor.copyString().toString(), 'next');
        assert.equal(cursor.offset, 1000 + file.length);
        const forwarding = cursorOn(file, cuts);
        let found = '';
        forwarding.forwardString({
          text: (from, start, end) => {
            found += Buffer.from(from.subarray(start, end)).toString();
          },
        });
        assert.equal(found, text);
        assert.equal(forwarding.copyString().toString(), 'next');
      }
    }
  });

  test('hands long strings on in pieces of the agreed size, packed or not', () => {
    for (const size of [TEXT_PIECE_BYTES, TEXT_PIECE_BYTES + 1, 3 * TEXT_PIECE_BYTES, 5 << 20]) {
      const text = Buffer.alloc(size, 'a long text that compresses well, ');
      for (const bytes of [str(text), lzf(text)]) {
        for (const cuts of [[], [7], [1000, 1 << 20]]) {
          const pieces: Buffer[] = [];
          let lasts = 0;
          cursorOn(
            bytes,
            cuts.filter((at) => at < bytes.length),
          ).forwardString({
            text: (from, start, end, last, total) => {
              pieces.push(Buffer.from(from.subarray(start, end)));
              assert.equal(total, size);
              if (last) lasts++;
            },
          });
          assert.equal(lasts, 1);
          assert.ok(Buffer.concat(pieces).equals(text));
          assert.ok(pieces.slice(0, -1).every(({ length }) => length === TEXT_PIECE_BYTES));
        }
      }
    }
  });

  test('refuses sizes that LZF cannot have, before making room for them', () => {
    for (const text of [
      'c3 00 00',
      'c3 00 05',
      'c3 05 02 0000000000',
      'c3 01 81 00001fffffffffff 00',
    ]) {
      for (const read of ['copyString', 'forwardString'] as const) {
        assert.throws(
          () => cursorOn(hex(text))[read]({ text() {} } as never),
          (error) => isCoded(error, 'RDB_CORRUPT'),
          text,
        );
      }
    }
  });

  test('refuses a string above the limit of its reader, and one beyond the end', () => {
    assert.throws(
      () => cursorOn(str('abc')).readString(2),
      (e) => isCoded(e, 'RDB_UNSUPPORTED'),
    );
    assert.throws(
      () => cursorOn(lzf('a'.repeat(99))).readString(98),
      (e) => isCoded(e, 'RDB_UNSUPPORTED'),
    );
    const beyond = cursorOn(hex('80 00100000 61'));
    assert.throws(
      () => beyond.readString(),
      (e) => isCoded(e, 'RDB_TRUNCATED') && e.offset === 1005,
    );
  });

  test('reads times of 64 bits, the unreachable ones as the last that is exact', () => {
    assert.equal(cursorOn(hex('00d8c32cbb030000')).milliseconds(), 4102444800000);
    assert.equal(cursorOn(hex('ffffffffffffffff')).milliseconds(), -1);
    assert.equal(cursorOn(hex('ffffffffffffff7f')).milliseconds(), Number.MAX_SAFE_INTEGER);
    assert.equal(cursorOn(hex('0000000000000080')).milliseconds(), Number.MIN_SAFE_INTEGER);
  });
});
