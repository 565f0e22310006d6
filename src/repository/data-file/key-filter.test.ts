import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addToFilter, FILTER_PROBES, filterBits, filterMayContain } from './key-filter.ts';
import { murmur3 } from './key-hash.ts';

function hashOf(key: string): number {
  const bytes = Buffer.from(key);
  return murmur3(bytes, 0, bytes.length);
}

test('a filter knows every key and lets about one in a hundred others through', () => {
  const keys = 20_000;
  const bits = new Uint8Array(filterBits(keys) / 8);
  for (let i = 0; i < keys; i++) addToFilter(bits, hashOf(`key:${i}`));
  let wrong = 0;
  for (let i = 0; i < keys; i++) {
    assert.ok(filterMayContain(bits, FILTER_PROBES, hashOf(`key:${i}`)));
    if (filterMayContain(bits, FILTER_PROBES, hashOf(`other:${i}`))) wrong++;
  }
  assert.ok(wrong / keys < 0.015, `${wrong} of ${keys}`);
});

test('filterBits is a multiple of 64 and at least 64', () => {
  assert.deepEqual([0, 1, 6, 7, 100].map(filterBits), [64, 64, 64, 128, 1024]);
});

test('addToFilter sets the documented bits', () => {
  const bits = new Uint8Array(8);
  addToFilter(bits, hashOf('a'));
  assert.equal(Buffer.from(bits).toString('hex'), VECTOR_A);
  addToFilter(bits, hashOf('hello'));
  assert.equal(Buffer.from(bits).toString('hex'), VECTOR_A_HELLO);
});

const VECTOR_A = '00a0020000500500';
const VECTOR_A_HELLO = 'a0a0030840500710';
