import { mix } from './key-hash.ts';

/** A Bloom filter and how many keys it knows. */
export type KeyFilter = { readonly keys: number; readonly bits: Uint8Array };

/**
 * "Surely not here": a Bloom filter over the murmur3 hashes of the keys of one block. Ten bits
 * per key and seven probes let about 0.8 % of the absent keys through.
 */
export const FILTER_BITS_PER_KEY = 10;
export const FILTER_PROBES = 7;

/** Bits for so many keys: a multiple of 64, at least 64. */
export function filterBits(keys: number): number {
  return Math.max(64, Math.ceil((keys * FILTER_BITS_PER_KEY) / 64) * 64);
}

/** A filter of the first `keys` of `hashes`, alone in its ArrayBuffer; null for none. */
export function filterOf(hashes: Uint32Array, keys = hashes.length): KeyFilter | null {
  if (keys === 0) return null;
  const bits = new Uint8Array(filterBits(keys) / 8);
  for (let i = 0; i < keys; i++) addToFilter(bits, hashes[i]);
  return { keys, bits };
}

/** Sets the probes of one key hash in a bit string. Bit n is bit `n & 7` of byte `n >> 3`. */
export function addToFilter(bits: Uint8Array, hash: number): void {
  const size = bits.length * 8;
  const step = secondHash(hash);
  let probe = hash >>> 0;
  for (let i = 0; i < FILTER_PROBES; i++) {
    const bit = probe % size;
    bits[bit >>> 3] |= 1 << (bit & 7);
    probe = (probe + step) >>> 0;
  }
}

/** False: surely absent. `probes` is what the file says it was written with. */
export function filterMayContain(bits: Uint8Array, probes: number, hash: number): boolean {
  const size = bits.length * 8;
  const step = secondHash(hash);
  let probe = hash >>> 0;
  for (let i = 0; i < probes; i++) {
    const bit = probe % size;
    if ((bits[bit >>> 3] & (1 << (bit & 7))) === 0) return false;
    probe = (probe + step) >>> 0;
  }
  return true;
}

/** Odd, so that the probes of one key do not fall together. */
function secondHash(hash: number): number {
  return (mix(hash ^ 0x9e3779b9) | 1) >>> 0;
}
