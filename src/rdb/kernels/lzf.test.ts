import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SeededRandom } from '../../../test/support/seeded-random.ts';
import { isCoded } from '../../base/index.ts';
import { TEXT_PIECE_BYTES } from '../value-sink.ts';
import { lzfDecompress } from './lzf.ts';
import { forwardLzf } from './lzf-stream.ts';

function decompress(packed: Uint8Array, size: number): Buffer {
  const out = Buffer.alloc(size + 20, 0xee);
  lzfDecompress(packed, 0, packed.length, out, 10, size, 0);
  assert.ok(
    out.subarray(0, 10).every((byte) => byte === 0xee),
    'written before its place',
  );
  assert.ok(
    out.subarray(10 + size).every((byte) => byte === 0xee),
    'written behind its place',
  );
  return out.subarray(10, 10 + size);
}

/** The streaming variant, and the sizes of the pieces that it gave. */
function stream(packed: Uint8Array, size: number): { text: Buffer; pieces: number[] } {
  const chunks: Buffer[] = [];
  let at = 0;
  let ended = false;
  const input = { offset: 0, byte: () => packed[at++] };
  forwardLzf(input, packed.length, size, {
    text(bytes, start, end, last, total) {
      assert.equal(total, size);
      assert.ok(!ended);
      ended = last;
      chunks.push(Buffer.from(bytes.subarray(start, end)));
    },
  });
  assert.ok(ended);
  return { text: Buffer.concat(chunks), pieces: chunks.map(({ length }) => length) };
}

/** Valid LZF of exactly `size` bytes: literals and references of all lengths and distances. */
function randomLzf(random: SeededRandom, size: number): { packed: Buffer; text: Buffer } {
  const packed: number[] = [];
  const text = Buffer.alloc(size);
  let at = 0;
  while (at < size) {
    const left = size - at;
    if (at === 0 || left < 3 || random.chance(0.3)) {
      const run = Math.min(left, random.between(1, 32));
      packed.push(run - 1);
      for (let i = 0; i < run; i++) {
        const byte = random.below(256);
        packed.push(byte);
        text[at++] = byte;
      }
      continue;
    }
    const run = Math.min(left, random.chance(0.5) ? random.between(3, 8) : random.between(9, 264));
    const furthest = Math.min(at, 8192);
    const distance = random.chance(0.3) ? furthest : random.between(1, furthest);
    const high = (distance - 1) >> 8;
    if (run < 9) packed.push(((run - 2) << 5) | high);
    else packed.push(0xe0 | high, run - 9);
    packed.push((distance - 1) & 255);
    for (let i = 0; i < run; i++, at++) text[at] = text[at - distance];
  }
  return { packed: Buffer.from(packed), text };
}

describe('lzfDecompress', () => {
  test('reads the known vector: literals and an overlapping reference', () => {
    const packed = Buffer.from('016161e05700016161', 'hex');
    assert.equal(decompress(packed, 100).toString(), 'a'.repeat(100));
  });

  test('reads what it must, whatever the lengths and distances', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const random = new SeededRandom(seed);
      const { packed, text } = randomLzf(random, random.between(1, 20_000));
      assert.ok(decompress(packed, text.length).equals(text), `seed ${seed}`);
    }
  });

  test('refuses every cut, a wrong size, and a reference before the beginning', () => {
    const { packed, text } = randomLzf(new SeededRandom(3), 600);
    const refused = (bytes: Uint8Array, size: number): void => {
      for (const read of [decompress, stream]) {
        assert.throws(
          () => read(bytes, size),
          (error) => isCoded(error, 'RDB_CORRUPT'),
        );
      }
    };
    for (let size = 0; size < packed.length; size++) refused(packed.subarray(0, size), text.length);
    refused(packed, text.length - 1);
    refused(packed, text.length + 1);
    refused(Buffer.from('0061e00505', 'hex'), 16);
    refused(Buffer.from('00612001', 'hex'), 4);
  });
});

describe('forwardLzf', () => {
  test('gives what lzfDecompress gives, in pieces of the agreed size', () => {
    const sizes = [
      1,
      8191,
      8192,
      8193,
      TEXT_PIECE_BYTES - 1,
      TEXT_PIECE_BYTES,
      TEXT_PIECE_BYTES + 1,
    ];
    sizes.push(2 * TEXT_PIECE_BYTES, 2 * TEXT_PIECE_BYTES + 7, 3 * TEXT_PIECE_BYTES - 263);
    for (const [i, size] of sizes.entries()) {
      const { packed, text } = randomLzf(new SeededRandom(i + 50), size);
      const streamed = stream(packed, size);
      assert.ok(streamed.text.equals(text), `${size} bytes`);
      const { pieces } = streamed;
      assert.ok(pieces.slice(0, -1).every((length) => length === TEXT_PIECE_BYTES));
      assert.ok((pieces.at(-1) ?? 0) > 0 && (pieces.at(-1) ?? 0) <= TEXT_PIECE_BYTES);
    }
  });

  test('gives exact pieces when the longest runs cross their boundaries', () => {
    // A literal, then references of 264 bytes: piece boundaries fall at every place inside a run.
    const runs = 3 * 3972 + 5;
    const packed = Buffer.alloc(2 + runs * 3);
    packed.set([0, 0x61]);
    for (let i = 0; i < runs; i++) packed.set([0xe0, 255, 0], 2 + i * 3);
    const size = 1 + runs * 264;
    const { text, pieces } = stream(packed, size);
    assert.equal(text.length, size);
    assert.ok(text.every((byte) => byte === 0x61));
    assert.ok(pieces.slice(0, -1).every((length) => length === TEXT_PIECE_BYTES));
  });
});
