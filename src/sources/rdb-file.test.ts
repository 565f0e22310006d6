import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { isCoded } from '../base/index.ts';
import type { RdbByteSource } from './rdb-byte-source.ts';
import { openRdbFile, openRdbStream } from './rdb-file.ts';

async function readAll(source: RdbByteSource): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const end = await source.start((buffer, s, e) => chunks.push(Buffer.from(buffer.subarray(s, e))));
  const all = Buffer.concat(chunks);
  assert.equal(end.bytes, all.length);
  return all;
}

describe('openRdbFile', () => {
  test('delivers the whole file, with pauses', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'tidemark-rdb-'));
    t.after(() => rmSync(dir, { recursive: true }));
    const path = join(dir, 'dump.rdb');
    const content = Buffer.alloc(3_500_000, 'REDIS0011');
    writeFileSync(path, content);
    const source = await openRdbFile(path);
    assert.deepEqual(source.origin, { kind: 'file', path, length: content.length });
    assert.ok((await readAll(source)).equals(content));

    const paused = await openRdbFile(path);
    paused.pause();
    let bytes = 0;
    const done = paused.start((_buffer, s, e) => {
      bytes += e - s;
      paused.pause();
      setImmediate(() => paused.resume());
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(bytes, 0);
    paused.resume();
    assert.equal((await done).bytes, content.length);
  });

  test('refuses what is no file, and is interrupted by close', async (t) => {
    await assert.rejects(openRdbFile('/nowhere/dump.rdb'), (e) => isCoded(e, 'USAGE'));
    await assert.rejects(openRdbFile(tmpdir()), (e) => isCoded(e, 'USAGE'));
    const dir = mkdtempSync(join(tmpdir(), 'tidemark-rdb-'));
    t.after(() => rmSync(dir, { recursive: true }));
    const path = join(dir, 'dump.rdb');
    writeFileSync(path, Buffer.alloc(3_000_000));
    const source = await openRdbFile(path);
    const interrupted = source.start(() => source.close());
    await assert.rejects(interrupted, (e) => isCoded(e, 'INTERRUPTED'));
    const signalled = await openRdbFile(path);
    const act = signalled.start(() => {}, AbortSignal.abort());
    await assert.rejects(act, (e) => isCoded(e, 'INTERRUPTED'));
  });
});

describe('openRdbStream', () => {
  test('delivers a stream to its end', async () => {
    const source = openRdbStream(Readable.from([Buffer.from('REDIS'), Buffer.from('0011')]));
    assert.equal((await readAll(source)).toString(), 'REDIS0011');
  });

  test('fails with the stream, or with its consumer', async () => {
    const stream = new PassThrough();
    const source = openRdbStream(stream);
    const started = source.start(() => {});
    stream.write('REDIS');
    stream.destroy(new Error('pipe broke'));
    await assert.rejects(started, (e) => isCoded(e, 'SOURCE_LOST') && /pipe broke/.test(e.message));
    const thrown = new Error('no room');
    const full = openRdbStream(Readable.from([Buffer.from('REDIS')]));
    const act = full.start(() => {
      throw thrown;
    });
    await assert.rejects(act, (e) => e === thrown);
  });
});
