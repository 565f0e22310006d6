/** The hashes of a key (src/repository/data-file/key-hash.ts). */

/** CRC-16/XMODEM: table k of eight answers for a byte that k more bytes follow. */
const CRC16 = memory.data(8 * 512, 16);

export function fillKeyTables(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    store<u16>(CRC16 + (byte << 1), <u16>crc);
  }
  for (let i: u32 = 256; i < 8 * 256; i++) {
    const before = <u32>load<u16>(CRC16 + ((i - 256) << 1));
    const crc = (before << 8) ^ load<u16>(CRC16 + ((before >> 8) << 1));
    store<u16>(CRC16 + (i << 1), <u16>crc);
  }
}

/** Redis Cluster's hash slot: CRC-16 over the hash tag, or else over the whole key. */
export function keySlot(start: usize, end: usize): u32 {
  const brace = find(0x7b, start, end);
  if (brace !== end) {
    const close = find(0x7d, brace + 1, end);
    if (close !== end && close > brace + 1) return crc16(brace + 1, close) & 16383;
  }
  return crc16(start, end) & 16383;
}

/** Where a byte stands first, or `end`. Reads up to 15 bytes behind. */
function find(byte: i8, start: usize, end: usize): usize {
  const wanted = i8x16.splat(byte);
  for (let p = start; p < end; p += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(p), wanted));
    if (found !== 0) return min<usize>(p + ctz(found), end);
  }
  return end;
}

function at(byte: u32, table: usize): u32 {
  return load<u16>(CRC16 + table + ((byte & 0xff) << 1));
}

function crc16(start: usize, end: usize): u32 {
  let crc: u32 = 0;
  let p = start;
  while (end - p >= 8) {
    const a = load<u32>(p);
    const b = load<u32>(p, 4);
    crc =
      at(a ^ (crc >> 8), 7 * 512) ^
      at((a >> 8) ^ crc, 6 * 512) ^
      at(a >> 16, 5 * 512) ^
      at(a >> 24, 4 * 512) ^
      (at(b, 3 * 512) ^ at(b >> 8, 2 * 512) ^ at(b >> 16, 512) ^ at(b >> 24, 0));
    p += 8;
  }
  for (; p < end; p++) crc = ((crc << 8) & 0xffff) ^ at((crc >> 8) ^ load<u8>(p), 0);
  return crc;
}

/** MurmurHash3 x86 32-bit with seed 0. */
export function murmur3(start: usize, end: usize): u32 {
  const size = end - start;
  const blocksEnd = start + (size & ~3);
  let hash: u32 = 0;
  let p = start;
  for (; p < blocksEnd; p += 4) {
    hash ^= scramble(load<u32>(p));
    hash = rotl<u32>(hash, 13) * 5 + 0xe6546b64;
  }
  const rest = size & 3;
  if (rest > 0) {
    let word = <u32>load<u8>(p);
    if (rest > 1) word |= (<u32>load<u8>(p, 1)) << 8;
    if (rest > 2) word |= (<u32>load<u8>(p, 2)) << 16;
    hash ^= scramble(word);
  }
  return mix(hash ^ <u32>size);
}

function scramble(word: u32): u32 {
  return rotl<u32>(word * 0xcc9e2d51, 15) * 0x1b873593;
}

/** MurmurHash3's finalizer. */
export function mix(value: u32): u32 {
  let hash = value ^ (value >> 16);
  hash *= 0x85ebca6b;
  hash ^= hash >> 13;
  hash *= 0xc2b2ae35;
  return hash ^ (hash >> 16);
}
