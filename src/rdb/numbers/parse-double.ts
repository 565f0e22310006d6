/** 10^0 to 10^22, all exact. */
const TENS = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));

const ZERO = 48;
const POINT = 46;

/**
 * Reads a score as servers wrote it through the ages: `12`, `-0.5`, `1e+05`, seventeen digits,
 * `inf`, `-inf`, `+inf`, `Infinity`. Correctly rounded. Anything else, `nan` included, gives NaN.
 */
export function parseDouble(bytes: Uint8Array, start: number, end: number): number {
  let p = start;
  let negative = false;
  if (p < end && (bytes[p] === 45 || bytes[p] === 43)) {
    negative = bytes[p] === 45;
    p++;
  }
  const first = p;
  let mantissa = 0;
  let seen = 0;
  let places = 0;
  for (; p < end; p++) {
    const digit = bytes[p] - ZERO;
    if (digit < 0 || digit > 9) break;
    mantissa = mantissa * 10 + digit;
    seen++;
  }
  if (p < end && bytes[p] === POINT) {
    const point = p++;
    for (; p < end; p++) {
      const digit = bytes[p] - ZERO;
      if (digit < 0 || digit > 9) break;
      mantissa = mantissa * 10 + digit;
      seen++;
    }
    places = p - point - 1;
  }
  if (seen === 0) return parseWord(bytes, first, end, negative);
  let power = -places;
  if (p < end) {
    const exponent = parseExponent(bytes, p, end);
    if (exponent !== exponent) return Number.NaN;
    power += exponent;
  }
  // Exact digits and an exact power of ten: one operation, rounded once (W. Clinger).
  if (mantissa === 0) return negative ? -0 : 0;
  if (mantissa < 9007199254740992 && power >= -22 && power <= 22) {
    const value = power < 0 ? mantissa / TENS[-power] : mantissa * TENS[power];
    return negative ? -value : value;
  }
  const view = Buffer.from(bytes.buffer, bytes.byteOffset + first, end - first);
  const value = Number(view.toString('latin1'));
  return negative ? -value : value;
}

/** The number behind `e`, limited to where it no longer matters; NaN when it is not one. */
function parseExponent(bytes: Uint8Array, start: number, end: number): number {
  let p = start;
  if ((bytes[p] | 32) !== 101) return Number.NaN;
  p++;
  let negative = false;
  if (p < end && (bytes[p] === 45 || bytes[p] === 43)) {
    negative = bytes[p] === 45;
    p++;
  }
  if (p === end) return Number.NaN;
  let value = 0;
  for (; p < end; p++) {
    const digit = bytes[p] - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    if (value < 1000000) value = value * 10 + digit;
  }
  return negative ? -value : value;
}

/** `inf` and `infinity`, in any case, as strtod reads them. */
function parseWord(bytes: Uint8Array, start: number, end: number, negative: boolean): number {
  const size = end - start;
  if (size !== 3 && size !== 8) return Number.NaN;
  const word = 'infinity';
  for (let i = 0; i < size; i++) {
    if ((bytes[start + i] | 32) !== word.charCodeAt(i)) return Number.NaN;
  }
  return negative ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
