import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Bytes,
  hashValue,
  scoreBits,
  setValue,
  streamValue,
  type ValueModel,
  zsetValue,
} from '../../../test/support/model.ts';
import { relics, slowCrc64 } from '../../../test/support/relic-builder.ts';
import { collectKeys } from '../../../test/support/value-collector.ts';
import { feedValue } from '../../../test/support/value-feeder.ts';
import { ByteBuilder } from '../../base/index.ts';
import { type RdbFormat, TYPE } from '../format.ts';
import { createCrc64, equalsCrc64, updateCrc64 } from '../kernels/crc64.ts';
import { appendRdbEntry, type EntryAttributes } from './rdb-entry.ts';
import { RdbStreamWriter } from './rdb-stream-writer.ts';
import { RestorePayloadEncoder } from './restore-payload-encoder.ts';
import { formatOfRdb, type TargetFormat, targetFormat } from './target-format.ts';

const REDIS_7 = targetFormat('redis', 70015);
const REDIS_8 = targetFormat('redis', 80006);
const VALKEY_9 = targetFormat('valkey', 90102);
const REDIS_3 = formatOfRdb('redis', 6);

/** Everything that the work writes, as one file, and the largest chunk. */
function writeFile(
  format: TargetFormat,
  work: (writer: RdbStreamWriter) => void,
): { file: Buffer; largest: number } {
  const chunks: Buffer[] = [];
  const writer = new RdbStreamWriter(format, (chunk) => chunks.push(chunk));
  work(writer);
  writer.finish();
  const largest = Math.max(...chunks.map((chunk) => chunk.length));
  return { file: Buffer.concat(chunks), largest };
}

function writeKey(
  writer: RdbStreamWriter,
  name: Bytes,
  value: ValueModel,
  attributes: EntryAttributes = {},
): void {
  const key = Buffer.from(name, 'latin1');
  writer.entry(key, 0, key.length, attributes);
  feedValue(writer, value, { counted: true });
}

function rdbFormat(format: TargetFormat): RdbFormat {
  return { version: format.rdbVersion, dialect: format.dialect };
}

function hasGoodChecksum(file: Buffer): boolean {
  const crc = createCrc64();
  updateCrc64(crc, file, 0, file.length - 8);
  return equalsCrc64(crc, file, file.length - 8);
}

describe('RdbStreamWriter', () => {
  test('writes magic, side records, keys, end and checksum', () => {
    const { file } = writeFile(REDIS_7, (writer) => {
      writer.aux('redis-ver', '7.0.15');
      writer.aux('redis-bits', '64');
      assert.equal(writer.functionLibrary(Buffer.from('#!lua')), true);
      writer.selectDb(3);
      writer.resizeDb(2, 1);
      writeKey(writer, 'k', { kind: 'string', bytes: 'v' }, { expireAtMs: 4_102_444_800_000 });
      writeKey(writer, '12', { kind: 'string', bytes: '1' }, { idleSeconds: 100 });
      writeKey(writer, '', { kind: 'string', bytes: '' }, { frequency: 255 });
    });
    const expected = [
      '524544495330303130', // REDIS0010
      'fa0972656469732d766572 06372e302e3135',
      'fa0a72656469732d62697473 c040',
      'f505 23216c7561',
      'fe03 fb0201',
      'fc00d8c32cbb030000 00016b0176',
      'f84064 00c00cc001',
      'f9ff 000000',
      'ff',
    ];
    const hex = expected.join('').replaceAll(' ', '');
    assert.equal(file.subarray(0, -8).toString('hex'), hex);
    assert.deepEqual(file.subarray(-8), slowCrc64(file.subarray(0, -8)));
  });

  test('leaves out what an old version has no place for', () => {
    const { file } = writeFile(REDIS_3, (writer) => {
      writer.aux('redis-ver', '3.0.0');
      assert.equal(writer.functionLibrary(Buffer.from('#!lua')), false);
      writer.selectDb(0);
      writer.resizeDb(1, 0);
      writeKey(writer, 'k', { kind: 'string', bytes: 'v' }, { idleSeconds: 100 });
    });
    const hex = Buffer.from('REDIS0006').toString('hex');
    assert.equal(file.subarray(0, -8).toString('hex'), `${hex}fe0000016b0176ff`);
  });

  test('takes entries that were made of payloads, and bytes that are no text', () => {
    const value: ValueModel = { kind: 'list', items: ['a', 'b'] };
    const attributes = { expireAtMs: 4_102_444_800_000, frequency: 3 };
    const one = writeFile(REDIS_7, (writer) => {
      writer.aux('lua', Buffer.from([0xff]));
      writeKey(writer, '12', value, attributes);
    });
    const encoder = new RestorePayloadEncoder(REDIS_7);
    feedValue(encoder, value);
    const entries = new ByteBuilder();
    const payload = { bytes: encoder.bytes, start: encoder.start, end: encoder.payloadEnd };
    const key = { bytes: Buffer.from('>12<'), start: 1, end: 3 };
    appendRdbEntry(entries, REDIS_7, attributes, key, payload);
    const other = writeFile(REDIS_7, (writer) => {
      writer.aux('lua', Buffer.from([0xff]));
      writer.entries(entries.view());
    });
    assert.ok(other.file.equals(one.file));
    assert.ok(one.file.includes(Buffer.from('fa036c756101ff', 'hex')));
  });

  test('lets a value out in pieces whose count only the caller knows', () => {
    const items = Array.from({ length: 40_000 }, (_, i) => `${i}:${'x'.repeat(90)}`);
    const value: ValueModel = { kind: 'list', items };
    const key = Buffer.from('k');
    const { file } = writeFile(REDIS_7, (writer) => {
      writer.entry(key, 0, 1, {}, items.length);
      feedValue(writer, value);
      assert.equal(writer.rdbType, TYPE.list);
      writer.entry(key, 0, 1, {});
      feedValue(writer, { kind: 'list', items: ['a'] });
    });
    const [large, small] = collectKeys(file, rdbFormat(REDIS_7));
    assert.deepEqual(large?.value, value);
    assert.deepEqual(small?.value, { kind: 'list', items: ['a'] });
  });

  test('names Valkey from version 80 on', () => {
    assert.match(writeFile(VALKEY_9, () => {}).file.toString('latin1'), /^VALKEY080/);
    const older = targetFormat('valkey', 80101);
    assert.match(writeFile(older, () => {}).file.toString('latin1'), /^REDIS0011/);
  });

  test('leaves out entries that the target cannot hold, and says so', () => {
    const array: ValueModel = { kind: 'array', insertIndex: null, items: [['0', 'x']] };
    const { file } = writeFile(REDIS_7, (writer) => {
      writer.selectDb(0);
      writeKey(writer, 'array', array, { expireAtMs: 5 });
      assert.equal(writer.representable, false);
      assert.deepEqual(writer.inexact, ['array']);
      writeKey(writer, 'k', { kind: 'string', bytes: 'v' });
      assert.equal(writer.representable, true);
    });
    const keys = collectKeys(file, rdbFormat(REDIS_7));
    assert.deepEqual(
      keys.map(({ key, expireAtMs }) => [key, expireAtMs]),
      [['k', -1]],
    );
  });

  test('writes every hand-made dump so that it reads back, for every target', () => {
    const formats = [REDIS_3, formatOfRdb('redis', 9), REDIS_7, REDIS_8, VALKEY_9];
    for (const format of [...formats, formatOfRdb('redis', 15)]) {
      const written: { db: number; key: Bytes; kind: string }[] = [];
      const { file } = writeFile(format, (writer) => {
        for (const relic of relics()) {
          for (const { db, key, value } of relic.keys) {
            writer.selectDb(db);
            const bytes = Buffer.from(key, 'latin1');
            writer.entry(bytes, 0, bytes.length, {});
            feedValue(writer, value, { rdbVersion: relic.rdbVersion });
            if (writer.representable) written.push({ db, key, kind: value.kind });
          }
        }
      });
      assert.ok(hasGoodChecksum(file));
      const found = collectKeys(file, rdbFormat(format));
      assert.deepEqual(
        found.map(({ db, key, value }) => [db, key, value.kind]),
        written.map(({ db, key, kind }) => [db, key, kind]),
      );
    }
  });
});

describe('RdbStreamWriter lets large values out in pieces', () => {
  const text = (i: number): Bytes => `${i}:${'x'.repeat(90)}`;
  const far = 4_102_444_800_000;
  const many = 40_000;
  const range = Array.from({ length: many }, (_, i) => i);
  const entries = range.map((i): [string, Bytes[]] => [`${i + 1}-1`, ['f', text(i)]]);
  const stream = {
    entries,
    lastId: `${many}-1`,
    firstId: '1-1',
    maxDeletedId: '0-0',
    entriesAdded: String(many),
    groups: [],
    idmp: null,
  };
  const values: [string, TargetFormat, ValueModel, number][] = [
    ['a string', REDIS_7, { kind: 'string', bytes: 'y'.repeat(5 << 20) }, TYPE.string],
    ['a list', REDIS_7, { kind: 'list', items: range.map(text) }, TYPE.list],
    ['a list before 7.0', formatOfRdb('redis', 9), { kind: 'list', items: range.map(text) }, 1],
    ['a set', REDIS_7, setValue(range.map(text)), TYPE.set],
    ['a zset', REDIS_7, zsetValue(range.map((i) => [text(i), scoreBits(i / 3)])), TYPE.zset],
    ['a hash', REDIS_7, hashValue(range.map((i) => [text(i), `${i}`, null])), TYPE.hash],
    [
      'a hash for a Redis that knows field expiry',
      REDIS_8,
      hashValue(range.map((i) => [text(i), `${i}`, i % 3 === 0 ? far + i : null])),
      TYPE.hashExpiry,
    ],
    [
      'a hash for a Valkey that knows field expiry',
      VALKEY_9,
      hashValue(range.map((i) => [text(i), `${i}`, i % 3 === 1 ? far + i : null])),
      TYPE.hash22,
    ],
    ['a stream', REDIS_7, streamValue(stream), TYPE.stream2],
    ['a stream of Redis 8.8', formatOfRdb('redis', 14), streamValue(stream), TYPE.stream5],
    [
      'an array',
      formatOfRdb('redis', 14),
      { kind: 'array', insertIndex: '7', items: range.map((i) => [`${i}`, text(i)]) },
      TYPE.array,
    ],
    [
      'a list of long items',
      REDIS_7,
      { kind: 'list', items: ['a', 'b'.repeat(3 << 20), 'c', 'd'.repeat(2 << 20)] },
      TYPE.list,
    ],
    [
      'a hash of long texts',
      REDIS_8,
      hashValue([
        ['a', 'b'.repeat(3 << 20), far],
        ['c', 'd'.repeat(2 << 20), null],
      ]),
      TYPE.hashExpiry,
    ],
  ];
  for (const [what, format, value, type] of values) {
    test(what, () => {
      const { file, largest } = writeFile(format, (writer) => {
        writer.selectDb(0);
        writeKey(writer, 'before', { kind: 'string', bytes: '1' });
        writeKey(writer, 'large', value, { expireAtMs: far });
        assert.equal(writer.rdbType, type);
        writeKey(writer, 'after', { kind: 'list', items: ['a', 'b'] });
      });
      assert.ok(largest <= 1 << 18);
      assert.ok(hasGoodChecksum(file));
      const keys = collectKeys(file, rdbFormat(format));
      assert.deepEqual(
        keys.map(({ key, expireAtMs }) => [key, expireAtMs]),
        [
          ['before', -1],
          ['large', far],
          ['after', -1],
        ],
      );
      assert.ok(same(keys[1].value, value), `${what} reads back`);
    });
  }
});

/** Comparing millions of characters at once; stream types say more or less about idempotence. */
function same(a: ValueModel, b: ValueModel): boolean {
  const text = (value: ValueModel): string =>
    JSON.stringify(value, (name, part: unknown) => (name === 'idmp' ? undefined : part));
  return text(a) === text(b);
}
