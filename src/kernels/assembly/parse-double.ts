import { LOWEST_POWER, multiplyHigh, powerHigh, powerLow } from './powers-of-ten';

/**
 * Reads a decimal number, correctly rounded: up to 15 digits by one exact operation (W. Clinger),
 * up to 19 by one long multiplication (D. Lemire, "Number parsing at a gigabyte per second").
 * NaN for whatever else the text is, numbers with more digits and words like `inf` included: the
 * caller must then ask somebody who knows them all.
 */
export function parseDouble(start: usize, end: usize): f64 {
  let p = start;
  const negative = p < end && load<u8>(p) === 0x2d;
  if (p < end && (negative || load<u8>(p) === 0x2b)) p++;
  let mantissa: u64 = 0;
  let digits: i32 = 0;
  let seen: i32 = 0;
  let places: i32 = 0;
  let isFraction = false;
  for (; p < end; p++) {
    const digit = <u32>load<u8>(p) - 48;
    if (digit > 9) {
      if (digit !== <u32>-2 || isFraction) break;
      isFraction = true;
      continue;
    }
    seen++;
    if (isFraction) places++;
    if (digits === 0 && digit === 0) continue;
    if (++digits > 19) return NaN;
    mantissa = mantissa * 10 + digit;
  }
  if (seen === 0) return NaN;
  let power = -places;
  if (p < end) {
    if ((load<u8>(p) | 32) !== 0x65) return NaN;
    p++;
    const minus = p < end && load<u8>(p) === 0x2d;
    if (p < end && (minus || load<u8>(p) === 0x2b)) p++;
    if (p === end || end - p > 6) return NaN;
    let exponent: i32 = 0;
    for (; p < end; p++) {
      const digit = <u32>load<u8>(p) - 48;
      if (digit > 9) return NaN;
      exponent = exponent * 10 + digit;
    }
    power += minus ? -exponent : exponent;
  }
  const value = compose(mantissa, power);
  return negative ? -value : value;
}

/** 10^0 to 10^22, all exact. */
function exactPower(power: i32): f64 {
  return load<f64>(EXACT + (power << 3));
}

const EXACT = memory.data(23 * 8, 16);

export function fillExactPowers(): void {
  let value: f64 = 1;
  for (let i = 0; i <= 22; i++) {
    store<f64>(EXACT + (i << 3), value);
    value *= 10;
  }
}

function compose(mantissa: u64, power: i32): f64 {
  if (mantissa === 0) return 0;
  if (mantissa < 9007199254740992 && power >= -22 && power <= 22) {
    const value = <f64>mantissa;
    return power < 0 ? value / exactPower(-power) : value * exactPower(power);
  }
  if (power < LOWEST_POWER || power > 308) return NaN;
  const zeros = <i32>clz(mantissa);
  const w = mantissa << zeros;
  const tenHigh = powerHigh(power);
  let tenLow = powerLow(power);
  let factor = tenHigh;
  // Powers below one are never exact and are rounded up here.
  if (power < 0 && ++tenLow === 0) factor++;
  let high = multiplyHigh(w, factor);
  let low = w * factor;
  if ((high & 0x1ff) === 0x1ff) {
    const more = multiplyHigh(w, tenLow);
    low += more;
    if (low < more) high++;
  }
  if (low === u64.MAX_VALUE && (power < -27 || power > 55)) return NaN;
  const upper = <i32>(high >> 63);
  const shift = upper + 9;
  let bits = high >> shift;
  let exponent = (((152170 + 65536) * power) >> 16) + 63 + upper - zeros + 1023;
  if (exponent <= 0) {
    if (-exponent + 1 >= 64) return 0;
    bits >>= -exponent + 1;
    bits += bits & 1;
    return reinterpret<f64>(bits >> 1);
  }
  if (low <= 1 && power >= -4 && power <= 23 && (bits & 3) === 1 && bits << shift === high) {
    bits &= ~(<u64>1);
  }
  bits += bits & 1;
  bits >>= 1;
  if (bits >= (<u64>2) << 52) {
    bits = (<u64>1) << 52;
    exponent++;
  }
  if (exponent >= 0x7ff) return Infinity;
  return reinterpret<f64>((bits & 0xfffffffffffff) | ((<u64>exponent) << 52));
}
