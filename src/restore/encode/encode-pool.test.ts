import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encoderOptions } from '../../../test/support/same-encoding.ts';
import { isCoded } from '../../base/index.ts';
import { targetFormat } from '../../rdb/index.ts';
import { sealBlock } from '../../repository/index.ts';
import { EncodePool } from './encode-pool.ts';

const OPTIONS = encoderOptions(targetFormat('redis', 70000));
const NOW_MS = 1000;

function request(value: string) {
  const line = `{"db":0,"key":"k","type":"string","value":"${value}"}\n`;
  return { ...sealBlock(Buffer.from(line)), nowMs: NOW_MS };
}

function commandOf(value: string): string {
  return `*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$${value.length}\r\n${value}\r\n$2\r\nNX\r\n`;
}

describe('EncodePool', () => {
  test('gives back the commands of each block, also when it begins late', async () => {
    const pool = new EncodePool(1);
    pool.begin(OPTIONS);
    try {
      const values = Array.from({ length: 40 }, (_, i) => 'v'.repeat(i));
      const found = await Promise.all(values.map(async (value) => pool.encode(request(value))));
      assert.deepEqual(
        found.map(({ commands }) => Buffer.from(commands).toString()),
        values.map(commandOf),
      );
    } finally {
      await pool.close();
    }
  });

  test('uses the memory again that it is given back', async () => {
    const pool = new EncodePool(1, OPTIONS, 1);
    try {
      const first = await pool.encode(request('a'));
      const memory = first.commands.buffer as ArrayBuffer;
      const size = memory.byteLength;
      pool.release(first);
      const second = await pool.encode(request('bb'));
      assert.ok(memory.detached, 'it went to the worker');
      assert.equal(second.commands.buffer.byteLength, size);
      assert.equal(Buffer.from(second.commands).toString(), commandOf('bb'));
    } finally {
      await pool.close();
    }
  });

  test('passes on what is wrong with a block, and goes on', async () => {
    const pool = new EncodePool(1, OPTIONS);
    try {
      const broken = { ...request('a'), digest: new Uint8Array(32) };
      await assert.rejects(pool.encode(broken), (error) => isCoded(error, 'OBJECT_CORRUPT'));
      assert.equal((await pool.encode(request('a'))).count, 1);
    } finally {
      await pool.close();
    }
  });

  test('fails what is under way when it is closed', async () => {
    const pool = new EncodePool(1, OPTIONS);
    const encoded = pool.encode(request('a'));
    const refused = assert.rejects(encoded, (error) => isCoded(error, 'INTERRUPTED'));
    await pool.close();
    await refused;
  });
});
