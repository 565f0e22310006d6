import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ByteBuilder } from '../../base/index.ts';
import {
  appendBigLength,
  appendInt64,
  appendLength,
  appendString,
  lengthBytes,
  reserveLength,
  settleLength,
} from './length.ts';

function written(work: (out: ByteBuilder) => void): string {
  const out = new ByteBuilder(1);
  work(out);
  return out.view().toString('hex');
}

describe('appendLength', () => {
  const cases: [number, string][] = [
    [0, '00'],
    [63, '3f'],
    [64, '4040'],
    [100, '4064'],
    [16383, '7fff'],
    [16384, '8000004000'],
    [4294967295, '80ffffffff'],
    [4294967296, '810000000100000000'],
    [2 ** 53 - 1, '81001fffffffffffff'],
  ];
  test('takes the shortest form', () => {
    for (const [value, hex] of cases) {
      assert.equal(
        written((out) => appendLength(out, value)),
        hex,
      );
      assert.equal(lengthBytes(value), hex.length / 2);
    }
  });

  test('agrees with appendBigLength, which takes 64 bits', () => {
    for (const [value, hex] of cases) {
      assert.equal(
        written((out) => appendBigLength(out, BigInt(value))),
        hex,
      );
    }
    assert.equal(
      written((out) => appendBigLength(out, -1n)),
      '81ffffffffffffffff',
    );
  });
});

describe('appendInt64', () => {
  test('writes exact integers of either sign', () => {
    for (const value of [0, -1, 1, 4_102_444_800_000, -4_294_967_297, 2 ** 53 - 1, -(2 ** 53)]) {
      const expected = Buffer.alloc(8);
      expected.writeBigInt64LE(BigInt(value));
      assert.equal(
        written((out) => appendInt64(out, value)),
        expected.toString('hex'),
      );
    }
  });
});

describe('appendString', () => {
  test('stores exactly the canonical texts of int32 as integers', () => {
    const cases: [string, string][] = [
      ['', '00'],
      ['hello', '0568656c6c6f'],
      ['12', 'c00c'],
      ['-128', 'c080'],
      ['128', 'c18000'],
      ['-32769', 'c2ff7fffff'],
      ['2147483647', 'c2ffffff7f'],
      ['-2147483648', 'c200000080'],
      ['2147483648', '0a32313437343833363438'],
      ['007', '03303037'],
      ['+1', '022b31'],
      ['-0', '022d30'],
    ];
    for (const [text, hex] of cases) {
      const bytes = Buffer.from(text);
      assert.equal(
        written((out) => appendString(out, bytes, 0, bytes.length)),
        hex,
        text,
      );
    }
  });
});

describe('settleLength', () => {
  test('closes a block of any size behind its shortest length', () => {
    for (const size of [0, 1, 63, 64, 16383, 16384, 100_000]) {
      const block = Buffer.alloc(size, 0x61);
      const hex = written((out) => {
        out.byte(0x7a);
        const at = reserveLength(out);
        out.append(block);
        settleLength(out, at);
      });
      const length = written((out) => appendLength(out, size));
      assert.equal(hex, `7a${length}${block.toString('hex')}`);
    }
  });
});
