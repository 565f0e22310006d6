/**
 * CRC-64 as RDB files and DUMP payloads use it (src/rdb/kernels/crc64.ts has the definition). Call
 * `fillCrc64Tables` once before anything else.
 */

const POLYNOMIAL: u64 = 0x95ac9329ac4bc9b5;

/** Sixteen tables of 256: table k answers for a byte that k more bytes follow. */
const TABLES = memory.data(16 * 2048, 16);

export function fillCrc64Tables(): void {
  for (let byte: u64 = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    store<u64>(TABLES + ((<usize>byte) << 3), crc);
  }
  for (let i: usize = 256; i < 16 * 256; i++) {
    const before = load<u64>(TABLES + ((i - 256) << 3));
    store<u64>(
      TABLES + (i << 3),
      (before >> 8) ^ load<u64>(TABLES + ((<usize>before & 0xff) << 3)),
    );
  }
}

/** Looks up byte `k` of `word` in the table at byte offset `table`. */
function at(word: u64, k: u64, table: usize): u64 {
  return load<u64>(TABLES + table + ((<usize>(word >> (k << 3)) & 0xff) << 3));
}

/** Takes `[start, end)` of the memory into `crc`. */
export function crc64(crc: u64, start: usize, end: usize): u64 {
  let p = start;
  while (p + 16 <= end) {
    const a = load<u64>(p) ^ crc;
    const b = load<u64>(p, 8);
    crc =
      at(a, 0, 15 * 2048) ^
      at(a, 1, 14 * 2048) ^
      at(a, 2, 13 * 2048) ^
      at(a, 3, 12 * 2048) ^
      (at(a, 4, 11 * 2048) ^ at(a, 5, 10 * 2048) ^ at(a, 6, 9 * 2048) ^ at(a, 7, 8 * 2048)) ^
      (at(b, 0, 7 * 2048) ^ at(b, 1, 6 * 2048) ^ at(b, 2, 5 * 2048) ^ at(b, 3, 4 * 2048)) ^
      (at(b, 4, 3 * 2048) ^ at(b, 5, 2 * 2048) ^ at(b, 6, 2048) ^ at(b, 7, 0));
    p += 16;
  }
  while (p < end) {
    const index = (<usize>crc ^ load<u8>(p)) & 0xff;
    crc = (crc >> 8) ^ load<u64>(TABLES + (index << 3));
    p++;
  }
  return crc;
}
