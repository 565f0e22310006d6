/** Whether `[start, end)` is valid UTF-8 (Unicode 3.9, table 3-7). Reads up to 15 bytes behind. */
export function isUtf8(start: usize, end: usize): bool {
  let p = start;
  while (p < end) {
    const first = <u32>load<u8>(p);
    if (first < 0x80) {
      p++;
      while (end - p >= 16 && i8x16.bitmask(v128.load(p)) === 0) p += 16;
      continue;
    }
    const left = end - p;
    if (first < 0xe0) {
      if (first < 0xc2 || left < 2 || !isTrail(load<u8>(p, 1))) return false;
      p += 2;
      continue;
    }
    if (left < 3 || !isTrail(load<u8>(p, 2))) return false;
    const second = <u32>load<u8>(p, 1);
    if (first < 0xf0) {
      if (!isTrail(second)) return false;
      // Neither overlong nor a surrogate.
      if (first === 0xe0 && second < 0xa0) return false;
      if (first === 0xed && second > 0x9f) return false;
      p += 3;
      continue;
    }
    if (first > 0xf4 || left < 4 || !isTrail(second) || !isTrail(load<u8>(p, 3))) return false;
    // Neither overlong nor above U+10FFFF.
    if (first === 0xf0 && second < 0x90) return false;
    if (first === 0xf4 && second > 0x8f) return false;
    p += 4;
  }
  return true;
}

function isTrail(byte: u32): bool {
  return (byte & 0xc0) === 0x80;
}
