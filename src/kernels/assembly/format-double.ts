import { writeU64 } from './decimal';
import { multiplyHigh, powerHigh, powerLow } from './powers-of-ten';

/**
 * The shortest decimal that reads back to a double, in the form of JSON.stringify, like
 * src/rdb/numbers/format-double.ts (R. Giulietti, "The Schubfach way to render doubles").
 */

const DIGITS = memory.data(32, 16);

/** Writes a finite double; 26 bytes must be free. */
export function writeDouble(op: usize, value: f64): usize {
  if (value <= 0) {
    if (value === 0) {
      if (reinterpret<u64>(value) !== 0) {
        // -0.0
        store<u32>(op, 0x302e302d);
        return op + 4;
      }
      store<u8>(op, 0x30);
      return op + 1;
    }
    store<u8>(op, 0x2d);
    op++;
    value = -value;
  }
  if (value < 9007199254740992 && value === Math.floor(value)) return writeU64(op, <u64>value);
  if (value < 1e11 && value > 1e-3) {
    // Decimals of up to fifteen digits all read as different doubles, and most have few digits.
    const few = nearest<f64>(value * 1000);
    if (few / 1000 === value) return writeDigits(op, <u64>few, -3);
  }
  return writeShortest(op, value);
}

/** floor(log2(10^e)), exact for |e| <= 1233. */
function floorLog2Pow10(e: i32): i32 {
  return (e * 1741647) >> 19;
}

function writeShortest(op: usize, value: f64): usize {
  const bits = reinterpret<u64>(value);
  const biased = <i32>(bits >> 52);
  let c = bits & 0xfffffffffffff;
  const irregular = c === 0 && biased > 1;
  let q: i32 = -1074;
  if (biased !== 0) {
    c |= 0x10000000000000;
    q = biased - 1075;
  }
  const k = irregular ? (q * 1262611 - 524031) >> 22 : (q * 1262611) >> 22;
  // g = floor(10^-k / 2^r) + 1 with 126 bits, in two words of 63
  const high = powerHigh(-k);
  let g0 = (high << 62) | (powerLow(-k) >> 2);
  let g1 = high >> 2;
  g0++;
  if (g0 === 0) g1++;
  g1 = (g1 << 1) | (g0 >> 63);
  g0 &= 0x7fffffffffffffff;

  const shift = q + floorLog2Pow10(-k) + 2;
  const centre = c << 2;
  const v = scale(g1, g0, centre << shift);
  const lower = scale(g1, g0, (irregular ? centre - 1 : centre - 2) << shift);
  const upper = scale(g1, g0, (centre + 2) << shift);
  // The ends of the interval belong to it when c is even.
  const outside = c & 1;
  const s = v >> 2;
  const tens = s / 10;
  const downTens = lower + outside <= tens * 40;
  const upTens = tens * 40 + 40 + outside <= upper;
  if (downTens !== upTens) return writeDigits(op, downTens ? tens : tens + 1, k + 1);
  const down = lower + outside <= s << 2;
  const up = (s << 2) + 4 + outside <= upper;
  if (down !== up) return writeDigits(op, down ? s : s + 1, k);
  const middle = <i64>(v - ((s << 2) + 2));
  return writeDigits(op, middle < 0 || (middle === 0 && (s & 1) === 0) ? s : s + 1, k);
}

/** The upper bits of g * factor, the lowest of them set when something was cut off. */
function scale(g1: u64, g0: u64, factor: u64): u64 {
  const x1 = multiplyHigh(g0, factor);
  const y0 = g1 * factor;
  const y1 = multiplyHigh(g1, factor);
  const z = (y0 >> 1) + x1;
  const w = y1 + (z >> 63);
  return w | (((z & 0x7fffffffffffffff) + 0x7fffffffffffffff) >> 63);
}

/** Lays out digits * 10^power as JavaScript does (ECMA-262, Number::toString). */
function writeDigits(op: usize, digits: u64, power: i32): usize {
  while (digits % 10 === 0) {
    digits /= 10;
    power++;
  }
  const count = <i32>(writeU64(DIGITS, digits) - DIGITS);
  const point = count + power;
  if (point > 21 || point <= -6) return writeScientific(op, count, point - 1);
  if (point <= 0) {
    store<u16>(op, 0x2e30);
    op += 2;
    store<u64>(op, 0x3030303030303030);
    op -= point;
    return copyDigits(op, 0, count);
  }
  if (count <= point) {
    op = copyDigits(op, 0, count);
    for (let i = count; i < point; i++) store<u8>(op++, 0x30);
    return op;
  }
  op = copyDigits(op, 0, point);
  store<u8>(op, 0x2e);
  return copyDigits(op + 1, point, count);
}

function copyDigits(op: usize, from: i32, to: i32): usize {
  v128.store(op, v128.load(DIGITS + from));
  store<u32>(op + 16, load<u32>(DIGITS + from + 16));
  return op + (to - from);
}

function writeScientific(op: usize, count: i32, power: i32): usize {
  store<u8>(op, load<u8>(DIGITS));
  op++;
  if (count > 1) {
    store<u8>(op, 0x2e);
    op = copyDigits(op + 1, 1, count);
  }
  store<u8>(op, 0x65);
  store<u8>(op + 1, power < 0 ? 0x2d : 0x2b);
  return writeU64(op + 2, abs(power));
}
