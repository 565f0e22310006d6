import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { decodeFrame, decodeFrameAside, encodeFrame } from './zstd-frame.ts';

test('decodeFrameAside gives what decodeFrame gives, and refuses what that refuses', async () => {
  for (const size of [0, 1, 63, 64, 65, 300, 131_073, 1 << 20]) {
    for (const raw of [randomBytes(size), Buffer.alloc(size, 'ab')]) {
      const frame = encodeFrame(raw);
      assert.ok(decodeFrame(frame, size).equals(raw));
      assert.ok((await decodeFrameAside(frame, size)).equals(raw));
      await assert.rejects(decodeFrameAside(frame, size + 1), { code: 'OBJECT_CORRUPT' });
      const cut = frame.subarray(0, -1);
      await assert.rejects(decodeFrameAside(cut, size), { code: 'OBJECT_CORRUPT' });
    }
  }
  const frame = zstdCompressSync(Buffer.alloc(1000, 'abc'), { pledgedSrcSize: 1000 });
  for (let at = 6; at < frame.length; at++) {
    const flipped = Buffer.from(frame);
    flipped[at] ^= 0x55;
    const sync = resultOf(() => decodeFrame(flipped, 1000));
    const aside = await decodeFrameAside(flipped, 1000).catch((error: Error) => error.message);
    assert.deepEqual(aside, sync, `byte ${at}`);
  }
});

function resultOf(decode: () => Buffer): Buffer | string {
  try {
    return decode();
  } catch (error) {
    return (error as Error).message;
  }
}
