import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { compressionOf, compressOutput } from './compressed-output.ts';
import type { ExportOutput } from './export-output.ts';

class Collector implements ExportOutput {
  readonly chunks: Buffer[] = [];
  commits = 0;

  async write(bytes: Uint8Array): Promise<void> {
    this.chunks.push(Buffer.from(bytes));
  }
  async commit(): Promise<void> {
    this.commits++;
  }
  async abort(): Promise<void> {}
}

const TEXT = Buffer.alloc((5 << 20) + 3, 'tidemark ');

describe('compressOutput', () => {
  test('gives frames that are one file together', async () => {
    for (const compression of ['zstd', 'gzip'] as const) {
      const collector = new Collector();
      const output = compressOutput(collector, compression);
      for (let at = 0; at < TEXT.length; at += 700_000) {
        await output.write(TEXT.subarray(at, at + 700_000));
      }
      await output.commit();
      assert.equal(collector.commits, 1);
      assert.equal(collector.chunks.length, 4);
      // Node's own zstd stops behind the first frame.
      const plain =
        compression === 'gzip'
          ? gunzipSync(Buffer.concat(collector.chunks))
          : Buffer.concat(collector.chunks.map((frame) => zstdDecompressSync(frame)));
      assert.ok(plain.equals(TEXT));
    }
  });

  test('makes a valid file of nothing', async () => {
    const collector = new Collector();
    await compressOutput(collector, 'gzip').commit();
    assert.equal(gunzipSync(Buffer.concat(collector.chunks)).length, 0);
  });

  test('is nothing at all where nothing is asked for', () => {
    const collector = new Collector();
    assert.equal(compressOutput(collector, 'none'), collector);
  });
});

describe('compressionOf', () => {
  test('goes by the end of the name', () => {
    const names = ['a.jsonl.zst', 'A.GZ', 'a.jsonl', 'zst', 'a.zst.rdb'];
    assert.deepEqual(names.map(compressionOf), ['zstd', 'gzip', 'none', 'none', 'none']);
  });
});
