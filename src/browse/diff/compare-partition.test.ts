import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, test } from 'node:test';
import { ByteBuilder } from '../../base/index.ts';
import { comparePartition } from './compare-partition.ts';
import { hashKey, writeRecord } from './key-record.ts';
import { Spill, UnnamedFile } from './spill.ts';

/** One side: `key=digit` or `key=digit@expiry`. */
async function sideOf(texts: readonly string[]): Promise<Spill> {
  const out = new ByteBuilder();
  const hashes = new Uint32Array(2);
  for (const text of texts) {
    const [, name, digit, expiry] = /^(.*)=(.)(?:@(\d+))?$/.exec(text) as RegExpExecArray;
    const key = Buffer.from(name);
    hashKey(0, key, 0, key.length, hashes);
    const writeCore = (out: Uint8Array, at: number): void => {
      out.fill(Number(`0x${digit}${digit}`), at, at + 16);
    };
    const digest = { counters: null, writeCore };
    const expireAtMs = expiry === undefined ? -1 : Number(expiry);
    const range = { db: 0, key, keyStart: 0, keyEnd: key.length };
    writeRecord(out, { ...range, type: 'string', expireAtMs, digest }, hashes, null);
  }
  const spill = new Spill(1, new UnnamedFile(tmpdir()), Infinity);
  await spill.add({ records: Uint8Array.from(out.view()), sizes: Uint32Array.of(out.length) });
  return spill;
}

async function compare(before: string[], after: string[], passBytes?: number): Promise<string[]> {
  const found: string[] = [];
  const sides = [await sideOf(before), await sideOf(after)];
  const onEqual = (): void => void found.push('equal');
  for await (const { kind, key } of comparePartition(sides[0], sides[1], 0, onEqual, passBytes)) {
    found.push(`${kind} ${key.toString()}`);
  }
  return found.sort();
}

describe('comparePartition', () => {
  test('tells the four kinds of difference', async () => {
    const before = ['a=1', 'b=1', 'c=1', 'd=1@5', 'e=1', 'f=1@5'];
    const after = ['b=2', 'c=1@9', 'd=1@6', 'e=1', 'f=2', 'g=1'];
    assert.deepEqual(await compare(before, after), [
      'added g',
      'changed b',
      'changed f',
      'equal',
      'removed a',
      'ttl-changed c',
      'ttl-changed d',
    ]);
    assert.deepEqual(await compare([], []), []);
    assert.deepEqual(await compare([], ['a=1']), ['added a']);
    assert.deepEqual(await compare(['a=1'], []), ['removed a']);
  });

  test('pairs a key that one side has twice once', async () => {
    assert.deepEqual(await compare(['a=1', 'a=1'], ['a=1']), ['equal', 'removed a']);
    assert.deepEqual(await compare(['a=1'], ['a=1', 'a=2']), ['added a', 'equal']);
    assert.deepEqual(await compare(['a=1', 'a=2'], ['a=1', 'a=2']), ['equal', 'equal']);
  });

  test('says the same in many passes', async () => {
    const before = Array.from({ length: 500 }, (_, i) => `key ${i}=${i % 10}`);
    const after = Array.from({ length: 500 }, (_, i) => `key ${i + 5}=${i % 7}`);
    const once = await compare(before, after);
    assert.equal(once.length, 505);
    assert.deepEqual(await compare(before, after, 1000), once);
  });
});
