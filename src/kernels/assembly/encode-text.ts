import { copy, INPUT, KEY, KEY_BYTES, literal, matches, SCRATCH } from './encode-memory';

/**
 * Texts of canonical lines (docs/formats/entries.md, texts), read into `textAt` and `textSize`: in
 * the line itself where they stand for themselves, otherwise decoded. Nothing here looks for the
 * end of the input: a line feed ends every search, and the input ends with one.
 */
export let textAt: usize = 0;
export let textSize: usize = 0;

const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
const NEWLINE: u8 = 0x0a;
const PAD: u8 = 0x3d;

const BASE64_TAG = literal('base64:');
const TEXT_TAG = literal('text:');

/** Values of the base64 alphabet, 64 for what is not in it. */
const BASE64 = memory.data(256, 16);
/** What the letter behind a backslash stands for, 0 for none; and values of hexadecimal digits. */
const ESCAPES = memory.data(256, 16);
const HEX = memory.data(256, 16);

/** By the bits of eight bytes that are taken out: where those that stay come from. */
const KEPT = memory.data(256 * 8, 16);

function fillTables(): void {
  for (let bits = 0; bits < 256; bits++) {
    let kept = KEPT + bits * 8;
    memory.fill(kept, 0x80, 8);
    for (let i = 0; i < 8; i++) if (((bits >> i) & 1) === 0) store<u8>(kept++, <u8>i);
  }
  memory.fill(BASE64, 64, 256);
  memory.fill(HEX, 16, 256);
  for (let i = 0; i < 26; i++) {
    store<u8>(BASE64 + 0x41 + i, <u8>i);
    store<u8>(BASE64 + 0x61 + i, <u8>(26 + i));
  }
  for (let i = 0; i < 10; i++) {
    store<u8>(BASE64 + 0x30 + i, <u8>(52 + i));
    store<u8>(HEX + 0x30 + i, <u8>i);
  }
  for (let i = 0; i < 6; i++) {
    store<u8>(HEX + 0x41 + i, <u8>(10 + i));
    store<u8>(HEX + 0x61 + i, <u8>(10 + i));
  }
  store<u8>(BASE64 + 0x2b, 62);
  store<u8>(BASE64 + 0x2f, 63);
  store<u8>(ESCAPES + 0x22, 0x22);
  store<u8>(ESCAPES + 0x5c, 0x5c);
  store<u8>(ESCAPES + 0x2f, 0x2f);
  store<u8>(ESCAPES + 0x62, 8);
  store<u8>(ESCAPES + 0x66, 12);
  store<u8>(ESCAPES + 0x6e, 10);
  store<u8>(ESCAPES + 0x72, 13);
  store<u8>(ESCAPES + 0x74, 9);
}
fillTables();

/** One bit per byte that ends a stretch of plain text: quote, backslash, line feed. */
// @ts-ignore: decorator
@inline
function specials(bytes: v128): i32 {
  return i8x16.bitmask(
    v128.or(
      v128.or(
        i8x16.eq(bytes, i8x16.splat(<i8>QUOTE)),
        i8x16.eq(bytes, i8x16.splat(<i8>BACKSLASH)),
      ),
      i8x16.eq(bytes, i8x16.splat(<i8>NEWLINE)),
    ),
  );
}

// @ts-ignore: decorator
@inline
function findSpecial(from: usize): usize {
  let at = from;
  let found = specials(v128.load(at));
  while (found === 0) {
    at += 16;
    found = specials(v128.load(at));
  }
  return at + ctz(found);
}

/**
 * Reads the text whose opening quote is at `at`; returns the position behind the closing one, or 0
 * for a text that is not ours to read. `into` has room for as much as the text takes in the line.
 */
// @ts-ignore: decorator
@inline
export function readText(at: usize, into: usize): usize {
  if (load<u8>(at) !== QUOTE) return 0;
  const start = at + 1;
  const stop = findSpecial(start);
  const first = load<u8>(start);
  if (load<u8>(stop) !== QUOTE || first === 0x62 || first === 0x74) {
    return readUneven(start, stop, into);
  }
  textAt = start;
  textSize = stop - start;
  return stop + 1;
}

/** Whether the last text had to be decoded, into SCRATCH: the next one will lie there too. */
// @ts-ignore: decorator
@inline
export function isDecoded(): bool {
  return textAt < INPUT;
}

/** A key: as `readText`, but what was decoded outlives the next text. */
export function readKey(at: usize): usize {
  const end = readText(at, SCRATCH);
  if (end === 0 || !isDecoded()) return end;
  if (textSize > KEY_BYTES) return 0;
  copy(KEY, textAt, textSize);
  textAt = KEY;
  return end;
}

/** A text that may be tagged or hold escapes; `stop` is its first special byte. */
function readUneven(start: usize, stop: usize, into: usize): usize {
  const mark = load<u8>(stop);
  if (mark === BACKSLASH) return readEscaped(start, stop, into);
  if (mark !== QUOTE) return 0;
  if (matches(start, BASE64_TAG, 7)) return decodeBase64(start + 7, stop, into) ? stop + 1 : 0;
  textAt = matches(start, TEXT_TAG, 5) ? start + 5 : start;
  textSize = stop - textAt;
  return stop + 1;
}

/** What is written with escapes may be a tag too, which is rare enough to leave most of it. */
function readEscaped(start: usize, stop: usize, into: usize): usize {
  const end = unescape(start, stop, into);
  if (end === 0 || (textSize >= 7 && matches(into, BASE64_TAG, 7))) return 0;
  if (textSize >= 5 && matches(into, TEXT_TAG, 5)) {
    textAt += 5;
    textSize -= 5;
  }
  return end;
}

/** Decodes from `from` on, where `escape` is the first backslash. */
function unescape(from: usize, escape: usize, into: usize): usize {
  copy(into, from, escape - from);
  let p = escape;
  let o = into + (escape - from);
  for (;;) {
    const mark = load<u8>(p);
    if (mark === QUOTE) break;
    if (mark === NEWLINE) return 0;
    if (mark === BACKSLASH) {
      const letter = load<u8>(p, 1);
      const plain = load<u8>(ESCAPES + letter);
      if (plain !== 0) {
        store<u8>(o++, plain);
        p += 2;
      } else {
        if (letter !== 0x75) return 0;
        const a = <u32>load<u8>(HEX + load<u8>(p, 2));
        if (a > 15) return 0;
        const b = <u32>load<u8>(HEX + load<u8>(p, 3));
        if (b > 15) return 0;
        const c = <u32>load<u8>(HEX + load<u8>(p, 4));
        if (c > 15) return 0;
        const d = <u32>load<u8>(HEX + load<u8>(p, 5));
        if (d > 15) return 0;
        const point = (a << 12) | (b << 8) | (c << 4) | d;
        // Surrogates are not ours.
        if (point >= 0xd800 && point < 0xe000) return 0;
        o = writeUtf8(point, o);
        p += 6;
      }
    }
    // What is plain, and what only needs its backslash taken out, goes in steps of a vector.
    for (;;) {
      const bytes = v128.load(p);
      const found = specials(bytes);
      if (found === 0) {
        v128.store(o, bytes);
        p += 16;
        o += 16;
        continue;
      }
      const slashes = i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(<i8>BACKSLASH)));
      const quotes = i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(<i8>QUOTE)));
      // A backslash at the end is left for the next step.
      const escaped = (slashes << 1) & 0xffff;
      if (escaped === 0 || quotes !== escaped || found !== (slashes | quotes)) {
        v128.store(o, bytes);
        const run = <usize>ctz(found);
        p += run;
        o += run;
        break;
      }
      const removed = slashes & 0x7fff;
      const low = removed & 0xff;
      const high = removed >> 8;
      v128.store(o, i8x16.swizzle(bytes, v128.load64_zero(KEPT + (low << 3))));
      o += 8 - popcnt(low);
      const upper = i8x16.add(v128.load64_zero(KEPT + (high << 3)), i8x16.splat(8));
      v128.store(o, i8x16.swizzle(bytes, upper));
      const cut: usize = slashes >> 15;
      o += 8 - popcnt(high) - cut;
      p += 16 - cut;
    }
  }
  textAt = into;
  textSize = o - into;
  return p + 1;
}

function writeUtf8(point: u32, to: usize): usize {
  if (point < 0x80) {
    store<u8>(to, <u8>point);
    return to + 1;
  }
  if (point < 0x800) {
    store<u8>(to, <u8>(0xc0 | (point >> 6)));
    store<u8>(to, <u8>(0x80 | (point & 63)), 1);
    return to + 2;
  }
  store<u8>(to, <u8>(0xe0 | (point >> 12)));
  store<u8>(to, <u8>(0x80 | ((point >> 6) & 63)), 1);
  store<u8>(to, <u8>(0x80 | (point & 63)), 2);
  return to + 3;
}

function decodeBase64(start: usize, end: usize, into: usize): bool {
  const size = end - start;
  if ((size & 3) !== 0) return false;
  let p = start;
  let o = into;
  // The last group may be padded: it is left to the loop behind.
  while (p + 20 <= end) {
    const letters = v128.load(p);
    const values = base64Values(letters);
    if (v128.any_true(i8x16.gt_u(values, i8x16.splat(63)))) return false;
    v128.store(o, packBase64(values));
    p += 16;
    o += 12;
  }
  while (p < end) {
    const isEnd = p + 4 === end;
    const third = load<u8>(p, 2);
    const fourth = load<u8>(p, 3);
    const a = <u32>load<u8>(BASE64 + load<u8>(p));
    const b = <u32>load<u8>(BASE64 + load<u8>(p, 1));
    const d = isEnd && fourth === PAD ? 0 : <u32>load<u8>(BASE64 + fourth);
    const c = isEnd && third === PAD && fourth === PAD ? 0 : <u32>load<u8>(BASE64 + third);
    if ((a | b | c | d) > 63) return false;
    store<u8>(o, <u8>((a << 2) | (b >> 4)));
    store<u8>(o, <u8>((b << 4) | (c >> 2)), 1);
    store<u8>(o, <u8>((c << 6) | d), 2);
    p += 4;
    o += 3;
  }
  if (size > 0 && load<u8>(end - 1) === PAD) o -= load<u8>(end - 2) === PAD ? 2 : 1;
  textAt = into;
  textSize = o - into;
  return true;
}

/** The value of each of sixteen letters; more than 63 for what is not in the alphabet. */
// @ts-ignore: decorator
@inline
function base64Values(letters: v128): v128 {
  const upper = inRange(letters, 0x41, 26, -0x41);
  const lower = inRange(letters, 0x61, 26, 26 - 0x61);
  const digit = inRange(letters, 0x30, 10, 52 - 0x30);
  const plus = inRange(letters, 0x2b, 1, 62 - 0x2b);
  const slash = inRange(letters, 0x2f, 1, 63 - 0x2f);
  // One more than the value, so that 0 says that none was it; taking one makes that 255.
  const sum = v128.or(v128.or(v128.or(upper, lower), v128.or(digit, plus)), slash);
  return i8x16.sub(sum, i8x16.splat(1));
}

/** Value plus one where `first <= letter < first + count`, else 0. */
// @ts-ignore: decorator
@inline
function inRange(letters: v128, first: i8, count: i8, shift: i8): v128 {
  const inside = i8x16.lt_u(i8x16.sub(letters, i8x16.splat(first)), i8x16.splat(count));
  return v128.and(inside, i8x16.add(letters, i8x16.splat(shift + 1)));
}

/** Four values of six bits each become three bytes, in each of four lanes. */
// @ts-ignore: decorator
@inline
function packBase64(values: v128): v128 {
  const a = i32x4.shl(v128.and(values, i32x4.splat(0xff)), 18);
  const b = i32x4.shl(v128.and(values, i32x4.splat(0xff00)), 4);
  const c = i32x4.shr_u(v128.and(values, i32x4.splat(0xff0000)), 10);
  const d = i32x4.shr_u(values, 24);
  const words = v128.or(v128.or(a, b), v128.or(c, d));
  return i8x16.shuffle(words, words, 2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 15, 15, 15, 15);
}
