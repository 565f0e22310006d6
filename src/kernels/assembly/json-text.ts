import { base64Size, writeBase64 } from './base64';
import { writeAscii } from './decimal';
import { isUtf8 } from './utf8';

/**
 * Redis strings as JSON strings, byte for byte like src/entries/json-text.ts. Functions write at
 * `op` and return the place behind, or 0 when that would lie behind `limit`; behind `limit` another
 * TEXT_SLACK bytes may be overwritten. Input is read up to 31 bytes behind its end.
 */
export const TEXT_SLACK: usize = 256;

/** The letter after the backslash for control characters that have one, by code. */
const SHORT = memory.data(128, 8);

const HEX = memory.data<u8>([48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102]);

export function fillTextTables(): void {
  store<u8>(SHORT + 8, 0x62);
  store<u8>(SHORT + 9, 0x74);
  store<u8>(SHORT + 10, 0x6e);
  store<u8>(SHORT + 12, 0x66);
  store<u8>(SHORT + 13, 0x72);
  store<u8>(SHORT + 0x22, 0x22);
  store<u8>(SHORT + 0x5c, 0x5c);
}

/** Appends `[start, end)` as a quoted JSON string. */
export function writeText(op: usize, limit: usize, start: usize, end: usize): usize {
  if (op > limit) return 0;
  store<u8>(op, 0x22);
  op++;
  if (isTagged(start, end)) return writeTagged(op, limit, start, end);
  const begin = op;
  let p = start;
  while (p < end) {
    if (op > limit) return 0;
    const chunk = v128.load(p);
    const left = end - p;
    const valid = left < 16 ? (1 << <i32>left) - 1 : 0xffff;
    const mask = specials(chunk) & valid;
    v128.store(op, chunk);
    if ((i8x16.bitmask(chunk) & valid) !== 0) {
      if (isUtf8(p, end)) return writeUtf8(op, limit, p, end);
      return writeTaggedBase64(begin, limit, start, end);
    }
    const step = min<usize>(left, 16);
    op = mask === 0 ? op + step : escapeChunk(op, p, mask, step);
    p += step;
  }
  if (op > limit) return 0;
  store<u8>(op, 0x22);
  return op + 1;
}

/** The rest of a text that is valid UTF-8, and its closing quote. */
function writeUtf8(op: usize, limit: usize, start: usize, end: usize): usize {
  let p = start;
  while (p < end) {
    if (op > limit) return 0;
    const chunk = v128.load(p);
    const left = end - p;
    const valid = left < 16 ? (1 << <i32>left) - 1 : 0xffff;
    const mask = specials(chunk) & valid;
    v128.store(op, chunk);
    const step = min<usize>(left, 16);
    op = mask === 0 ? op + step : escapeChunk(op, p, mask, step);
    p += step;
  }
  if (op > limit) return 0;
  store<u8>(op, 0x22);
  return op + 1;
}

/** A bit for every byte that must be escaped. */
function specials(chunk: v128): i32 {
  const controls = i8x16.lt_u(chunk, i8x16.splat(0x20));
  const quotes = i8x16.eq(chunk, i8x16.splat(0x22));
  const backslashes = i8x16.eq(chunk, i8x16.splat(0x5c));
  return i8x16.bitmask(v128.or(controls, v128.or(quotes, backslashes)));
}

/** Up to 16 bytes at `p`, which stand at `op` already, with those of `mask` escaped. */
function escapeChunk(op: usize, p: usize, mask: i32, size: usize): usize {
  let from: usize = 0;
  do {
    const at = <usize>ctz(mask);
    op = writeEscape(op + (at - from), load<u8>(p + at));
    from = at + 1;
    v128.store(op, v128.load(p + from));
    mask &= mask - 1;
  } while (mask !== 0);
  return op + (size - from);
}

function writeEscape(op: usize, byte: u32): usize {
  const short = <u32>load<u8>(SHORT + byte);
  if (short !== 0) {
    store<u16>(op, <u16>(0x5c | (short << 8)));
    return op + 2;
  }
  // \u00
  store<u32>(op, 0x3030755c);
  store<u8>(op + 4, load<u8>(HEX + (byte >> 4)));
  store<u8>(op + 5, load<u8>(HEX + (byte & 15)));
  return op + 6;
}

/** Whether a text begins with one of the tags, and so needs one. */
function isTagged(start: usize, end: usize): bool {
  const size = end - start;
  if (size < 5) return false;
  const word = load<u64>(start);
  // text: and base64:
  if ((word & 0xffffffffff) === 0x3a74786574) return true;
  return size >= 7 && (word & 0xffffffffffffff) === 0x3a343665736162;
}

function writeTagged(op: usize, limit: usize, start: usize, end: usize): usize {
  if (!isUtf8(start, end)) return writeTaggedBase64(op, limit, start, end);
  return writeUtf8(writeAscii(op, 'text:'), limit, start, end);
}

function writeTaggedBase64(op: usize, limit: usize, start: usize, end: usize): usize {
  if (end - start > limit || op + base64Size(end - start) + 8 > limit) return 0;
  op = writeBase64(writeAscii(op, 'base64:'), start, end);
  store<u8>(op, 0x22);
  return op + 1;
}
