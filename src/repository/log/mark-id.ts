import { sha256 } from '../data-file/block.ts';

const LENGTH = 6;
const DIGITS = 36n;

/**
 * What people call a mark: six characters of `[a-z0-9]` that follow from where it is, so that it
 * has the same name each time. The first 8 bytes of SHA-256 over `shard/lineage/offset`, a
 * big-endian number, modulo 36^6, in base 36.
 */
export function markId(shard: string, lineage: string, offset: number): string {
  const digest = sha256(Buffer.from(`${shard}/${lineage}/${offset}`));
  const number = digest.readBigUInt64BE(0) % DIGITS ** BigInt(LENGTH);
  return number.toString(36).padStart(LENGTH, '0');
}
