import { writeI64 } from './decimal';
import { lzfDecompress } from './lzf';

/**
 * The batch being read: lengths and strings of the RDB format (src/rdb/cursor.ts). Nothing is ever
 * read behind the batch that could matter: every read first compares what it needs with what is
 * left. A failure means "not for the kernel" and nothing more.
 */

/** Where reading stands, and the end of the batch. */
export let ip: usize = 0;
export let stop: usize = 0;

/** What `readString` found: in the batch, or in memory that its next call overwrites. */
export let textStart: usize = 0;
export let textEnd: usize = 0;

export const FAILED: i32 = i32.MIN_VALUE;

/** Room for the text of an integer. */
const DIGITS = memory.data(32, 16);

const STRING_INT8: i32 = -1;
const STRING_INT16: i32 = -2;
const STRING_INT32: i32 = -3;
const STRING_LZF: i32 = -4;

let unpacked: usize = 0;
let unpackedBytes: usize = 0;

/** Where LZF strings are decompressed to; `size` and LZF_SLACK bytes must be there. */
export function setUnpackArea(at: usize, size: usize): void {
  unpacked = at;
  unpackedBytes = size;
}

export function openInput(start: usize, end: usize): void {
  ip = start;
  stop = end;
}

export function seek(to: usize): void {
  ip = to;
}

/** Passes over `size` bytes; false when there are not as many. */
export function take(size: usize): bool {
  if (size > stop - ip) return false;
  ip += size;
  return true;
}

/** A length below 2^31; -1 - form for a special string; FAILED. */
export function readLengthOrForm(): i32 {
  if (ip >= stop) return FAILED;
  const first = <i32>load<u8>(ip);
  if (first < 0x40) {
    ip++;
    return first;
  }
  if (first < 0x80) {
    if (stop - ip < 2) return FAILED;
    const low = <i32>load<u8>(ip, 1);
    ip += 2;
    return ((first & 0x3f) << 8) | low;
  }
  if (first >= 0xc0) {
    ip++;
    return -1 - (first & 0x3f);
  }
  if (first !== 0x80 || stop - ip < 5) return FAILED;
  const value = <i32>bswap(load<u32>(ip, 1));
  ip += 5;
  return value < 0 ? FAILED : value;
}

/** A length below 2^31, or a negative number. */
export function readLength(): i32 {
  return readLengthOrForm();
}

/** Whether `readLength64` failed, ever since it was cleared. */
export let failed64: bool = false;

export function clearFailure(): void {
  failed64 = false;
}

/** All 64 bits of a length. */
export function readLength64(): u64 {
  if (ip < stop && load<u8>(ip) === 0x81) {
    if (stop - ip < 9) {
      failed64 = true;
      return 0;
    }
    const value = bswap(load<u64>(ip, 1));
    ip += 9;
    return value;
  }
  const value = readLengthOrForm();
  if (value < 0) failed64 = true;
  return value;
}

/** A signed 64-bit time, kept within what is exact as a number. The caller has made sure of it. */
export function readMilliseconds(): i64 {
  const value = load<i64>(ip);
  ip += 8;
  return max<i64>(-9007199254740991, min<i64>(9007199254740991, value));
}

/** Leaves a string in `textStart`, `textEnd`. */
export function readString(): bool {
  const size = readLengthOrForm();
  if (size >= 0) {
    if (<usize>size > stop - ip) return false;
    textStart = ip;
    ip += size;
    textEnd = ip;
    return true;
  }
  return readSpecialString(size);
}

function readSpecialString(form: i32): bool {
  const left = stop - ip;
  let value: i32 = 0;
  if (form === STRING_INT8) {
    if (left < 1) return false;
    value = load<i8>(ip);
    ip += 1;
  } else if (form === STRING_INT16) {
    if (left < 2) return false;
    value = load<i16>(ip);
    ip += 2;
  } else if (form === STRING_INT32) {
    if (left < 4) return false;
    value = load<i32>(ip);
    ip += 4;
  } else return form === STRING_LZF && readPackedString();
  textStart = DIGITS;
  textEnd = writeI64(DIGITS, value);
  return true;
}

function readPackedString(): bool {
  const packed = readLength();
  const size = readLength();
  if (packed <= 0 || size < 0) return false;
  if (<usize>packed > stop - ip || <usize>size > unpackedBytes) return false;
  // LZF spends at most two bytes on one, and at least three on 264: anything else is a lie.
  if (<u32>packed > <u32>size * 2 || <u64>size > <u64>packed * 264) return false;
  const start = ip;
  ip += packed;
  textStart = unpacked;
  textEnd = unpacked + size;
  return lzfDecompress(start, ip, unpacked, size);
}
