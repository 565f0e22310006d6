import type { ByteBuilder } from '../../base/index.ts';

/**
 * CRC-64 as RDB files and DUMP payloads use it: polynomial ad93d23594c935a9, input and output
 * reflected, initial 0, no final xor; check over "123456789" e9c6d914c4b8d9ca (docs/formats/rdb.md,
 * checksum). A state is two 32-bit words, so that nothing on this path becomes a BigInt.
 */
export type Crc64 = { high: number; low: number };

const POLYNOMIAL_HIGH = 0x95ac9329 | 0;
const POLYNOMIAL_LOW = 0xac4bc9b5 | 0;

/** Eight tables of 256: table k answers for a byte that k more bytes follow (slicing by eight). */
const HIGH = new Int32Array(8 * 256);
const LOW = new Int32Array(8 * 256);

function fillTables(): void {
  for (let byte = 0; byte < 256; byte++) {
    let high = 0;
    let low = byte;
    for (let bit = 0; bit < 8; bit++) {
      const odd = low & 1;
      low = (low >>> 1) | (high << 31);
      high = high >>> 1;
      if (odd) {
        high ^= POLYNOMIAL_HIGH;
        low ^= POLYNOMIAL_LOW;
      }
    }
    HIGH[byte] = high;
    LOW[byte] = low;
  }
  for (let i = 256; i < 8 * 256; i++) {
    const high = HIGH[i - 256];
    const low = LOW[i - 256];
    const next = low & 0xff;
    LOW[i] = ((low >>> 8) | (high << 24)) ^ LOW[next];
    HIGH[i] = (high >>> 8) ^ HIGH[next];
  }
}
fillTables();

/** Takes `[start, end)` into `state`. */
export function updateCrc64(state: Crc64, bytes: Uint8Array, start: number, end: number): void {
  let high = state.high | 0;
  let low = state.low | 0;
  let i = start;
  for (const stop = end - 7; i < stop; i += 8) {
    low ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    high ^= bytes[i + 4] | (bytes[i + 5] << 8) | (bytes[i + 6] << 16) | (bytes[i + 7] << 24);
    const a = 1792 + (low & 0xff);
    const b = 1536 + ((low >>> 8) & 0xff);
    const c = 1280 + ((low >>> 16) & 0xff);
    const d = 1024 + (low >>> 24);
    const e = 768 + (high & 0xff);
    const f = 512 + ((high >>> 8) & 0xff);
    const g = 256 + ((high >>> 16) & 0xff);
    const h = high >>> 24;
    low = LOW[a] ^ LOW[b] ^ LOW[c] ^ LOW[d] ^ LOW[e] ^ LOW[f] ^ LOW[g] ^ LOW[h];
    high = HIGH[a] ^ HIGH[b] ^ HIGH[c] ^ HIGH[d] ^ HIGH[e] ^ HIGH[f] ^ HIGH[g] ^ HIGH[h];
  }
  for (; i < end; i++) {
    const index = (low ^ bytes[i]) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ LOW[index];
    high = (high >>> 8) ^ HIGH[index];
  }
  state.high = high;
  state.low = low;
}

export function createCrc64(): Crc64 {
  return { high: 0, low: 0 };
}

/** Whether the eight little-endian bytes at `at` hold `state`. */
export function equalsCrc64(state: Crc64, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 4; i++) {
    if (bytes[at + i] !== ((state.low >>> (8 * i)) & 0xff)) return false;
    if (bytes[at + 4 + i] !== ((state.high >>> (8 * i)) & 0xff)) return false;
  }
  return true;
}

/** Writes `state` as eight little-endian bytes at `at`. */
export function writeCrc64(state: Crc64, bytes: Uint8Array, at: number): void {
  for (let i = 0; i < 4; i++) {
    bytes[at + i] = (state.low >>> (8 * i)) & 0xff;
    bytes[at + 4 + i] = (state.high >>> (8 * i)) & 0xff;
  }
}

/** Appends the checksum of what `builder` holds from `from` on. */
export function appendCrc64(builder: ByteBuilder, from: number): void {
  const state = createCrc64();
  updateCrc64(state, builder.bytes, from, builder.length);
  builder.reserve(8);
  writeCrc64(state, builder.bytes, builder.length);
  builder.length += 8;
}
