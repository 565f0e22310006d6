import { writeUnsigned } from './int-text.ts';
import { shortest, shortestDigits } from './shortest-digits.ts';

/** Room that `formatDouble` may need. */
export const DOUBLE_TEXT_BYTES = 26;

const ZERO = 48;
const MINUS = 45;
const POINT = 46;

/** 10^0 to 10^22, all exact. */
const TENS = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));

/** Digits without point or exponent: at most 17. */
const digits = new Uint8Array(24);

/**
 * Writes the shortest decimal that reads back to `value`, in the very form of JSON.stringify
 * (except `-0.0` for negative zero, which JSON.stringify loses), and returns the position behind
 * it. Needs DOUBLE_TEXT_BYTES of room. `value` must be finite: infinity is the caller's.
 */
export function formatDouble(value: number, out: Uint8Array, at: number): number {
  let p = at;
  let v = value;
  if (v <= 0) {
    if (v === 0) {
      if (Object.is(v, -0)) {
        out[p++] = MINUS;
        out[p++] = ZERO;
        out[p++] = POINT;
      }
      out[p++] = ZERO;
      return p;
    }
    out[p++] = MINUS;
    v = -v;
  }
  if (v < 9007199254740992 && v === Math.floor(v)) return writeUnsigned(v, out, p);
  if (v < 1e15 && v >= 1e-7 && tryFifteenDigits(v)) {
    return writeDecimal(writeUnsigned(mantissa, digits, 0), exponent, out, p);
  }
  shortestDigits(v);
  if (shortest.tail >= 0) {
    const end = writeUnsigned(shortest.head, digits, 0);
    // Subnormals may have a single digit, which is then all in the tail.
    const from = shortest.head === 0 ? 0 : end;
    digits[from] = ZERO + shortest.tail;
    return writeDecimal(from + 1, shortest.exponent, out, p);
  }
  mantissa = shortest.head;
  exponent = shortest.exponent;
  trimZeros();
  return writeDecimal(writeUnsigned(mantissa, digits, 0), exponent, out, p);
}

let mantissa = 0;
let exponent = 0;

/**
 * Most decimals that people use have few digits. Decimals of up to fifteen digits all read as
 * different doubles, so one that divides back to `v` is the only one and, trimmed, the shortest.
 * `m` and the power are exact, hence the division is correctly rounded: exactly what reading does.
 */
function tryFifteenDigits(v: number): boolean {
  if (v < 1e11 && v > 1e-3) {
    // Up to three decimals: nearly everything
    const few = Math.round(v * 1000);
    if (few / 1000 === v) {
      mantissa = few;
      exponent = -3;
      trimZeros();
      return true;
    }
  }
  let places = 15;
  if (v >= 1) {
    places = 14;
    let bound = 10;
    while (v >= bound) {
      bound *= 10;
      places--;
    }
  } else {
    while (v * TENS[places] < 1e14) places++;
  }
  const m = Math.round(v * TENS[places]);
  if (m / TENS[places] !== v || m >= 1e15) return false;
  mantissa = m;
  exponent = -places;
  trimZeros();
  return true;
}

function trimZeros(): void {
  let m = mantissa;
  let q = Math.floor(m / 10);
  if (q * 10 !== m) return;
  q = Math.floor(m / 100000000);
  if (q * 100000000 === m) {
    m = q;
    exponent += 8;
  }
  q = Math.floor(m / 10000);
  if (q * 10000 === m) {
    m = q;
    exponent += 4;
  }
  for (;;) {
    q = Math.floor(m / 10);
    if (q * 10 !== m) break;
    m = q;
    exponent++;
  }
  mantissa = m;
}

/** Lays out `digits[0..count) * 10^power` as JavaScript does (ECMA-262, Number::toString). */
function writeDecimal(count: number, power: number, out: Uint8Array, at: number): number {
  const point = count + power;
  let p = at;
  if (point > 21 || point <= -6) return writeScientific(count, point - 1, out, p);
  if (point <= 0) {
    out[p++] = ZERO;
    out[p++] = POINT;
    for (let i = point; i < 0; i++) out[p++] = ZERO;
    for (let i = 0; i < count; i++) out[p++] = digits[i];
    return p;
  }
  const whole = Math.min(point, count);
  for (let i = 0; i < whole; i++) out[p++] = digits[i];
  for (let i = count; i < point; i++) out[p++] = ZERO;
  if (count > point) {
    out[p++] = POINT;
    for (let i = point; i < count; i++) out[p++] = digits[i];
  }
  return p;
}

function writeScientific(count: number, power: number, out: Uint8Array, at: number): number {
  let p = at;
  out[p++] = digits[0];
  if (count > 1) {
    out[p++] = POINT;
    for (let i = 1; i < count; i++) out[p++] = digits[i];
  }
  out[p++] = 101;
  out[p++] = power < 0 ? MINUS : 43;
  return writeUnsigned(Math.abs(power), out, p);
}
