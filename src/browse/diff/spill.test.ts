import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { Spill, UnnamedFile } from './spill.ts';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-spill-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function read(spill: Spill, partition: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of spill.read(partition)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function batch(...texts: string[]) {
  return {
    records: Uint8Array.from(Buffer.from(texts.join(''))),
    sizes: Uint32Array.from(texts, (text) => text.length),
  };
}

describe('Spill', () => {
  for (const memoryBytes of [0, 10, 1000]) {
    test(`gives partitions back in order with ${memoryBytes} bytes of memory`, async (t) => {
      const folder = folderOf(t);
      const spill = new Spill(3, new UnnamedFile(folder), memoryBytes);
      await spill.add(batch('aaaa', '', 'cccc'));
      await spill.add(batch('AAAA', 'BBBB', ''));
      await spill.add(batch('', '', 'CCCC'));
      assert.deepEqual(readdirSync(folder), [], 'the file has no name');
      assert.equal(await read(spill, 0), 'aaaaAAAA');
      assert.equal(await read(spill, 1), 'BBBB');
      assert.equal(await read(spill, 2), 'ccccCCCC');
      assert.equal(await read(spill, 2), 'ccccCCCC', 'as often as one likes');
      assert.deepEqual(
        [0, 1, 2].map((i) => spill.bytesOf(i)),
        [8, 4, 8],
      );
      assert.equal(spill.spilledBytes, { 0: 20, 10: 16, 1000: 0 }[memoryBytes]);
      spill.close();
      spill.close();
    });
  }

  test('makes nothing where memory is enough', async () => {
    const spill = new Spill(1, new UnnamedFile(join(tmpdir(), 'no such folder')), 1000);
    await spill.add(batch('aaaa'));
    assert.equal(await read(spill, 0), 'aaaa');
    spill.close();
  });

  test('says in which folder there is no room or no place', async (t) => {
    const missing = join(folderOf(t), 'missing');
    const spill = new Spill(1, new UnnamedFile(missing), 0);
    await assert.rejects(spill.add(batch('aaaa')), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'STORAGE_FAILED');
      assert.ok(error.message.includes(missing));
      return true;
    });
  });
});
