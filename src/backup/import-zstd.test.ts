import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import { isCoded } from '../base/index.ts';
import { decompressZstd } from './import-zstd.ts';

async function decompress(bytes: Buffer, step: number): Promise<string> {
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
  }
  const out: Buffer[] = [];
  for await (const chunk of decompressZstd(chunks(), 'x')) out.push(chunk);
  return Buffer.concat(out).toString();
}

const skippable = Buffer.from('502a4d1804000000aabbccdd', 'hex');
const text = 'some text '.repeat(30_000);
const checked = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
const file = Buffer.concat([
  skippable,
  zstdCompressSync(Buffer.from(text)),
  skippable,
  zstdCompressSync(Buffer.from('a'), checked),
  zstdCompressSync(Buffer.alloc(0)),
  zstdCompressSync(Buffer.from('b'.repeat(500_000)), checked),
  skippable,
]);
const expected = `${text}a${'b'.repeat(500_000)}`;

describe('decompressZstd', () => {
  test('gives every frame, however the input is cut', async () => {
    for (const step of [1, 3, 7, 1000, file.length]) {
      assert.ok((await decompress(file, step)) === expected, `steps of ${step}`);
    }
    assert.equal(await decompress(Buffer.alloc(0), 1), '');
  });

  test('refuses an input that ends early or goes on with something else', async () => {
    const ends = new Set([0, 12, 12 + zstdCompressSync(Buffer.from(text)).length]);
    for (let size = 1; size < 60; size++) {
      if (ends.has(size)) continue;
      await assert.rejects(decompress(file.subarray(0, size), 16), { code: 'SOURCE_GARBAGE' });
    }
    const more = Buffer.concat([file, Buffer.from('more!')]);
    await assert.rejects(decompress(more, 999), { code: 'SOURCE_GARBAGE', offset: file.length });
  });

  test('refuses damage, or gives what the checksum allows', async () => {
    let refused = 0;
    for (let at = 0; at < file.length; at += 3) {
      const damaged = Buffer.from(file);
      damaged[at] = (damaged[at] ?? 0) ^ 0x41;
      try {
        await decompress(damaged, 4096);
      } catch (error) {
        assert.ok(isCoded(error, 'SOURCE_GARBAGE'), `byte ${at}: ${(error as Error).stack}`);
        refused++;
      }
    }
    assert.ok(refused > 0);
  });
});
