import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { ByteBuilder } from '../../src/base/index.ts';
import { JsonLineReader, JsonLineWriter, ValueDigester } from '../../src/entries/index.ts';
import { type EntryHeader, NONE, TYPE } from '../../src/rdb/index.ts';
import {
  type Bytes,
  hashValue,
  scoreBits,
  setValue,
  streamValue,
  type ValueModel,
  zsetValue,
} from '../support/model.ts';
import { fromJsonLines } from '../support/truth.ts';
import { ValueCollector } from '../support/value-collector.ts';
import { feedValue } from '../support/value-feeder.ts';

export const MIB = 1 << 20;
export const FORMAT = { version: 11, dialect: 'redis' } as const;

export function headerOf(value: ValueModel): EntryHeader {
  assert.ok(value.kind !== 'vectorset');
  const key = Buffer.from('the key');
  return {
    db: 3,
    key,
    keyStart: 0,
    keyEnd: key.length,
    rdbType: value.kind === 'opaque' ? value.rdbType : 0,
    kind: value.kind,
    expireAtMs: 1893456000000,
    idleSeconds: NONE,
    frequency: NONE,
    keyMeta: undefined,
  };
}

export function writeLines(value: ValueModel, counted = false): Buffer {
  const parts = new ByteBuilder();
  const out = new ByteBuilder();
  out.ascii('before\n');
  const writer = new JsonLineWriter((bytes, start, end) => parts.append(bytes, start, end));
  writer.entry(headerOf(value), FORMAT, out);
  feedValue(writer, value, { counted });
  assert.equal(out.view().subarray(0, 7).toString(), 'before\n');
  if (parts.length > 0) assert.equal(out.length, 7, 'the last part left the buffer');
  return Buffer.concat([parts.view(), out.view().subarray(7)]);
}

export function linesOf(lines: Buffer): string[] {
  return lines.toString('utf8').trimEnd().split('\n');
}

/** Both readers must find the value again, and our writer the same bytes. */
export function assertReadBack(value: ValueModel, lines: Buffer): void {
  const [key] = fromJsonLines(lines, { canonical: true }).keys.values();
  assert.ok(key !== undefined);
  // Not deepEqual, which prints megabytes when it fails.
  assert.ok(isDeepStrictEqual(key.value, value), 'the independent reader found another value');
  const reader = new JsonLineReader();
  const collector = new ValueCollector();
  const digester = new ValueDigester();
  const direct = new ValueDigester();
  const again = new ByteBuilder();
  const parts = new ByteBuilder();
  const writer = new JsonLineWriter((bytes, start, end) => parts.append(bytes, start, end));
  for (const sink of [collector, digester, writer]) {
    reader.open(lines, 0, lines.length);
    while (reader.next()) {
      if (sink === writer && reader.header.part === 0) writer.entry(reader.header, FORMAT, again);
      reader.readValue(sink);
    }
  }
  assert.ok(isDeepStrictEqual(collector.value, value), 'our reader found another value');
  assert.ok(
    Buffer.concat([parts.view(), again.view()]).equals(lines),
    'other lines the second time',
  );
  feedValue(direct, value);
  assert.deepEqual(digester.digest(), direct.digest());
}

export function streamOf(entries: readonly (readonly [string, readonly Bytes[]])[]): ValueModel {
  return streamValue({
    entries,
    lastId: '9-9',
    firstId: '1-1',
    maxDeletedId: '0-0',
    entriesAdded: '18446744073709551615',
    groups: [],
    idmp: null,
  });
}

/** Where a long text can stand, with neighbours that could be confused with its pieces. */
export const PLACES: Readonly<Record<string, (text: Bytes) => ValueModel>> = {
  'a string': (bytes) => ({ kind: 'string', bytes }),
  'a list item': (text) => ({ kind: 'list', items: ['a', text, '', 'b', text, text] }),
  'the last list item': (text) => ({ kind: 'list', items: ['a', text] }),
  'a set member': (text) => setValue(['a', text, 'b', '', `${text.slice(MIB)}.`]),
  'a hash value': (text) =>
    hashValue([
      ['', 'empty', null],
      ['a', text, 1893456000001],
      ['b', 'c', 1893456000002],
      ['c', text, null],
    ]),
  'a hash field': (text) =>
    hashValue([
      [text, 'value', 1893456000003],
      [`${text.slice(MIB)}.`, 'same as its last piece', null],
      [text.slice(0, MIB - 9), 'its beginning', 1893456000004],
      ['', '', null],
    ]),
  'a hash field and its value': (text) =>
    hashValue([
      [text, text, 5],
      ['a', 'b', 6],
    ]),
  'a zset member': (text) =>
    zsetValue([
      ['', scoreBits(Number.POSITIVE_INFINITY)],
      [text, scoreBits(-1.5)],
      [`${text.slice(MIB)}.`, scoreBits(3)],
      ['b', scoreBits(5e-324)],
    ]),
  'a stream value': (text) =>
    streamOf([
      ['1-1', ['a', 'b']],
      ['1-2', ['a', text, 'c', 'd']],
      ['1-3', ['e', 'f', 'a', text]],
      ['1-4', []],
    ]),
  'a stream field': (text) =>
    streamOf([
      ['1-1', [text, 'b', 'c', 'd']],
      ['1-2', ['e', 'f', text, text]],
    ]),
  'an array item': (text) => ({
    kind: 'array',
    insertIndex: '7',
    items: [
      ['0', 'a'],
      ['3', text],
      ['7', text],
      ['9', ''],
    ],
  }),
  'an opaque payload': (payload) => ({ kind: 'opaque', name: null, rdbType: 64, payload }),
  'a module payload': (payload) => ({
    kind: 'opaque',
    name: 'ReJSON-RL',
    rdbType: TYPE.module,
    payload,
  }),
};

/** JSON.parse keeps the last of equal names: writing it again is shorter then. */
export function assertNoDuplicateNames(line: string): void {
  const again = JSON.stringify(JSON.parse(line));
  assert.equal(again.length, line.length, `a name twice in ${line.slice(0, 100)}`);
}
