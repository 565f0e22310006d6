import { literal, matches } from './encode-memory';
import { writeDouble } from './format-double';
import { parseDouble } from './parse-double';

/** Numbers in canonical lines. */

const ZERO: u32 = 0x30;
const MINUS: u8 = 0x2d;
const PLUS: u8 = 0x2b;
const POINT: u8 = 0x2e;

const MAX_SAFE: u64 = 9007199254740991;

/** Where the number just read ends. */
export let numberEnd: usize = 0;

// @ts-ignore: decorator
@inline
function digitAt(at: usize): u32 {
  return <u32>load<u8>(at) - ZERO;
}

/** An integer of up to fifteen digits without sign, exact as a double; -1: not ours. */
export function readInteger(at: usize): i64 {
  let value: i64 = 0;
  let p = at;
  for (let digit = digitAt(p); digit <= 9; digit = digitAt(p)) {
    value = value * 10 + digit;
    p++;
  }
  const digits = p - at;
  if (digits === 0 || digits > 15) return -1;
  numberEnd = p;
  return value;
}

/** Half a stream id or a counter: up to nineteen digits. False: not ours. */
export let wide: u64 = 0;
export function readWide(at: usize): bool {
  let value: u64 = 0;
  let p = at;
  for (let digit = digitAt(p); digit <= 9; digit = digitAt(p)) {
    value = value * 10 + digit;
    p++;
  }
  const digits = p - at;
  if (digits === 0 || digits > 19) return false;
  numberEnd = p;
  wide = value;
  return true;
}

/** What `readCanonical` found. */
export let canonical: i64 = 0;

/** Whether the text is what a server prints for an int64; never more than twenty letters. */
export function readCanonical(at: usize, size: usize): bool {
  const negative = load<u8>(at) === MINUS;
  let p = at + (negative ? 1 : 0);
  const end = at + size;
  const digits = end - p;
  if (digits === 0 || digits > 19) return false;
  let digit = digitAt(p);
  if (digit === 0 || digit > 9) {
    if (digit !== 0 || size !== 1) return false;
    canonical = 0;
    return true;
  }
  let value: u64 = digit;
  for (p++; p < end; p++) {
    digit = digitAt(p);
    if (digit > 9) return false;
    value = value * 10 + digit;
  }
  // Nineteen digits are below 2^64, so the bound can be asked for afterwards.
  if (value > (negative ? <u64>0x8000000000000000 : <u64>0x7fffffffffffffff)) return false;
  canonical = negative ? -(<i64>value) : <i64>value;
  return true;
}

/** 10^0 to 10^22, all exact. */
const TENS = memory.data(23 * 8, 8);
function fillTens(): void {
  let power: f64 = 1;
  for (let i: usize = 0; i < 23; i++) {
    store<f64>(TENS + (i << 3), power);
    power *= 10;
  }
}
fillTens();

/** How a score is written into a compact container; the text of SCORE_TEXT is at `scoreAt`. */
export const SCORE_INTEGER: u32 = 1;
export const SCORE_TEXT: u32 = 2;
export const SCORE_MINUS_ZERO: u32 = 3;
export const SCORE_INFINITY: u32 = 4;
export const SCORE_MINUS_INFINITY: u32 = 5;
export let score: f64 = 0;
export let scoreAt: usize = 0;
export let scoreSize: usize = 0;

/** Room that `readScore` may need. */
export const SCORE_BYTES: usize = 32;

const INFINITY = literal('"inf"');
const MINUS_INFINITY = literal('"-inf"');

/**
 * Reads a score; how it is written, or 0: not ours. `into` has room for SCORE_BYTES, in case that
 * the shortest decimal of the score does not stand here already.
 */
export function readScore(at: usize, into: usize): u32 {
  if (load<u8>(at) === 0x22) {
    if (matches(at, INFINITY, 5)) {
      numberEnd = at + 5;
      score = Infinity;
      return SCORE_INFINITY;
    }
    if (!matches(at, MINUS_INFINITY, 6)) return 0;
    numberEnd = at + 6;
    score = -Infinity;
    return SCORE_MINUS_INFINITY;
  }
  const kind = readShortScore(at);
  return kind !== 0 ? kind : readAnyScore(at, into);
}

/**
 * The usual scores. Digits below 2^53 over an exact power of ten are rounded once, as they should
 * be. And below 2^52 no other decimal of the same length reads as the same double, so that the text
 * is the shortest one.
 */
function readShortScore(at: usize): u32 {
  const negative = load<u8>(at) === MINUS;
  const start = at + (negative ? 1 : 0);
  let p = start;
  let mantissa: u64 = 0;
  for (let digit = digitAt(p); digit <= 9; digit = digitAt(p)) {
    mantissa = mantissa * 10 + digit;
    p++;
  }
  const whole = p - start;
  if (whole === 0 || whole > 16 || (whole > 1 && load<u8>(start) === ZERO)) return 0;
  const mark = load<u8>(p);
  if (mark !== POINT) {
    const isZero = mantissa === 0 && negative;
    if (mantissa > MAX_SAFE || isZero || (mark | 0x20) === LETTER_E) return 0;
    numberEnd = p;
    score = negative ? -(<f64>mantissa) : <f64>mantissa;
    return SCORE_INTEGER;
  }
  const point = p++;
  for (let digit = digitAt(p); digit <= 9 && p - start < 20; digit = digitAt(p)) {
    mantissa = mantissa * 10 + digit;
    p++;
  }
  const places = p - point - 1;
  // Seventeen digits and a point: what was added up cannot have overflowed.
  if (places === 0 || p - start > 18 || load<u8>(p - 1) === ZERO) return 0;
  if (mantissa >= 0x0010_0000_0000_0000 || (load<u8>(p) | 0x20) === LETTER_E) return 0;
  const value = <f64>mantissa / load<f64>(TENS + (places << 3));
  if (value < 1e-6) return 0;
  numberEnd = p;
  scoreAt = at;
  scoreSize = p - at;
  score = negative ? -value : value;
  return SCORE_TEXT;
}

const LETTER_E: u8 = 0x65;

/** Many digits, exponents, and what nobody writes. */
function readAnyScore(at: usize, into: usize): u32 {
  let p = at;
  while (isNumberByte(load<u8>(p))) p++;
  score = parseDouble(at, p);
  if (!isFinite(score)) return 0;
  numberEnd = p;
  if (score === 0) return reinterpret<u64>(score) === 0 ? SCORE_INTEGER : SCORE_MINUS_ZERO;
  if (score === Math.floor(score) && Math.abs(score) <= <f64>MAX_SAFE) return SCORE_INTEGER;
  scoreAt = into;
  scoreSize = writeDouble(into, score) - into;
  return SCORE_TEXT;
}

function isNumberByte(byte: u8): bool {
  return (
    <u32>byte - ZERO <= 9 ||
    byte === MINUS ||
    byte === PLUS ||
    byte === POINT ||
    (byte | 0x20) === LETTER_E
  );
}
