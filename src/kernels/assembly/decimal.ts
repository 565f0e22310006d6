/**
 * Integers as decimal text. Every function writes at `op` and returns the place behind what it
 * wrote; 24 bytes there must be free.
 */

/** The digits of 00 to 99, two bytes each. */
const PAIRS = memory.data(200, 8);

const EIGHT: u64 = 100000000;

export function fillDecimalTables(): void {
  for (let i: u32 = 0; i < 100; i++) {
    store<u16>(PAIRS + (i << 1), <u16>((48 + i / 10) | ((48 + (i % 10)) << 8)));
  }
}

function pair(op: usize, value: u32): void {
  store<u16>(op, load<u16>(PAIRS + (value << 1)));
}

/** Exactly eight digits of a number below 10^8. */
function writeEight(op: usize, value: u32): usize {
  const high = value / 10000;
  const low = value - high * 10000;
  const a = high / 100;
  const c = low / 100;
  pair(op, a);
  pair(op + 2, high - a * 100);
  pair(op + 4, c);
  pair(op + 6, low - c * 100);
  return op + 8;
}

/** A number below 10^8 without leading zeros. */
function writeSmall(op: usize, value: u32): usize {
  if (value < 100) {
    if (value < 10) {
      store<u8>(op, <u8>(48 + value));
      return op + 1;
    }
    pair(op, value);
    return op + 2;
  }
  if (value < 10000) {
    const high = value / 100;
    op = writeSmall100(op, high);
    pair(op, value - high * 100);
    return op + 2;
  }
  const high = value / 10000;
  const low = value - high * 10000;
  if (high < 100) op = writeSmall100(op, high);
  else {
    const top = high / 100;
    op = writeSmall100(op, top);
    pair(op, high - top * 100);
    op += 2;
  }
  const c = low / 100;
  pair(op, c);
  pair(op + 2, low - c * 100);
  return op + 4;
}

function writeSmall100(op: usize, value: u32): usize {
  if (value < 10) {
    store<u8>(op, <u8>(48 + value));
    return op + 1;
  }
  pair(op, value);
  return op + 2;
}

export function writeU64(op: usize, value: u64): usize {
  if (value < EIGHT) return writeSmall(op, <u32>value);
  const high = value / EIGHT;
  const low = <u32>(value - high * EIGHT);
  if (high < EIGHT) return writeEight(writeSmall(op, <u32>high), low);
  const top = high / EIGHT;
  op = writeSmall(op, <u32>top);
  return writeEight(writeEight(op, <u32>(high - top * EIGHT)), low);
}

export function writeI64(op: usize, value: i64): usize {
  if (value >= 0) return writeU64(op, value);
  store<u8>(op, 0x2d);
  return writeU64(op + 1, 0 - <u64>value);
}

/** Appends a literal, which must be ASCII, in steps of 16: up to 15 bytes behind change too. */
export function writeAscii(op: usize, text: string): usize {
  const from = changetype<usize>(text);
  const size = <usize>text.length;
  for (let i: usize = 0; i < size; i += 16) {
    const at = from + (i << 1);
    v128.store(op + i, i8x16.narrow_i16x8_u(v128.load(at), v128.load(at, 16)));
  }
  return op + size;
}
