import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ShardWriter } from '../repository/index.ts';
import type { OnChunk, RdbByteSource, RdbEnd } from '../sources/index.ts';
import { Intake } from './intake.ts';

/** Sends bytes as fast as it may: nothing between two pauses but one chunk after the other. */
class EagerSource implements RdbByteSource {
  readonly origin = { kind: 'stream', length: null } as const;
  readonly #bytes: Buffer;
  readonly #chunkBytes: number;
  #isPaused = false;
  #isClosed = false;

  constructor(bytes: Buffer, chunkBytes: number) {
    this.#bytes = bytes;
    this.#chunkBytes = chunkBytes;
  }

  async start(onChunk: OnChunk, signal?: AbortSignal): Promise<RdbEnd> {
    const { length } = this.#bytes;
    for (let at = 0; at < length && !this.#isClosed; at += this.#chunkBytes) {
      while (this.#isPaused && !this.#isClosed) {
        signal?.throwIfAborted();
        await turn();
      }
      onChunk(this.#bytes, at, Math.min(length, at + this.#chunkBytes));
    }
    return { bytes: length };
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
  }

  close(): void {
    this.#isClosed = true;
  }
}

/** An RDB of one list whose elements are as long as the scanner likes them. */
function listDump(elements: number, elementBytes: number): Buffer {
  const length = (size: number): Buffer => {
    const encoded = Buffer.alloc(5);
    encoded[0] = 0x80;
    encoded.writeUInt32BE(size, 1);
    return encoded;
  };
  const element = Buffer.concat([length(elementBytes), Buffer.alloc(elementBytes, 'x')]);
  return Buffer.concat([
    Buffer.from('REDIS0006'),
    Buffer.from([0xfe, 0, 1, 1]),
    Buffer.from('k'),
    length(elements),
    ...Array.from({ length: elements }, () => element),
    Buffer.from([0xff]),
    Buffer.alloc(8),
  ]);
}

describe('Intake', () => {
  for (const [elements, bytes] of [
    [40_000, 1019],
    [5, 8 << 20],
    [400_000, 95],
  ]) {
    test(`takes a list of ${elements} × ${bytes} bytes from a source that never waits`, async () => {
      const dump = listDump(elements, bytes);
      let rawBytes = 0;
      const shard = {
        append: async (block: { readonly rawLength: number }) => {
          rawBytes += block.rawLength;
        },
      };
      const intake = new Intake({
        source: new EagerSource(dump, 64 << 10),
        shard: shard as unknown as ShardWriter,
        slotRanges: 1,
        selection: {},
        snapshotAtMs: 0,
        workers: 1,
        signal: AbortSignal.timeout(30_000),
      });
      const taken = await intake.run();
      assert.equal(taken.databases[0].keys, 1);
      assert.ok(rawBytes > elements * bytes);
    });
  }
});
