import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SeededRandom } from '../../../test/support/seeded-random.ts';
import { slowCrc64 } from '../../../test/support/relic-builder.ts';
import { ByteBuilder } from '../../base/index.ts';
import { appendCrc64, createCrc64, equalsCrc64, updateCrc64, writeCrc64 } from './crc64.ts';

function crcOf(bytes: Uint8Array): Buffer {
  const state = createCrc64();
  updateCrc64(state, bytes, 0, bytes.length);
  const out = Buffer.alloc(8);
  writeCrc64(state, out, 0);
  return out;
}

describe('updateCrc64', () => {
  test('gives the check value of the polynomial', () => {
    const check = crcOf(Buffer.from('123456789'));
    assert.equal(check.readBigUInt64LE().toString(16), 'e9c6d914c4b8d9ca');
  });

  test('agrees with the bitwise definition at every length and start', () => {
    const bytes = new SeededRandom(5).bytes(80);
    for (let size = 0; size < 64; size++) {
      for (const start of [0, 1, 3]) {
        const part = bytes.subarray(start, start + size);
        assert.ok(crcOf(part).equals(slowCrc64(part)), `${size} bytes from ${start}`);
      }
    }
  });

  test('gives the same in any pieces', () => {
    const bytes = new SeededRandom(6).bytes(1000);
    const whole = crcOf(bytes);
    const random = new SeededRandom(7);
    for (let i = 0; i < 200; i++) {
      const state = createCrc64();
      let at = 0;
      while (at < bytes.length) {
        const to = Math.min(bytes.length, at + random.below(40));
        updateCrc64(state, bytes, at, to);
        at = to;
      }
      assert.ok(equalsCrc64(state, whole, 0));
    }
  });
});

test('equalsCrc64 looks at all eight bytes', () => {
  const state = createCrc64();
  updateCrc64(state, Buffer.from('x'), 0, 1);
  const good = crcOf(Buffer.from('x'));
  assert.ok(equalsCrc64(state, good, 0));
  for (let i = 0; i < 8; i++) {
    const bad = Buffer.from(good);
    bad[i] = (bad[i] ?? 0) ^ 1;
    assert.ok(!equalsCrc64(state, bad, 0));
  }
});

test('appendCrc64 appends the checksum of what was written since a place', () => {
  const builder = new ByteBuilder(4);
  builder.ascii('before123456789');
  appendCrc64(builder, 6);
  assert.equal(builder.view().readBigUInt64LE(15).toString(16), 'e9c6d914c4b8d9ca');
});
