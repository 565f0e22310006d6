import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded } from '../base/index.ts';
import { splitsOf } from '../../test/support/splits.ts';
import { MarkFraming, parseTransferHeader } from './rdb-framing.ts';

const MARK = 'x0123456789abcdef0123456789abcdef0123456';

function receive(header: string, wire: Buffer, cuts: readonly number[]) {
  const framing = parseTransferHeader(Buffer.from(header));
  const chunks: Buffer[] = [];
  let rest = Buffer.alloc(0);
  let from = 0;
  for (const cut of [...cuts, wire.length]) {
    const piece = Buffer.concat([Buffer.from('<'), wire.subarray(from, cut), Buffer.from('>')]);
    const end = piece.length - 1;
    const stop = framing.push(piece, 1, end, (buffer, s, e) => {
      chunks.push(Buffer.from(buffer.subarray(s, e)));
    });
    if (stop < end) rest = Buffer.concat([rest, piece.subarray(stop, end)]);
    from = cut;
  }
  return { payload: Buffer.concat(chunks), rest, framing };
}

describe('parseTransferHeader', () => {
  test('reads both framings', () => {
    assert.equal(parseTransferHeader(Buffer.from('$12')).length, 12);
    assert.equal(parseTransferHeader(Buffer.from(`$EOF:${MARK}`)).kind, 'mark');
  });

  for (const bad of [
    '',
    '$',
    '$-1',
    '$1x',
    '$EOF:short',
    `$EOF:${MARK}0`,
    '+OK',
    `$${'9'.repeat(17)}`,
  ]) {
    test(`rejects ${JSON.stringify(bad)}`, () => {
      const act = () => parseTransferHeader(Buffer.from(bad));
      assert.throws(act, (error) => isCoded(error, 'SOURCE_GARBAGE'));
    });
  }
});

describe('LengthFraming', () => {
  test('passes on exactly the payload and leaves the rest, at every split', () => {
    const payload = Buffer.from('REDIS0011 some payload $EOF:');
    const wire = Buffer.concat([payload, Buffer.from('*1\r\n$4\r\nPING\r\n')]);
    for (const cuts of splitsOf(wire.length, 100)) {
      const got = receive(`$${payload.length}`, wire, cuts);
      assert.deepEqual(got.payload, payload);
      assert.deepEqual(got.rest.toString(), '*1\r\n$4\r\nPING\r\n');
      assert.ok(got.framing.isComplete);
      assert.equal(got.framing.bytes, payload.length);
    }
  });

  test('is complete at once when nothing is to come', () => {
    assert.ok(parseTransferHeader(Buffer.from('$0')).isComplete);
  });

  test('is not complete one byte short', () => {
    assert.ok(!receive('$10', Buffer.from('123456789'), []).framing.isComplete);
  });
});

describe('MarkFraming', () => {
  // The payload holds most of the mark, twice: only the whole mark at the end is the end.
  const payload = Buffer.from(`REDIS0011 ${MARK.slice(0, 39)}${MARK.slice(1)} xx0123 end`);
  const wire = Buffer.concat([payload, Buffer.from(MARK)]);

  test('finds the mark cut at each single position', () => {
    for (let cut = 0; cut <= wire.length; cut++) {
      const got = receive(`$EOF:${MARK}`, wire, [cut]);
      assert.deepEqual(got.payload, payload, `cut ${cut}`);
      assert.ok(got.framing.isComplete);
      assert.equal(got.framing.bytes, payload.length);
    }
  });

  test('finds the mark at any splits', () => {
    for (const cuts of splitsOf(wire.length, 300)) {
      assert.deepEqual(receive(`$EOF:${MARK}`, wire, cuts).payload, payload, `cuts ${cuts.join()}`);
    }
  });

  test('takes an empty payload', () => {
    const got = receive(`$EOF:${MARK}`, Buffer.from(MARK), [7]);
    assert.equal(got.payload.length, 0);
    assert.ok(got.framing.isComplete);
  });

  test('is not complete while the mark is', () => {
    const got = receive(`$EOF:${MARK}`, wire.subarray(0, -1), []);
    assert.ok(!got.framing.isComplete);
  });

  test('is not complete where the mark stands in the middle of what came', () => {
    const framing = new MarkFraming(Buffer.from(MARK));
    const piece = Buffer.concat([wire, Buffer.from('!')]);
    framing.push(piece, 0, piece.length, () => {});
    assert.ok(!framing.isComplete);
  });
});
