/**
 * The two hashes of a key: which slot it belongs to, and its bits in the filter. Both are called
 * once per key in the hot path, so they take byte ranges and allocate nothing.
 */

export const SLOTS = 16384;

const CRC16 = crc16Table();

/** Redis Cluster's hash slot: CRC-16/XMODEM over the hash tag, or else over the whole key. */
export function keySlot(bytes: Uint8Array, start: number, end: number): number {
  let from = start;
  let to = end;
  for (let i = start; i < end; i++) {
    if (bytes[i] !== 0x7b) continue;
    let close = i + 1;
    while (close < end && bytes[close] !== 0x7d) close++;
    // Only the first `{` counts, and only when something stands between it and the next `}`.
    if (close < end && close > i + 1) {
      from = i + 1;
      to = close;
    }
    break;
  }
  let crc = 0;
  // The bits above sixteen are left to run out at the top: nothing reads them.
  for (let i = from; i < to; i++) crc = (crc << 8) ^ CRC16[((crc >>> 8) ^ bytes[i]) & 0xff];
  return crc & (SLOTS - 1);
}

/** Which of `ranges` contiguous slot ranges a slot falls into. */
export function slotRange(slot: number, ranges: number): number {
  return Math.floor((slot * ranges) / SLOTS);
}

/** MurmurHash3 x86 32-bit with seed 0, as an unsigned number. */
export function murmur3(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const blocksEnd = start + (length & ~3);
  let hash = 0;
  for (let i = start; i < blocksEnd; i += 4) {
    const word = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    let k = Math.imul(word, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    hash ^= Math.imul(k, 0x1b873593);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  const rest = length & 3;
  if (rest > 0) {
    let word = bytes[blocksEnd];
    if (rest > 1) word |= bytes[blocksEnd + 1] << 8;
    if (rest > 2) word |= bytes[blocksEnd + 2] << 16;
    let k = Math.imul(word, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    hash ^= Math.imul(k, 0x1b873593);
  }
  return mix(hash ^ length);
}

/** MurmurHash3's finalizer, as an unsigned number. */
export function mix(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function crc16Table(): Uint16Array {
  const table = new Uint16Array(256);
  for (let i = 0; i < 256; i++) {
    let crc = i << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    table[i] = crc;
  }
  return table;
}
