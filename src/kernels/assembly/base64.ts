/** Base64 of RFC 4648 with padding. */

/** Characters of so many bytes. */
export function base64Size(size: usize): usize {
  return ((size + 2) / 3) << 2;
}

/** Writes `base64Size` characters of `[start, end)` at `op`, and reads up to 15 bytes behind. */
export function writeBase64(op: usize, start: usize, end: usize): usize {
  let p = start;
  while (end - p >= 12) {
    const words = i8x16.swizzle(
      v128.load(p),
      i8x16(2, 1, 0, 16, 5, 4, 3, 16, 8, 7, 6, 16, 11, 10, 9, 16),
    );
    v128.store(op, characters(sextets(words)));
    p += 12;
    op += 16;
  }
  while (end - p >= 3) {
    const word = ((<u32>load<u8>(p)) << 16) | ((<u32>load<u8>(p, 1)) << 8) | load<u8>(p, 2);
    store<u32>(op, i32x4.extract_lane(characters(sextets(i32x4.splat(word))), 0));
    p += 3;
    op += 4;
  }
  const left = end - p;
  if (left === 0) return op;
  const second = left > 1 ? <u32>load<u8>(p, 1) : 0;
  const word = ((<u32>load<u8>(p)) << 16) | (second << 8);
  store<u32>(op, i32x4.extract_lane(characters(sextets(i32x4.splat(word))), 0));
  store<u8>(op + 3, 0x3d);
  if (left === 1) store<u8>(op + 2, 0x3d);
  return op + 4;
}

/** Four groups of 24 bits as sixteen numbers below 64, in the order of their characters. */
function sextets(words: v128): v128 {
  const a = v128.and(i32x4.shr_u(words, 18), i32x4.splat(0x3f));
  const b = v128.and(i32x4.shr_u(words, 4), i32x4.splat(0x3f00));
  const c = v128.and(i32x4.shl(words, 10), i32x4.splat(0x3f0000));
  const d = v128.and(i32x4.shl(words, 24), i32x4.splat(0x3f000000));
  return v128.or(v128.or(a, b), v128.or(c, d));
}

/** Adds what makes a number its character, by range: a–z, 0–9 (ten entries), +, /, A–Z. */
function characters(numbers: v128): v128 {
  const offsets = i8x16(71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 65, 0, 0);
  const range = v128.or(
    i8x16.sub_sat_u(numbers, i8x16.splat(51)),
    v128.and(i8x16.lt_u(numbers, i8x16.splat(26)), i8x16.splat(13)),
  );
  return i8x16.add(numbers, i8x16.swizzle(offsets, range));
}
