/**
 * 64-bit integers as decimal text, without BigInt and without allocating: the texts of listpack,
 * ziplist and intset integers, and the question that decides whether a text may become one.
 */

/** Room that `formatInt64` and `formatSafeInt` may need: sign and 19 digits. */
export const INT64_TEXT_BYTES = 20;

const TWO_32 = 4294967296;
const ZERO = 48;

/** The digits of 00 to 99, two bytes each. */
const PAIRS = new Uint8Array(200);
for (let i = 0; i < 100; i++) {
  PAIRS[i * 2] = ZERO + Math.floor(i / 10);
  PAIRS[i * 2 + 1] = ZERO + (i % 10);
}

/** Writes exactly eight digits of `value` (0 to 99,999,999); returns the position behind them. */
export function writeEightDigits(value: number, out: Uint8Array, at: number): number {
  const high = (value / 10000) | 0;
  const low = value - high * 10000;
  const a = (high / 100) | 0;
  const c = (low / 100) | 0;
  const i = a << 1;
  const j = (high - a * 100) << 1;
  const k = c << 1;
  const l = (low - c * 100) << 1;
  out[at] = PAIRS[i];
  out[at + 1] = PAIRS[i + 1];
  out[at + 2] = PAIRS[j];
  out[at + 3] = PAIRS[j + 1];
  out[at + 4] = PAIRS[k];
  out[at + 5] = PAIRS[k + 1];
  out[at + 6] = PAIRS[l];
  out[at + 7] = PAIRS[l + 1];
  return at + 8;
}

function digitsOf(value: number): number {
  if (value < 10000) {
    if (value < 100) return value < 10 ? 1 : 2;
    return value < 1000 ? 3 : 4;
  }
  if (value < 1000000) return value < 100000 ? 5 : 6;
  return value < 10000000 ? 7 : 8;
}

/** Writes `value` (0 to 99,999,999) without leading zeros. */
function writeSmall(value: number, out: Uint8Array, at: number): number {
  const end = at + digitsOf(value);
  let rest = value;
  let p = end;
  while (rest >= 100) {
    const q = (rest / 100) | 0;
    const pair = (rest - q * 100) << 1;
    out[--p] = PAIRS[pair + 1];
    out[--p] = PAIRS[pair];
    rest = q;
  }
  if (rest >= 10) {
    out[--p] = PAIRS[(rest << 1) + 1];
    out[--p] = PAIRS[rest << 1];
  } else {
    out[--p] = ZERO + rest;
  }
  return end;
}

/** Writes an integer from 0 to 2^53; returns the position behind its last digit. */
export function writeUnsigned(value: number, out: Uint8Array, at: number): number {
  if (value < 100000000) return writeSmall(value | 0, out, at);
  const high = Math.floor(value / 100000000);
  return writeEightDigits((value - high * 100000000) | 0, out, writeSmall(high | 0, out, at));
}

/** Writes a safe integer; returns the position behind its text. Needs INT64_TEXT_BYTES of room. */
export function formatSafeInt(value: number, out: Uint8Array, at: number): number {
  if (value < 0) {
    out[at] = 45;
    return writeUnsigned(-value, out, at + 1);
  }
  return writeUnsigned(value, out, at);
}

/**
 * Writes the signed 64-bit integer with these halves (each signed or unsigned, only its 32 bits
 * count); returns the position behind its text. Needs INT64_TEXT_BYTES of room.
 */
export function formatInt64(high: number, low: number, out: Uint8Array, at: number): number {
  let h = high >>> 0;
  let l = low >>> 0;
  let p = at;
  if (h >= 0x80000000) {
    out[p++] = 45;
    l = -l >>> 0;
    h = (l === 0 ? -h : ~h) >>> 0;
  }
  return formatUint64(h, l, out, p);
}

/** As `formatInt64`, for an unsigned integer. */
export function formatUint64(high: number, low: number, out: Uint8Array, at: number): number {
  const h = high >>> 0;
  const l = low >>> 0;
  if (h < 0x200000) return writeUnsigned(h * TWO_32 + l, out, at);
  // Long division by 10^8 over the digits h, upper and lower half of l.
  let quotient = Math.floor(h / 100000000);
  let part = (h - quotient * 100000000) * 65536 + (l >>> 16);
  let q = Math.floor(part / 100000000);
  quotient = quotient * 65536 + q;
  part = (part - q * 100000000) * 65536 + (l & 0xffff);
  q = Math.floor(part / 100000000);
  quotient = quotient * 65536 + q;
  const p = writeUnsigned(quotient, out, at);
  return writeEightDigits((part - q * 100000000) | 0, out, p);
}

/** What `parseCanonicalInt` found: overwritten by its next call. */
export const canonicalInt = {
  /** The upper 32 bits, signed. */
  high: 0,
  /** The lower 32 bits, signed. */
  low: 0,
  /** The number itself; exact only where `Number.isSafeInteger(value)`. */
  value: 0,
};

/**
 * Whether the bytes are exactly the text that a server prints for some int64: an optional minus, no
 * leading zero, no plus, no "-0", within range. Only such a text may be stored as an integer,
 * since reading gives back the printed form. The halves are left in `canonicalInt`.
 */
export function parseCanonicalInt(bytes: Uint8Array, start: number, end: number): boolean {
  const size = end - start;
  if (size === 0 || size > INT64_TEXT_BYTES) return false;
  let p = start;
  const first = bytes[p];
  const negative = first === 45;
  if (negative) p++;
  const digits = end - p;
  if (digits === 0 || digits > 19) return false;
  const lead = bytes[p] - ZERO;
  if (lead < 1 || lead > 9) {
    if (lead !== 0 || size !== 1) return false;
    canonicalInt.high = canonicalInt.low = canonicalInt.value = 0;
    return true;
  }
  if (digits > 15) return parseLong(bytes, p, end, negative);
  let value = lead;
  for (p++; p < end; p++) {
    const digit = bytes[p] - ZERO;
    if (digit < 0 || digit > 9) return false;
    value = value * 10 + digit;
  }
  if (value <= 0x7fffffff) {
    const small = negative ? -value | 0 : value | 0;
    canonicalInt.low = small;
    canonicalInt.high = small >> 31;
    canonicalInt.value = small;
    return true;
  }
  setWords(Math.floor(value / TWO_32), value, negative);
  canonicalInt.value = negative ? -value : value;
  return true;
}

/** Stores a magnitude as two's complement; of `low` only the lowest 32 bits count. */
function setWords(high: number, low: number, negative: boolean): void {
  let h = high | 0;
  let l = (low % TWO_32) | 0;
  if (negative) {
    l = -l | 0;
    h = (l === 0 ? -h : ~h) | 0;
  }
  canonicalInt.high = h;
  canonicalInt.low = l;
}

/** Sixteen to nineteen digits, the first of them not zero. */
function parseLong(bytes: Uint8Array, start: number, end: number, negative: boolean): boolean {
  let head = 0;
  let tail = 0;
  const split = end - 9;
  for (let p = start; p < end; p++) {
    const digit = bytes[p] - ZERO;
    if (digit < 0 || digit > 9) return false;
    if (p < split) head = head * 10 + digit;
    else tail = tail * 10 + digit;
  }
  // head is at most 10 digits: multiply by 10^9 in two halves of 17 bits and the rest.
  const headHigh = Math.floor(head / 131072);
  const headLow = head - headHigh * 131072;
  const lower = headLow * 1000000000 + tail;
  // headHigh < 2^17, so headHigh * 10^9 * 2^17 in units of 2^32 has 15 fractional bits.
  const upper = headHigh * 1000000000;
  const upperHigh = Math.floor(upper / 32768);
  const low = (upper - upperHigh * 32768) * 131072 + lower;
  const high = upperHigh + Math.floor(low / TWO_32);
  const low32 = low % TWO_32;
  if (high > 0x7fffffff && !(negative && high === 0x80000000 && low32 === 0)) return false;
  const magnitude = high * TWO_32 + low32;
  canonicalInt.value = negative ? -magnitude : magnitude;
  setWords(high, low32, negative);
  return true;
}
