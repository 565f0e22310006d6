import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slowCrc64 } from '../../test/support/relic-builder.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { updateCrc64Kernel } from './checksum-kernel.ts';

function crcOf(bytes: Uint8Array, cuts: readonly number[]): Buffer {
  const state = { high: 0, low: 0 };
  let at = 0;
  for (const to of [...cuts, bytes.length]) {
    updateCrc64Kernel(state, bytes, at, to);
    at = to;
  }
  const out = Buffer.alloc(8);
  out.writeInt32LE(state.low);
  out.writeInt32LE(state.high, 4);
  return out;
}

test('updateCrc64Kernel gives the check value of the polynomial', () => {
  const check = crcOf(Buffer.from('123456789'), []);
  assert.equal(check.readBigUInt64LE().toString(16), 'e9c6d914c4b8d9ca');
});

test('updateCrc64Kernel agrees with the bitwise definition in any pieces', () => {
  const random = new SeededRandom(3);
  for (let size = 0; size < 70; size++) {
    const bytes = random.bytes(size);
    const cut = random.below(size + 1);
    assert.ok(crcOf(bytes, [cut]).equals(slowCrc64(bytes)), `${size} bytes, cut at ${cut}`);
  }
});

test('updateCrc64Kernel takes more than its memory holds', () => {
  const bytes = new SeededRandom(4).bytes((1 << 19) + 77);
  const pieces = Array.from({ length: 12 }, (_, i) => i * 40_000);
  assert.ok(crcOf(bytes, []).equals(crcOf(bytes, pieces)));
});
