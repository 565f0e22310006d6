import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keySlot, mix, murmur3, slotRange } from './key-hash.ts';

/** Slots from CLUSTER KEYSLOT of Redis 7.0; the same table stands in docs/formats/data-file.md. */
const SLOT_VECTORS: readonly (readonly [string, number])[] = [
  ['', 0],
  ['a', 15495],
  ['abc', 7638],
  ['123456789', 12739],
  ['foo', 12182],
  ['foo{hash_tag}', 2515],
  ['{user1000}.following', 3443],
  ['foo{}{bar}', 8363],
  ['foo{{bar}}zap', 4015],
  ['foo{bar}{zap}', 5061],
  ['{}x', 10595],
  ['x{', 3596],
  ['a{b', 13340],
  ['\xff\xfe', 3374],
];

const HASH_VECTORS: readonly (readonly [string, number, number])[] = [
  ['', 0x00000000, 0x92ca2f0f],
  ['a', 0x3c2569b2, 0xeeec725f],
  ['ab', 0x9bbfd75f, 0x1757708b],
  ['abc', 0xb3dd93fa, 0xc6a37463],
  ['abcd', 0x43ed676a, 0x91234f69],
  ['hello', 0x248bfa47, 0x42ba2735],
  ['The quick brown fox jumps over the lazy dog', 0x2e4ff723, 0x0bee69c5],
];

/** The key in the middle of other bytes, as in the hot path. */
function surrounded(key: string): [Buffer, number, number] {
  const bytes = Buffer.from(`{x}${key}{y}`, 'latin1');
  return [bytes, 3, bytes.length - 3];
}

test('keySlot gives the hash slots of Redis Cluster', () => {
  for (const [key, slot] of SLOT_VECTORS) assert.equal(keySlot(...surrounded(key)), slot, key);
});

test('murmur3 gives the published vectors and mix the second hash', () => {
  for (const [key, first, second] of HASH_VECTORS) {
    const hash = murmur3(...surrounded(key));
    assert.equal(hash, first, key);
    assert.equal((mix(hash ^ 0x9e3779b9) | 1) >>> 0, second, key);
  }
});

test('slotRange cuts the slots into contiguous ranges of nearly equal size', () => {
  for (let ranges = 1; ranges <= 16; ranges++) {
    const sizes = new Array<number>(ranges).fill(0);
    let previous = 0;
    for (let slot = 0; slot < 16384; slot++) {
      const range = slotRange(slot, ranges);
      assert.ok(range >= previous && range < ranges);
      previous = range;
      sizes[range]++;
    }
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, String(sizes));
  }
});
