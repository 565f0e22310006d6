import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  assertNoDuplicateNames,
  assertReadBack,
  FORMAT,
  headerOf,
  linesOf,
  MIB,
  PLACES,
  streamOf,
  writeLines,
} from '../../test/fidelity/read-back.ts';
import {
  hashValue,
  scoreBits,
  setValue,
  streamValue,
  type ValueModel,
  zsetValue,
} from '../../test/support/model.ts';
import { ValueCollector } from '../../test/support/value-collector.ts';
import { feedValue } from '../../test/support/value-feeder.ts';
import { ByteBuilder } from '../base/index.ts';
import { NONE, TYPE } from '../rdb/index.ts';
import { JsonLineReader } from './json-reader.ts';
import { JsonLineWriter, PART_BYTES } from './json-writer.ts';

describe('JsonLineWriter cuts a long text', () => {
  for (const [place, build] of Object.entries(PLACES)) {
    test(`as ${place}, in pieces that both readers join`, () => {
      const value = build('y'.repeat(2 * MIB + 1));
      const lines = writeLines(value);
      assertReadBack(value, lines);
      for (const line of linesOf(lines)) assertNoDuplicateNames(line);
    });
  }

  test('whose last piece is the name of a neighbour, so that no object has a name twice', () => {
    const field = hashValue([
      [`${'n'.repeat(MIB)}z`, 'value', null],
      ['z', 'another', null],
    ]);
    for (const line of linesOf(writeLines(field))) assertNoDuplicateNames(line);
    assertReadBack(field, writeLines(field));
  });
});

describe('JsonLineWriter cuts a key of many elements', () => {
  const cases: Readonly<Record<string, ValueModel>> = {
    list: { kind: 'list', items: Array.from({ length: 90_000 }, (_, i) => `item ${i}`) },
    set: setValue(Array.from({ length: 80_000 }, (_, i) => `member ${i}`)),
    hash: hashValue(
      Array.from({ length: 60_000 }, (_, i) => [`f${i}`, `v${i}`, i % 3 === 0 ? i + 1 : null]),
    ),
    zset: zsetValue(Array.from({ length: 50_000 }, (_, i) => [`m${i}`, scoreBits(i / 7)])),
    stream: streamOf(Array.from({ length: 25_000 }, (_, i) => [`1-${i}`, ['f', `v${i}`, 'g', '']])),
    'stream entry': streamOf([
      ['1-1', Array.from({ length: 180_000 }, (_, i) => `text ${i}`)],
      ['1-2', ['a', 'b']],
    ]),
    array: {
      kind: 'array',
      insertIndex: null,
      items: Array.from({ length: 50_000 }, (_, i) => [String(i * 3), `item ${i}`] as const),
    },
  };
  for (const [name, value] of Object.entries(cases)) {
    for (const counted of [false, true]) {
      test(`${name}, ${counted ? 'counted' : 'not counted'} beforehand`, () => {
        const lines = writeLines(value, counted);
        const all = linesOf(lines);
        assert.ok(all.length > 1);
        for (const [i, line] of all.entries()) {
          assert.ok(line.length < 2.1 * PART_BYTES, `${line.length} bytes`);
          assert.ok(line.includes(`"part":${i}`));
          assert.equal(line.includes('"more":true'), i < all.length - 1);
        }
        assert.equal(/"elements":\d+/.test(all[0] ?? ''), counted);
        assertReadBack(value, lines);
      });
    }
  }

  test('a stream with large groups', () => {
    const consumers = Array.from({ length: 12_000 }, (_, i) => ({
      name: `consumer ${i}`,
      seenAt: 1_700_000_000_000 + i,
      activeAt: i % 2 === 0 ? null : i,
    }));
    const pending = Array.from({ length: 12_000 }, (_, i) => ({
      id: `5-${i}`,
      consumer: i % 100 === 0 ? null : `consumer ${i % 7}`,
      deliveredAt: i,
      deliveries: i + 1,
    }));
    const group = { lastId: '6-6', entriesRead: null, timesApprox: false };
    const value = streamValue({
      entries: [['1-1', ['a', 'b']]],
      lastId: '9-9',
      firstId: null,
      maxDeletedId: null,
      entriesAdded: null,
      groups: [
        { ...group, name: 'a', consumers, pending },
        { ...group, name: 'b', consumers: [], pending: [] },
        { ...group, name: 'c', consumers, pending },
        ...Array.from({ length: 12_000 }, (_, i) => ({
          ...group,
          name: `small ${i}`,
          consumers: [],
          pending: [],
        })),
      ],
      idmp: { duration: 100, maxSize: 5, iidsAdded: 7, iidsDuplicates: 1, producers: 0, iids: 0 },
    });
    const lines = writeLines(value);
    for (const line of linesOf(lines))
      assert.ok(line.length < 2 * PART_BYTES, `${line.length} bytes`);
    assertReadBack(value, lines);
  });
});

describe('JsonLineWriter', () => {
  const lineOf = (value: ValueModel): string => {
    const lines = writeLines(value, true);
    assertReadBack(value, lines);
    return lines.toString('utf8');
  };
  const HEAD = '{"db":3,"key":"the key","type":';
  const EXPIRY = ',"expireAt":1893456000000';

  test('writes one line for each kind, members in their order', () => {
    assert.equal(
      lineOf({ kind: 'string', bytes: 'a"b' }),
      `${HEAD}"string"${EXPIRY},"value":"a\\"b"}\n`,
    );
    assert.equal(
      lineOf(
        hashValue([
          ['f', 'v', 5],
          ['g', '', null],
        ]),
      ),
      `${HEAD}"hash"${EXPIRY},"fieldExpireAt":{"f":5},"value":{"f":"v","g":""}}\n`,
    );
    assert.equal(
      lineOf(
        zsetValue([
          ['a', scoreBits(1e21)],
          ['b', scoreBits(Number.NEGATIVE_INFINITY)],
        ]),
      ),
      `${HEAD}"zset"${EXPIRY},"value":{"a":1e+21,"b":"-inf"}}\n`,
    );
    assert.equal(
      lineOf({ kind: 'array', insertIndex: '18446744073709551615', items: [['0', 'a']] }),
      `${HEAD}"array"${EXPIRY},"value":{"insertIndex":"18446744073709551615","items":[["0","a"]]}}\n`,
    );
    assert.equal(
      lineOf({ kind: 'opaque', name: 'ReJSON-RL', rdbType: TYPE.module, payload: '\xff' }),
      `${HEAD}"module"${EXPIRY},"value":{"name":"ReJSON-RL","rdbType":7,"rdbVersion":9,` +
        '"dialect":"redis","payload":"base64:/w=="}}\n',
    );
  });

  test('writes empty collections', () => {
    assert.match(lineOf({ kind: 'list', items: [] }), /"value":\[\]}\n$/);
    assert.match(lineOf(hashValue([])), /"value":\{\}}\n$/);
    assert.match(lineOf(zsetValue([])), /"value":\{\}}\n$/);
    assert.match(
      lineOf({ kind: 'array', insertIndex: null, items: [] }),
      /"value":\{"items":\[\]\}}\n$/,
    );
    assert.match(lineOf(streamOf([])), /"value":\{"entries":\[\],"lastId":"9-9",/);
  });

  test('keeps the sign of a zero score', () => {
    const out = new ByteBuilder();
    const writer = new JsonLineWriter(() => assert.fail());
    writer.entry(headerOf(zsetValue([])), FORMAT, out);
    writer.begin('zset', 1);
    writer.text(Buffer.from('m'), 0, 1, true, 1);
    writer.score(-0);
    writer.end();
    assert.match(out.view().toString(), /"value":\{"m":-0\.0\}/);
    const reader = new JsonLineReader();
    let found: number | undefined;
    const sink = new (class extends ValueCollector {
      override score(value: number): void {
        found = value;
        super.score(value);
      }
    })();
    reader.open(out.view(), 0, out.length);
    assert.ok(reader.next());
    reader.readValue(sink);
    assert.ok(Object.is(found, -0));
  });

  test('writes what the header says of access, and metadata', () => {
    const out = new ByteBuilder();
    const writer = new JsonLineWriter(() => assert.fail());
    const value: ValueModel = { kind: 'string', bytes: '' };
    const header = { ...headerOf(value), idleSeconds: 7, frequency: 255, expireAtMs: NONE };
    writer.entry({ ...header, keyMeta: Buffer.from([1, 2, 255]) }, FORMAT, out);
    feedValue(writer, value);
    assert.equal(
      out.view().toString(),
      '{"db":3,"key":"the key","type":"string","idleSeconds":7,"frequency":255,' +
        '"keyMeta":{"rdbVersion":11,"dialect":"redis","payload":"base64:AQL/"},"value":""}\n',
    );
    const reader = new JsonLineReader();
    reader.open(out.view(), 0, out.length);
    assert.ok(reader.next());
    assert.deepEqual([reader.header.idleSeconds, reader.header.frequency], [7, 255]);
    assert.deepEqual(Buffer.from(reader.header.keyMeta ?? []), Buffer.from([1, 2, 255]));
  });
});
