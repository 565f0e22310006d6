/**
 * The upper 128 bits of the powers of ten from 10^-342 to 10^324, truncated, with the highest bit
 * set: what both reading and writing of doubles multiply by. Computed once, from the definition.
 */
export const LOWEST_POWER: i32 = -342;
export const HIGHEST_POWER: i32 = 324;

/** Two words each, the upper one first. */
const POWERS = memory.data(667 * 16, 16);

/** A natural number of up to 1280 bits, in limbs of 32, lowest first. */
const LIMBS: i32 = 40;
const number = memory.data(40 * 4, 16);

export function powerHigh(exponent: i32): u64 {
  return load<u64>(POWERS + ((exponent - LOWEST_POWER) << 4));
}

export function powerLow(exponent: i32): u64 {
  return load<u64>(POWERS + ((exponent - LOWEST_POWER) << 4), 8);
}

export function fillPowersOfTen(): void {
  clear();
  store<u32>(number, 1);
  for (let exponent = 0; exponent <= HIGHEST_POWER; exponent++) {
    if (exponent > 0) multiplyByTen();
    keepTop(exponent);
  }
  // Truncating division by ten, again and again, is truncating division by a power of ten.
  clear();
  store<u32>(number + ((LIMBS - 1) << 2), 0x80000000);
  for (let exponent = -1; exponent >= LOWEST_POWER; exponent--) {
    divideByTen();
    keepTop(exponent);
  }
}

function clear(): void {
  memory.fill(number, 0, LIMBS << 2);
}

function multiplyByTen(): void {
  let carry: u64 = 0;
  for (let i = 0; i < LIMBS; i++) {
    const at = number + (i << 2);
    carry += <u64>load<u32>(at) * 10;
    store<u32>(at, <u32>carry);
    carry >>= 32;
  }
}

function divideByTen(): void {
  let rest: u64 = 0;
  for (let i = LIMBS - 1; i >= 0; i--) {
    const at = number + (i << 2);
    rest = (rest << 32) | load<u32>(at);
    store<u32>(at, <u32>(rest / 10));
    rest %= 10;
  }
}

function limb(index: i32): u64 {
  return index < 0 ? 0 : <u64>load<u32>(number + (index << 2));
}

function keepTop(exponent: i32): void {
  let top = LIMBS - 1;
  while (limb(top) === 0) top--;
  const high = (limb(top) << 32) | limb(top - 1);
  const low = (limb(top - 2) << 32) | limb(top - 3);
  const shift = clz(high);
  const at = POWERS + ((exponent - LOWEST_POWER) << 4);
  if (shift === 0) {
    store<u64>(at, high);
    store<u64>(at, low, 8);
    return;
  }
  store<u64>(at, (high << shift) | (low >> (64 - shift)));
  store<u64>(at, (low << shift) | (limb(top - 4) >> (32 - shift)), 8);
}

/** The upper 64 bits of a product. */
export function multiplyHigh(a: u64, b: u64): u64 {
  const al = a & 0xffffffff;
  const ah = a >> 32;
  const bl = b & 0xffffffff;
  const bh = b >> 32;
  const middle = ah * bl + ((al * bl) >> 32);
  const lower = al * bh + (middle & 0xffffffff);
  return ah * bh + (middle >> 32) + (lower >> 32);
}
