import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  canonicalInt,
  formatInt64,
  formatSafeInt,
  formatUint64,
  parseCanonicalInt,
} from './int-text.ts';

const out = Buffer.alloc(40);

/** Integers around every power of two and ten, and their negatives, within int64. */
function interesting(): bigint[] {
  const found = new Set<bigint>([0n]);
  const bounds: bigint[] = [];
  for (let i = 0n; i < 64n; i++) bounds.push(1n << i);
  for (let i = 0n; i < 19n; i++) bounds.push(10n ** i, 123456789012345678n % 10n ** i);
  for (const bound of bounds) {
    for (let d = -2n; d <= 2n; d++) {
      for (const v of [bound + d, -(bound + d)]) if (v === BigInt.asIntN(64, v)) found.add(v);
    }
  }
  return [...found];
}

const high = (v: bigint): number => Number(BigInt.asIntN(32, v >> 32n));
const low = (v: bigint): number => Number(BigInt.asIntN(32, v));

describe('formatInt64', () => {
  test('writes the decimal of every boundary, from signed and unsigned halves', () => {
    for (const v of interesting()) {
      let end = formatInt64(high(v), low(v), out, 2);
      assert.equal(out.toString('latin1', 2, end), String(v));
      end = formatInt64(high(v) >>> 0, low(v) >>> 0, out, 2);
      assert.equal(out.toString('latin1', 2, end), String(v));
    }
  });
});

describe('formatUint64', () => {
  test('writes the decimal of every boundary', () => {
    for (const v of interesting()) {
      const end = formatUint64(high(v), low(v), out, 0);
      assert.equal(out.toString('latin1', 0, end), String(BigInt.asUintN(64, v)));
    }
  });
});

describe('formatSafeInt', () => {
  test('writes the decimal of every safe boundary', () => {
    for (const v of interesting()) {
      const number = Number(v);
      if (!Number.isSafeInteger(number)) continue;
      assert.equal(out.toString('latin1', 0, formatSafeInt(number, out, 0)), String(v));
    }
  });
});

describe('parseCanonicalInt', () => {
  const parse = (text: string): boolean => {
    const bytes = Buffer.from(`9${text}9`);
    return parseCanonicalInt(bytes, 1, bytes.length - 1);
  };

  test('accepts the decimal of every boundary and leaves its halves', () => {
    for (const v of interesting()) {
      assert.ok(parse(String(v)), String(v));
      assert.equal(canonicalInt.high, high(v), String(v));
      assert.equal(canonicalInt.low, low(v), String(v));
      assert.equal(canonicalInt.value, Number(v));
    }
  });

  test('refuses whatever a server would not print', () => {
    const texts = [
      '',
      '-',
      '+1',
      '-0',
      '00',
      '007',
      '01',
      '1.0',
      ' 1',
      '1 ',
      '1a',
      'a',
      '--1',
      '0x1',
    ];
    texts.push('9223372036854775808', '-9223372036854775809', '99999999999999999999', '1e3', '0-');
    texts.push('123456789012345678x', '18446744073709551616', '-99999999999999999999');
    for (const text of texts) assert.equal(parse(text), false, text);
  });
});
