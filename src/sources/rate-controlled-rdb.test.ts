import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { CodedError, isCoded, RunControl } from '../base/index.ts';
import { RateControlledRdb } from './rate-controlled-rdb.ts';
import type { OnChunk, RdbByteSource, RdbEnd } from './rdb-byte-source.ts';

const CHUNK = Buffer.alloc(1000, 'x');

/** Gives chunks as long as nobody pauses it. */
class EagerSource implements RdbByteSource {
  readonly origin = { kind: 'stream', length: null } as const;
  readonly #chunks: number;
  paused = false;
  closed = false;
  given = 0;

  constructor(chunks: number) {
    this.#chunks = chunks;
  }

  async start(onChunk: OnChunk): Promise<RdbEnd> {
    while (this.given < this.#chunks) {
      await turn();
      if (this.closed) throw new CodedError('INTERRUPTED', 'closed');
      if (this.paused) continue;
      this.given++;
      onChunk(CHUNK, 0, CHUNK.length);
    }
    return { bytes: this.given * CHUNK.length };
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  close(): void {
    this.closed = true;
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

describe('RateControlledRdb', () => {
  test('gives everything at once where the control says nothing', async () => {
    const rdb = new RateControlledRdb(new EagerSource(50), new RunControl());
    let bytes = 0;
    const end = await rdb.start((_buffer, from, to) => {
      bytes += to - from;
    });
    assert.deepEqual(end, { bytes: 50_000 });
    assert.equal(bytes, 50_000);
  });

  test('stands still while the control says so, however often the consumer resumes', async () => {
    const source = new EagerSource(50);
    const control = new RunControl({ paused: true });
    const rdb = new RateControlledRdb(source, control);
    const started = rdb.start(() => {});
    await turns(20);
    rdb.pause();
    rdb.resume();
    await turns(20);
    assert.equal(source.given, 0);
    rdb.pause();
    control.change({ paused: false });
    await turns(20);
    assert.equal(source.given, 0, 'the consumer still holds');
    rdb.resume();
    assert.deepEqual(await started, { bytes: 50_000 });
  });

  test('takes up a rate that is changed on the way, and drops one', async () => {
    const source = new EagerSource(100);
    const control = new RunControl();
    const rdb = new RateControlledRdb(source, control);
    // A hundred bytes a second: after one chunk more it would stand still for ever.
    const started = rdb.start(() => {
      if (source.given === 50) control.change({ bytesPerSecond: 100 });
    });
    await turns(300);
    assert.ok(source.given >= 50 && source.given < 60, `${source.given} given`);
    assert.ok(source.paused);
    control.change({ bytesPerSecond: null });
    assert.deepEqual(await started, { bytes: 100_000 });
  });

  test('can be closed while it stands still', async () => {
    const control = new RunControl({ paused: true });
    const rdb = new RateControlledRdb(new EagerSource(5), control);
    const started = rdb.start(() => {});
    await turns(3);
    rdb.close();
    await assert.rejects(started, (error) => isCoded(error, 'INTERRUPTED'));
    control.change({ paused: false });
  });
});
