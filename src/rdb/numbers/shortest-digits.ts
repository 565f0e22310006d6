/**
 * The shortest decimal digits that read back to a double (R. Giulietti, "The Schubfach way to
 * render doubles"), on limbs of 21 bits in ordinary numbers: products of two limbs and sums of a
 * few of them stay below 2^53, so that neither BigInt nor strings are needed.
 *
 * With v = c * 2^q and 10^k <= 2^q < 10^(k+1), the interval of decimals that round to v is about
 * 10^k wide. A multiple of 10^(k+1) inside it is unique and is the answer; otherwise the nearer of
 * the two multiples of 10^k around v. Three scaled values decide: v itself and the two ends of the
 * interval, all times 4 * 10^-k, truncated, with the lowest bit set when something was cut off.
 */

const LIMB = 2097152; // 2^21
const LIMB_DOWN = 1 / LIMB;

const bits = new Float64Array(1);
const words = new Uint32Array(bits.buffer);

/** The answer of `shortestDigits`: v = (head * 10 + tail) * 10^exponent; the tail -1 is absent. */
export const shortest = { head: 0, tail: -1, exponent: 0 };

/** 10^j as 126 bits in six limbs, lowest first, for j of -292 to 324, computed on first use. */
const LOWEST_POWER = -292;
const powers = new Float64Array((324 - LOWEST_POWER + 1) * 6);

function fillPower(j: number, at: number): void {
  // g = floor(10^j / 2^r) + 1 with r chosen so that g has 126 bits
  const r = floorLog2Pow10(j) - 125;
  const ten = 10n ** BigInt(Math.abs(j));
  let g = j >= 0 ? (r >= 0 ? ten >> BigInt(r) : ten << BigInt(-r)) : (1n << BigInt(-r)) / ten;
  g += 1n;
  for (let i = 0; i < 6; i++) {
    powers[at + i] = Number(g & 0x1fffffn);
    g >>= 21n;
  }
}

/** floor(log2(10^e)), exact for |e| <= 1233. */
export function floorLog2Pow10(e: number): number {
  return (e * 1741647) >> 19;
}

/** floor(log10(2^e)), exact for |e| <= 1500. */
export function floorLog10Pow2(e: number): number {
  return (e * 1262611) >> 22;
}

/** floor(log10(3/4 * 2^e)), exact for |e| <= 1500. */
export function floorLog10ThreeQuartersPow2(e: number): number {
  return (e * 1262611 - 524031) >> 22;
}

/** The three scaled values, as limbs 6 to 8 of a product with the sticky bit in the lowest. */
let top0 = 0;
let top1 = 0;
let top2 = 0;

/** Columns of the product of a power and a mantissa, before carrying. */
const columns = new Float64Array(8);

/** Leaves floor((columns + g * factor) / 2^126), lowest bit sticky, in top0 to top2. */
function scale(at: number, factor: number): void {
  let carry = Math.floor((columns[0] + powers[at] * factor) * LIMB_DOWN);
  carry = Math.floor((columns[1] + powers[at + 1] * factor + carry) * LIMB_DOWN);
  carry = Math.floor((columns[2] + powers[at + 2] * factor + carry) * LIMB_DOWN);
  // What is below limb 3 may come from rounding g up: it never counts as a remainder.
  let x = columns[3] + powers[at + 3] * factor + carry;
  carry = Math.floor(x * LIMB_DOWN);
  let cut = x - carry * LIMB;
  x = columns[4] + powers[at + 4] * factor + carry;
  carry = Math.floor(x * LIMB_DOWN);
  cut += x - carry * LIMB;
  x = columns[5] + powers[at + 5] * factor + carry;
  carry = Math.floor(x * LIMB_DOWN);
  cut += x - carry * LIMB;
  x = columns[6] + carry;
  carry = Math.floor(x * LIMB_DOWN);
  top0 = (x - carry * LIMB) | (cut > 0 ? 1 : 0);
  x = columns[7] + carry;
  carry = Math.floor(x * LIMB_DOWN);
  top1 = x - carry * LIMB;
  top2 = carry;
}

/** Finds the digits of a positive finite double and leaves them in `shortest`. */
export function shortestDigits(value: number): void {
  bits[0] = value;
  const biased = words[1] >>> 20;
  let c = (words[1] & 0xfffff) * 4294967296 + words[0];
  const irregular = c === 0 && biased > 1;
  let q = -1074;
  if (biased !== 0) {
    c += 4503599627370496;
    q = biased - 1075;
  }
  const k = irregular ? floorLog10ThreeQuartersPow2(q) : floorLog10Pow2(q);
  const at = (-k - LOWEST_POWER) * 6;
  if (powers[at + 5] === 0) fillPower(-k, at);
  const shift = 1 << (q + floorLog2Pow10(-k) + 1);

  const m = c * 4 * shift;
  const m2 = Math.floor(m / (LIMB * LIMB));
  const rest = m - m2 * (LIMB * LIMB);
  const m1 = Math.floor(rest * LIMB_DOWN);
  multiply(at, rest - m1 * LIMB, m1, m2);

  scale(at, 0);
  const v0 = top0;
  const v1 = top1;
  const v2 = top2;
  // head = floor(v / 40), what is left of it in 0..39
  const h2 = (v2 / 40) | 0;
  let x = (v2 - h2 * 40) * LIMB + v1;
  const h1 = (x / 40) | 0;
  x = (x - h1 * 40) * LIMB + v0;
  const h0 = (x / 40) | 0;
  const head = (h2 * LIMB + h1) * LIMB + h0;
  const left = x - h0 * 40;

  // The ends of the interval, relative to 40 * head; they belong to it when c is even.
  const outside = c % 2;
  scale(at, irregular ? -shift : -2 * shift);
  const lower = left + ((top2 - v2) * LIMB + (top1 - v1)) * LIMB + (top0 - v0) + outside;
  scale(at, 2 * shift);
  const upper = left + ((top2 - v2) * LIMB + (top1 - v1)) * LIMB + (top0 - v0) - outside;

  const headIn = lower <= 0;
  if (headIn !== upper >= 40) {
    shortest.head = headIn ? head : head + 1;
    shortest.tail = -1;
    shortest.exponent = k + 1;
    return;
  }
  const digit = left >> 2;
  const downIn = lower <= digit << 2;
  const upIn = upper >= (digit + 1) << 2;
  const middle = left - ((digit << 2) + 2);
  const down = downIn !== upIn ? downIn : middle < 0 || (middle === 0 && (digit & 1) === 0);
  shortest.head = head;
  shortest.tail = down ? digit : digit + 1;
  shortest.exponent = k;
  if (shortest.tail === 10) {
    shortest.head = head + 1;
    shortest.tail = -1;
    shortest.exponent = k + 1;
  }
}

function multiply(at: number, m0: number, m1: number, m2: number): void {
  const g0 = powers[at];
  const g1 = powers[at + 1];
  const g2 = powers[at + 2];
  const g3 = powers[at + 3];
  const g4 = powers[at + 4];
  const g5 = powers[at + 5];
  columns[0] = g0 * m0;
  columns[1] = g1 * m0 + g0 * m1;
  columns[2] = g2 * m0 + g1 * m1 + g0 * m2;
  columns[3] = g3 * m0 + g2 * m1 + g1 * m2;
  columns[4] = g4 * m0 + g3 * m1 + g2 * m2;
  columns[5] = g5 * m0 + g4 * m1 + g3 * m2;
  columns[6] = g5 * m1 + g4 * m2;
  columns[7] = g5 * m2;
}
