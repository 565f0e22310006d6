import { copy } from './encode-memory';
import { canonical, readCanonical } from './encode-numbers';

/**
 * Strings, lengths and compact containers as RDB writes them, byte for byte like src/rdb/encode/
 * (length.ts, listpack-builder.ts, ziplist-builder.ts). Whoever calls has made sure of room:
 * OVERHEAD bytes beside each text.
 */
export const OVERHEAD: usize = 64;

/** Longest decimal text of an int64. */
const INT_TEXT_BYTES: usize = 20;
const LETTER_9: u8 = 57;

/** Appends a length. */
export function putLength(to: usize, value: usize): usize {
  if (value < 64) {
    store<u8>(to, <u8>value);
    return to + 1;
  }
  if (value < 16384) {
    store<u16>(to, bswap<u16>(<u16>(0x4000 | value)));
    return to + 2;
  }
  store<u8>(to, 0x80);
  store<u32>(to, bswap<u32>(<u32>value), 1);
  return to + 5;
}

/** Appends a length of 64 bits. */
export function putWideLength(to: usize, value: u64): usize {
  if (value <= 0xffffffff) return putLength(to, <usize>value);
  store<u8>(to, 0x81);
  store<u64>(to, bswap<u64>(value), 1);
  return to + 9;
}

/** Appends a string: the canonical decimal of an int32 as integer, else its bytes. */
export function putString(to: usize, at: usize, size: usize): usize {
  if (size <= 11 && size > 0 && load<u8>(at) <= LETTER_9 && readCanonical(at, size)) {
    const value = <i32>canonical;
    if (<i64>value === canonical) {
      if (value >= -128 && value <= 127) {
        store<u8>(to, 0xc0);
        store<u8>(to, <u8>value, 1);
        return to + 2;
      }
      if (value >= -32768 && value <= 32767) {
        store<u8>(to, 0xc1);
        store<u16>(to, <u16>value, 1);
        return to + 3;
      }
      store<u8>(to, 0xc2);
      store<u32>(to, <u32>value, 1);
      return to + 5;
    }
  }
  return putRaw(to, at, size);
}

export function putRaw(to: usize, at: usize, size: usize): usize {
  const o = putLength(to, size);
  copy(o, at, size);
  return o + size;
}

/** Listpacks, or ziplists for targets before Redis 7.0. */
let listpacks: bool = true;
/** The container being filled: where it begins, its elements, and a ziplist's last entry. */
export let boxAt: usize = 0;
export let boxCount: u32 = 0;
let boxLast: usize = 0;

export function chooseBox(useListpacks: bool): void {
  listpacks = useListpacks;
}

export function beginBox(to: usize): usize {
  if (listpacks) return beginListpack(to);
  boxAt = to;
  boxCount = 0;
  boxLast = to + 10;
  return to + 10;
}

export function endBox(to: usize): usize {
  if (listpacks) return endListpack(to);
  store<u8>(to, 0xff);
  store<u32>(boxAt, <u32>(to + 1 - boxAt));
  store<u32>(boxAt, <u32>(boxLast - boxAt), 4);
  store<u16>(boxAt, <u16>min(boxCount, <u32>0xffff), 8);
  return to + 1;
}

export function beginListpack(to: usize): usize {
  boxAt = to;
  boxCount = 0;
  return to + 6;
}

export function endListpack(to: usize): usize {
  store<u8>(to, 0xff);
  store<u32>(boxAt, <u32>(to + 1 - boxAt));
  store<u16>(boxAt, <u16>min(boxCount, <u32>0xffff), 4);
  return to + 1;
}

/** Writes the length of what ends here into the two bytes left for it, or as many as it needs. */
export function settleLength(end: usize, lengthAt: usize): usize {
  const size = end - lengthAt - 2;
  const width: usize = size < 64 ? 1 : size < 16384 ? 2 : 5;
  if (width !== 2) memory.copy(lengthAt + width, lengthAt + 2, size);
  putLength(lengthAt, size);
  return lengthAt + width + size;
}

// @ts-ignore: decorator
@inline
export function boxText(to: usize, at: usize, size: usize): usize {
  return listpacks ? listpackText(to, at, size) : ziplistText(to, at, size);
}

// @ts-ignore: decorator
@inline
export function boxInteger(to: usize, value: i64): usize {
  return listpacks ? listpackInteger(to, value) : ziplistInteger(to, value);
}

export function listpackText(to: usize, at: usize, size: usize): usize {
  if (size <= INT_TEXT_BYTES && size > 0 && load<u8>(at) <= LETTER_9 && readCanonical(at, size)) {
    return listpackInteger(to, canonical);
  }
  boxCount++;
  let o = to;
  if (size < 64) {
    store<u8>(o, <u8>(0x80 | size));
    copy(o + 1, at, size);
    store<u8>(o + size, <u8>(size + 1), 1);
    return o + size + 2;
  }
  if (size < 4096) {
    store<u16>(o, bswap<u16>(<u16>(0xe000 | size)));
    o += 2;
  } else {
    store<u8>(o, 0xf0);
    store<u32>(o, <u32>size, 1);
    o += 5;
  }
  copy(o, at, size);
  o += size;
  return putBack(o, o - to);
}

/** The size of an entry behind it, in groups of seven bits. */
function putBack(to: usize, size: usize): usize {
  if (size < 128) {
    store<u8>(to, <u8>size);
    return to + 1;
  }
  let groups: i32 = size < 16384 ? 2 : size < 2097152 ? 3 : size < 268435456 ? 4 : 5;
  groups--;
  store<u8>(to, <u8>(size >> (7 * groups)));
  let o = to + 1;
  while (groups-- > 0) store<u8>(o++, <u8>(0x80 | ((size >> (7 * groups)) & 0x7f)));
  return o;
}

export function listpackInteger(to: usize, value: i64): usize {
  boxCount++;
  if (value >= 0 && value <= 127) {
    store<u16>(to, <u16>value | 0x100);
    return to + 2;
  }
  let size: usize;
  if (value >= -4096 && value <= 4095) {
    store<u16>(to, bswap<u16>(0xc000 | (<u16>value & 0x1fff)));
    size = 2;
  } else {
    size =
      value >= -32768 && value <= 32767
        ? 3
        : value >= -8388608 && value <= 8388607
          ? 4
          : value === <i64>(<i32>value)
            ? 5
            : 9;
    store<u8>(to, <u8>(size === 9 ? 0xf4 : 0xee + size));
    store<u64>(to, <u64>value, 1);
  }
  store<u8>(to + size, <u8>size);
  return to + size + 1;
}

/** Begins a ziplist entry with the size of the one before. */
// @ts-ignore: decorator
@inline
function putPrevious(to: usize): usize {
  const size = to - boxLast;
  boxLast = to;
  boxCount++;
  if (size < 254) {
    store<u8>(to, <u8>size);
    return to + 1;
  }
  store<u8>(to, 0xfe);
  store<u32>(to, <u32>size, 1);
  return to + 5;
}

function ziplistText(to: usize, at: usize, size: usize): usize {
  if (size <= INT_TEXT_BYTES && size > 0 && load<u8>(at) <= LETTER_9 && readCanonical(at, size)) {
    return ziplistInteger(to, canonical);
  }
  let o = putPrevious(to);
  if (size < 64) {
    store<u8>(o++, <u8>size);
  } else if (size < 16384) {
    store<u16>(o, bswap<u16>(<u16>(0x4000 | size)));
    o += 2;
  } else {
    store<u8>(o, 0x80);
    store<u32>(o, bswap<u32>(<u32>size), 1);
    o += 5;
  }
  copy(o, at, size);
  return o + size;
}

function ziplistInteger(to: usize, value: i64): usize {
  const o = putPrevious(to);
  if (value >= 0 && value <= 12) {
    store<u8>(o, <u8>(0xf1 + value));
    return o + 1;
  }
  store<u64>(o, <u64>value, 1);
  if (value >= -128 && value <= 127) {
    store<u8>(o, 0xfe);
    return o + 2;
  }
  if (value >= -32768 && value <= 32767) {
    store<u8>(o, 0xc0);
    return o + 3;
  }
  if (value >= -8388608 && value <= 8388607) {
    store<u8>(o, 0xf0);
    return o + 4;
  }
  if (value === <i64>(<i32>value)) {
    store<u8>(o, 0xd0);
    return o + 5;
  }
  store<u8>(o, 0xe0);
  return o + 9;
}
