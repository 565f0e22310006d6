import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { isCoded } from '../base/index.ts';
import { openRdbFile } from './rdb-file.ts';
import { SpooledRdb } from './spooled-rdb.ts';

describe('SpooledRdb', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-spool-test-'));
  const bytes = Buffer.alloc(1_000_003, 'spool');
  const path = join(folder, 'input');
  writeFileSync(path, bytes);

  test('hands on every byte in order, after the source is free, and leaves no file', async () => {
    let receivedAt = -1;
    const parts: Buffer[] = [];
    const spooled = new SpooledRdb(await openRdbFile(path), {
      folder,
      onReceived: () => (receivedAt = parts.length),
    });
    const end = await spooled.start((buffer, from, to) => {
      parts.push(Buffer.from(buffer.subarray(from, to)));
    });
    assert.equal(end.bytes, bytes.length);
    assert.ok(Buffer.concat(parts).equals(bytes));
    assert.equal(receivedAt, 0);
    assert.deepEqual(readdirSync(folder), ['input']);
  });

  test('stops while paused and goes on after resume', async () => {
    let received = 0;
    const spooled = new SpooledRdb(await openRdbFile(path), { folder });
    const { promise: paused, resolve } = Promise.withResolvers<void>();
    const running = spooled.start((_, from, to) => {
      if (received === 0) {
        spooled.pause();
        resolve();
      }
      received += to - from;
    });
    await paused;
    const atPause = received;
    for (let i = 0; i < 10; i++) await new Promise((done) => setImmediate(done));
    assert.equal(received, atPause);
    spooled.resume();
    await running;
    assert.equal(received, bytes.length);
  });

  test('close ends a paused replay with INTERRUPTED', async () => {
    const spooled = new SpooledRdb(await openRdbFile(path), { folder });
    const running = spooled.start(() => {
      spooled.pause();
      setImmediate(() => spooled.close());
    });
    await assert.rejects(running, (error) => isCoded(error, 'INTERRUPTED'));
  });

  test('a folder that is not there is STORAGE_FAILED', async () => {
    const spooled = new SpooledRdb(await openRdbFile(path), { folder: join(folder, 'none') });
    await assert.rejects(
      spooled.start(() => {}),
      (error) => isCoded(error, 'STORAGE_FAILED'),
    );
    spooled.close();
  });

  after(() => rmSync(folder, { recursive: true, force: true }));
});
