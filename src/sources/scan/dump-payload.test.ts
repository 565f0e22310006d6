import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCoded } from '../../base/index.ts';
import { RestorePayloadEncoder, targetFormat } from '../../rdb/index.ts';
import { checkPayload } from './dump-payload.ts';

const KEY = Buffer.from('k');

function payloadOf(text: string): Buffer {
  const encoder = new RestorePayloadEncoder(targetFormat('redis', 70015));
  const bytes = Buffer.from(text);
  encoder.begin('string', bytes.length);
  encoder.text(bytes, 0, bytes.length, true, bytes.length);
  encoder.end();
  return encoder.copy();
}

test('checkPayload takes what a server made, and the version that it names', () => {
  // DUMP of the string "v" by Redis 7.0.15
  const payload = Buffer.from('0001760a009108ceb219388ace', 'hex');
  assert.deepEqual(checkPayload(payload, KEY), { version: 10, dialect: 'redis' });
  assert.deepEqual(checkPayload(payloadOf('hello'), KEY), { version: 6, dialect: 'redis' });
});

test('checkPayload rejects a payload with any bit flipped, or cut', () => {
  const payload = payloadOf('hello');
  for (let bit = 0; bit < payload.length * 8; bit++) {
    const flipped = Buffer.from(payload);
    flipped[bit >> 3] ^= 1 << (bit & 7);
    assert.throws(
      () => checkPayload(flipped, KEY),
      (error) => isCoded(error, 'RDB_CHECKSUM') && error.key === '"k"',
    );
  }
  for (let length = 0; length < payload.length; length++) {
    assert.throws(
      () => checkPayload(payload.subarray(0, length), KEY),
      (error) => isCoded(error, 'RDB_CHECKSUM', 'SOURCE_GARBAGE'),
    );
  }
});
