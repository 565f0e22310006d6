import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { scoreBits, setValue, type ValueModel, zsetValue } from '../../../test/support/model.ts';
import { ValueCollector } from '../../../test/support/value-collector.ts';
import { feedValue } from '../../../test/support/value-feeder.ts';
import { createCrc64, equalsCrc64, updateCrc64 } from '../kernels/crc64.ts';
import { decodePayload } from '../payload.ts';
import { RestorePayloadEncoder } from './restore-payload-encoder.ts';
import { RestorePayloadStream } from './restore-payload-stream.ts';
import { targetFormat } from './target-format.ts';

const FORMAT = targetFormat('redis', 80006);
const MIB = 1 << 20;
const TEXTS = Array.from({ length: 30_000 }, (_, i) => `${i}:${'x'.repeat(90)}`);

const STREAM: ValueModel = {
  kind: 'stream',
  stream: {
    entries: TEXTS.map((text, i) => [`${i + 1}-1`, ['f', text]]),
    lastId: `${TEXTS.length}-1`,
    firstId: '1-1',
    maxDeletedId: '0-0',
    entriesAdded: String(TEXTS.length),
    groups: [],
    idmp: null,
  },
};

const LARGE: readonly (readonly [ValueModel, number])[] = [
  [STREAM, TEXTS.length],
  [{ kind: 'list', items: TEXTS }, TEXTS.length],
  [setValue(TEXTS), TEXTS.length],
  [zsetValue(TEXTS.map((text, i) => [text, scoreBits(i / 3)])), TEXTS.length],
  [{ kind: 'opaque', name: 'tidemark1', rdbType: 7, payload: 'p'.repeat(3 * MIB) }, -1],
];

/** The payload, and its longest piece. */
function streamed(value: ValueModel, count: number): { payload: Buffer; largest: number } {
  const pieces: Buffer[] = [];
  const stream = new RestorePayloadStream(FORMAT, count, (bytes, start, end) => {
    pieces.push(Buffer.from(bytes.subarray(start, end)));
  });
  feedValue(stream, value);
  assert.ok(stream.representable);
  return {
    payload: Buffer.concat(pieces),
    largest: Math.max(...pieces.map((piece) => piece.length)),
  };
}

describe('RestorePayloadStream', () => {
  for (const [value, count] of LARGE) {
    test(`writes a large ${value.kind} in pieces, the same each time`, () => {
      const { payload, largest } = streamed(value, count);
      assert.ok(payload.length > 2 * MIB && largest < 2 * MIB, `${largest} bytes at once`);
      assert.ok(streamed(value, count).payload.equals(payload));
      const crc = createCrc64();
      updateCrc64(crc, payload, 0, payload.length - 8);
      assert.ok(equalsCrc64(crc, payload, payload.length - 8));
      if (value.kind === 'opaque') return;
      const collector = new ValueCollector();
      decodePayload(payload, collector);
      assert.deepEqual(collector.value, value);
    });
  }

  test('gives what RestorePayloadEncoder gives for what is small', () => {
    for (const value of [setValue(['1', '2']), { kind: 'string', bytes: 'v' } as const]) {
      const encoder = new RestorePayloadEncoder(FORMAT);
      feedValue(encoder, value);
      assert.ok(streamed(value, -1).payload.equals(encoder.copy()));
    }
  });
});
