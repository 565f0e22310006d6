import type { ValueDigest } from '../../entries/index.ts';
import { PRINT_BYTES } from './block-sight.ts';

const PRIME = 0x9e3779b1;

/**
 * Writes the fingerprint of a value and its expiry to `at`. `expireAtMs`: negative for none, and 0
 * where the server does not tell it exactly.
 */
export function writePrint(
  out: Uint8Array,
  at: number,
  digest: ValueDigest,
  expireAtMs: number,
): void {
  const bytes = Buffer.from(digest.core, 'hex');
  if (digest.counters !== null) mix(bytes, Buffer.from(digest.counters));
  const low = Math.imul(expireAtMs >>> 0, PRIME);
  const high = Math.floor(expireAtMs / 2 ** 32);
  bytes.writeInt32LE(bytes.readInt32LE(0) ^ low, 0);
  bytes.writeInt32LE(bytes.readInt32LE(4) ^ high, 4);
  out.set(bytes.subarray(0, PRINT_BYTES), at);
}

/** Of a value too large to be read: by the memory that it takes. */
export function writeSizePrint(out: Uint8Array, at: number, usage: number): void {
  const view = new DataView(out.buffer, out.byteOffset + at, PRINT_BYTES);
  view.setFloat64(0, usage, true);
}

function mix(bytes: Buffer, more: Buffer): void {
  for (const [i, byte] of more.entries()) {
    const at = i % PRINT_BYTES;
    bytes[at] = Math.imul(bytes[at] ^ byte, 31) & 255;
  }
}
