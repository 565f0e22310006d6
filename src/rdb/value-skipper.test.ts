import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadRdb, truthNames } from '../../test/support/truth.ts';
import { relics } from '../../test/support/relic-builder.ts';
import { splitsOf } from '../../test/support/splits.ts';
import { RdbCursor } from './cursor.ts';
import { RdbEntryReader } from './entry-reader.ts';
import { parseMagic, type RdbFormat } from './format.ts';
import type { ValueSink } from './value-sink.ts';
import { ValueSkipper } from './value-skipper.ts';

const NOWHERE: ValueSink = {
  begin() {},
  text() {},
  score() {},
  fieldExpireAt() {},
  streamEntry() {},
  streamEnd() {},
  arrayInsertIndex() {},
  arrayIndex() {},
  opaque() {},
  end() {},
};

/** Reads a file twice, its values decoded and skipped. The two must meet at every key. */
function assertAgreement(file: Buffer): number {
  const format = parseMagic(file, 0) as RdbFormat;
  const decoding = new RdbCursor(file, 0, file.length, 0);
  const skipping = new RdbCursor(file, 0, file.length, 0);
  const decoder = new RdbEntryReader(decoding, format, 0);
  const skipper = new RdbEntryReader(skipping, format, 0);
  let keys = 0;
  while (decoder.next()) {
    assert.ok(skipper.next());
    assert.equal(skipping.pos, decoding.pos);
    decoder.readValue(NOWHERE);
    skipper.skipValue();
    assert.equal(skipping.pos, decoding.pos, `type ${decoder.header.rdbType}`);
    keys++;
  }
  assert.ok(!skipper.next());
  return keys;
}

describe('ValueSkipper ends where the decoder ends', () => {
  test('for every value of every fixture', () => {
    for (const name of truthNames()) assert.ok(assertAgreement(loadRdb(name)) > 0, name);
  });

  test('for every value of every relic', () => {
    for (const { file } of relics()) assertAgreement(file);
  });
});

describe('ValueSkipper', () => {
  test('ends at the same place however the value is cut', () => {
    for (const relic of relics()) {
      const { file } = relic;
      if (file.length > 2000) continue;
      const format = parseMagic(file, 0) as RdbFormat;
      const cursor = new RdbCursor(file, 0, file.length, 0);
      const reader = new RdbEntryReader(cursor, format, 0);
      while (reader.next()) {
        const from = cursor.pos;
        reader.readValue(NOWHERE);
        const value = file.subarray(from, cursor.pos);
        if (value.length === 0 || reader.header.rdbType === 32) continue;
        for (const cuts of splitsOf(value.length, 3)) {
          assert.equal(skipInPieces(value, cuts, reader.header.rdbType, format), value.length);
        }
      }
    }
  });

  test('does not know types of the other dialect, nor numbers that no server uses', () => {
    const skipper = new ValueSkipper();
    const valkey = { version: 80, dialect: 'valkey' } as const;
    const redis = { version: 15, dialect: 'redis' } as const;
    for (const type of [6, 8, 33, 63, 65, 121, 241]) {
      assert.ok(!skipper.begin(type, redis), `Redis type ${type}`);
      assert.ok(!skipper.begin(type, valkey), `Valkey type ${type}`);
    }
    for (const type of [23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 64]) {
      assert.ok(!skipper.begin(type, valkey), `Valkey type ${type}`);
    }
  });
});

/** Gives what was not consumed again in front of what comes next, as the batcher does. */
function skipInPieces(
  value: Buffer,
  cuts: readonly number[],
  type: number,
  format: RdbFormat,
): number {
  const skipper = new ValueSkipper();
  assert.ok(skipper.begin(type, format));
  let pos = 0;
  for (const end of [...cuts, value.length]) {
    assert.ok(!skipper.done || pos === value.length);
    pos = skipper.run(value, pos, end, 0);
    assert.ok(pos <= end);
  }
  assert.ok(skipper.done);
  return pos;
}
