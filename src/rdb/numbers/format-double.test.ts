import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DOUBLE_TEXT_BYTES, formatDouble } from './format-double.ts';
import { parseDouble } from './parse-double.ts';
import { floorLog10Pow2, floorLog10ThreeQuartersPow2, floorLog2Pow10 } from './shortest-digits.ts';

const out = Buffer.alloc(64);

function text(value: number): string {
  return out.toString('latin1', 0, formatDouble(value, out, 0));
}

/** Doubles of many shapes from a seeded xorshift generator. */
function distributions(seed: number): Record<string, () => number> {
  let state = seed;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const value = new Float64Array(1);
  const words = new Uint32Array(value.buffer);
  const fromBits = (high: number, low: number): number => {
    words[0] = low;
    words[1] = high;
    return value[0];
  };
  return {
    'random bits': () => {
      let v = fromBits(next(), next());
      while (!Number.isFinite(v)) v = fromBits(next(), next());
      return v;
    },
    'unit interval': () => (next() * 2097152 + (next() >>> 11)) / 2 ** 53,
    'short decimals': () => (next() % 1_000_000_000) / 10 ** (next() % 12),
    'sums of short decimals': () => (next() % 100_000) / 100 + (next() % 1000) / 1000,
    'around powers of two': () =>
      fromBits((next() % 2047) << 20, 0) * (1 + (next() % 3) * 2 ** -52),
    'large integers': () => (next() * 4294967296 + next()) * 2 ** (next() % 40),
    subnormals: () => fromBits(next() >>> (12 + (next() % 20)), next()),
    'powers of ten': () => Number(`${1 + (next() % 99)}e${(next() % 600) - 300}`),
  };
}

describe('formatDouble', () => {
  for (const [name, generate] of Object.entries(distributions(20261122))) {
    test(`writes what String() writes, and parseDouble reads it back: ${name}`, () => {
      for (let i = 0; i < 60_000; i++) {
        const v = generate();
        const end = formatDouble(v, out, 0);
        const written = out.toString('latin1', 0, end);
        if (v !== 0 && written !== String(v)) assert.equal(written, String(v));
        const back = parseDouble(out, 0, end);
        if (!Object.is(back, v)) assert.equal(back, v, written);
        assert.ok(end <= DOUBLE_TEXT_BYTES);
      }
    });
  }

  test('lays out every exponent as JSON.stringify does, both signs', () => {
    for (let power = -330; power <= 308; power++) {
      for (const digits of ['1', '1.5', '9.999999999999999', '1.2345678901234567']) {
        const v = Number(`${digits}e${power}`);
        if (v === 0 || !Number.isFinite(v)) continue;
        assert.equal(text(v), JSON.stringify(v));
        assert.equal(text(-v), JSON.stringify(-v));
      }
    }
  });

  test('keeps negative zero and the extremes', () => {
    assert.equal(text(0), '0');
    assert.equal(text(-0), '-0.0');
    for (const v of [
      Number.MAX_VALUE,
      Number.MIN_VALUE,
      2 ** 53,
      2 ** 53 - 1,
      2 ** 63,
      1e21,
      1e-6,
    ]) {
      assert.equal(text(v), String(v));
      assert.equal(text(-v), String(-v));
    }
  });

  test('writes at the position given and touches nothing before it', () => {
    out.fill(0x2e);
    const end = formatDouble(-2.5, out, 3);
    assert.equal(out.toString('latin1', 0, end), '...-2.5');
  });

  test('rests on logarithms that are exact for every exponent of a double', () => {
    for (let e = -1074; e <= 971; e++) {
      assert.equal(floorLog10Pow2(e), exactFloorLog10(1n, e), `2^${e}`);
      assert.equal(floorLog10ThreeQuartersPow2(e), exactFloorLog10(3n, e - 2), `3/4 * 2^${e}`);
    }
    for (let e = -292; e <= 324; e++) assert.equal(floorLog2Pow10(e), exactFloorLog2(e), `10^${e}`);
  });
});

/** floor(log10(c * 2^e)) in exact arithmetic. */
function exactFloorLog10(c: bigint, e: number): number {
  const up = e >= 0 ? c << BigInt(e) : c;
  const down = e >= 0 ? 1n : 1n << BigInt(-e);
  if (up >= down) return (up / down).toString().length - 1;
  let power = 0;
  let scaled = up;
  while (scaled < down) {
    scaled *= 10n;
    power--;
  }
  return power;
}

/** floor(log2(10^e)) in exact arithmetic. */
function exactFloorLog2(e: number): number {
  const ten = 10n ** BigInt(Math.abs(e));
  const bits = ten.toString(2).length;
  // 10^|e| is no power of two except 1, so the reciprocal lies below 2^-(bits - 1)
  return e >= 0 ? bits - 1 : -bits;
}
