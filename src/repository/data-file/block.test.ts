import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import { isCoded } from '../../base/index.ts';
import { MAX_BLOCK_BYTES, openBlock, sealBlock, sealBlockAside, sha256 } from './block.ts';
import { decodeFrame, FrameEncoder, measureFrame } from './zstd-frame.ts';

/** Sizes around every change of the frame header's form and of zstd's own block size. */
const SIZES = [1, 2, 100, 255, 256, 257, 65_791, 65_792, 131_071, 131_072, 131_073, 1 << 20];

function pattern(size: number): Buffer {
  return Buffer.alloc(size, 'ab{"k":1}');
}

function opened(stored: Uint8Array, rawLength: number): Buffer {
  return openBlock(stored, { rawLength, digest: sha256(stored) });
}

test('openBlock gives back what sealBlock was given', () => {
  for (const size of SIZES) {
    for (const raw of [pattern(size), randomBytes(size), Buffer.alloc(size)]) {
      const sealed = sealBlock(raw);
      assert.equal(sealed.rawLength, size);
      assert.equal(sealed.stored.buffer.byteLength, sealed.stored.length);
      assert.ok(openBlock(sealed.stored, sealed).equals(raw));
    }
  }
});

test('a sealed block can be transferred between threads', () => {
  const { stored, digest } = sealBlock(Buffer.from('x'));
  const moved = structuredClone(stored, { transfer: [stored.buffer as ArrayBuffer] });
  assert.equal(stored.length, 0);
  assert.equal(openBlock(moved, { rawLength: 1, digest }).toString(), 'x');
});

test('openBlock refuses every single flipped bit and every truncation', () => {
  const sealed = sealBlock(randomBytes(300));
  for (let i = 0; i < sealed.stored.length; i++) {
    const flipped = Buffer.from(sealed.stored);
    flipped[i] ^= 1 << (i & 7);
    assert.throws(() => openBlock(flipped, sealed), { code: 'OBJECT_CORRUPT' });
    assert.throws(() => openBlock(sealed.stored.subarray(0, i), sealed), {
      code: 'OBJECT_CORRUPT',
    });
  }
});

test('openBlock refuses another number of frames or of bytes than one and all', () => {
  const { stored, rawLength } = sealBlock(pattern(1000));
  const corrupt = { code: 'OBJECT_CORRUPT' };
  assert.throws(() => opened(Buffer.concat([stored, stored]), rawLength), corrupt);
  assert.throws(() => opened(Buffer.concat([stored, stored]), 2 * rawLength), corrupt);
  assert.throws(() => opened(Buffer.concat([stored, Buffer.of(0)]), rawLength), corrupt);
  assert.throws(() => opened(stored, rawLength - 1), corrupt);
  assert.throws(() => opened(stored, rawLength + 1), corrupt);
  for (const rawLength of [0, -1, 1.5, Number.NaN, MAX_BLOCK_BYTES + 1]) {
    assert.throws(() => opened(stored, rawLength), corrupt);
  }
  const skippable = Buffer.from('572a4d18040000000000000000', 'hex').subarray(0, 12);
  assert.throws(() => opened(Buffer.concat([skippable, stored]), rawLength), corrupt);
});

test('openBlock reads frames with a checksum and refuses those without a content size', () => {
  const raw = pattern(5000);
  const checked = zstdCompressSync(raw, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  assert.ok(opened(checked, raw.length).equals(raw));
  const sizeless = zstdCompressSync(raw, { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } });
  assert.equal(measureFrame(sizeless).contentSize, -1);
  assert.throws(() => opened(sizeless, raw.length), { code: 'OBJECT_CORRUPT' });
});

test('openBlock does not let a frame expand beyond its stated length', () => {
  // A frame that claims 100 bytes but whose RLE block expands to 128 KiB.
  const lying = Buffer.from('28b52ffd2064030010ff', 'hex');
  assert.throws(() => opened(lying, 100), { code: 'OBJECT_CORRUPT' });
  const bomb = zstdCompressSync(Buffer.alloc(32 << 20));
  assert.ok(bomb.length < 4096);
  const before = process.memoryUsage().arrayBuffers;
  assert.throws(() => opened(bomb, 1000), { code: 'OBJECT_CORRUPT' });
  assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 20);
});

test('decodeFrame refuses a window that not every decoder has to accept', () => {
  const wide = zstdCompressSync(Buffer.alloc(40 << 20), {
    params: { [constants.ZSTD_c_windowLog]: 25 },
  });
  assert.throws(() => decodeFrame(wide, 40 << 20), { code: 'OBJECT_CORRUPT' });
});

test('measureFrame ends in a value or OBJECT_CORRUPT for any bytes', () => {
  const { stored } = sealBlock(pattern(3000));
  for (let at = 0; at < stored.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const flipped = Buffer.from(stored);
      flipped[at] ^= 1 << bit;
      try {
        assert.ok(measureFrame(flipped).length <= flipped.length);
        opened(flipped, 3000);
      } catch (error) {
        assert.ok(isCoded(error, 'OBJECT_CORRUPT'), String(error));
      }
    }
  }
});

test('sealBlockAside makes one block after the other with one encoder, whatever came first', async () => {
  for (const sizes of [SIZES, SIZES.toReversed()]) {
    const encoder = new FrameEncoder();
    for (const size of sizes) {
      for (const raw of [pattern(size), randomBytes(size)]) {
        const sealed = await sealBlockAside(raw, encoder);
        const stored = Buffer.concat(sealed.parts);
        assert.equal(stored.length, sealed.storedLength);
        assert.ok(openBlock(stored, sealed).equals(raw));
      }
    }
    encoder.close();
  }
});
