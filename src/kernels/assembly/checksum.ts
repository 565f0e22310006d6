import { crc64, fillCrc64Tables } from './crc64';

/** CRC-64 of bytes in AREA: src/kernels/checksum-kernel.ts. A state is two words for JavaScript. */
export const AREA: usize = 1 << 17;
export const AREA_BYTES: usize = 1 << 18;

fillCrc64Tables();

let state: u64 = 0;

export function update(high: u32, low: u32, bytes: usize): void {
  state = crc64((<u64>high << 32) | low, AREA, AREA + bytes);
}

export function high(): u32 {
  return <u32>(state >> 32);
}

export function low(): u32 {
  return <u32>state;
}
