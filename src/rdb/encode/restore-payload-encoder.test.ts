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
import { collectPayload } from '../../../test/support/value-collector.ts';
import { feedValue } from '../../../test/support/value-feeder.ts';
import { TYPE } from '../format.ts';
import { encodeFunctionPayload } from './function-payload.ts';
import type { InexactReason } from './inexact.ts';
import { RestorePayloadEncoder } from './restore-payload-encoder.ts';
import { formatOfRdb, type TargetFormat, targetFormat } from './target-format.ts';

const REDIS_6 = targetFormat('redis', 60016);
const REDIS_7 = targetFormat('redis', 70015);
const REDIS_72 = targetFormat('redis', 70206);
const REDIS_8 = targetFormat('redis', 80006);
const REDIS_88 = targetFormat('redis', 80800);
const VALKEY_8 = targetFormat('valkey', 80101);
const VALKEY_9 = targetFormat('valkey', 90102);
const OLDEST = formatOfRdb('redis', 6);
const ALL = [OLDEST, formatOfRdb('redis', 7), REDIS_6, REDIS_7, REDIS_72, REDIS_8, REDIS_88];
const FORMATS: TargetFormat[] = [...ALL, VALKEY_8, VALKEY_9, targetFormat('keydb', 60304)];

const FAR = 4_102_444_800_000;

function encode(format: TargetFormat, value: ValueModel): Buffer {
  const encoder = new RestorePayloadEncoder(format);
  feedValue(encoder, value);
  return encoder.copy();
}

function lossesOf(format: TargetFormat, value: ValueModel): readonly InexactReason[] {
  const encoder = new RestorePayloadEncoder(format);
  feedValue(encoder, value);
  return encoder.inexact;
}

function hex(text: string): string {
  return text.replace(/[\s|[\]]/g, '');
}

/** Without RDB version and checksum. */
function bodyOf(payload: Buffer): string {
  return payload.subarray(0, -10).toString('hex');
}

function footerVersion(payload: Buffer): number {
  return payload.readUInt16LE(payload.length - 10);
}

const list: ValueModel = { kind: 'list', items: ['a', '-1', '300'] };
const smallHash = hashValue([
  ['f', 'v', null],
  ['n', '12', null],
]);
const stream = streamValue({
  entries: [
    ['5-2', ['f', '2']],
    ['6-0', ['g', '3']],
  ],
  lastId: '6-0',
  firstId: '5-2',
  maxDeletedId: '5-1',
  entriesAdded: '3',
  groups: [
    {
      name: 'G',
      lastId: '5-2',
      entriesRead: '2',
      consumers: [{ name: 'c', seenAt: FAR, activeAt: FAR }],
      pending: [
        { id: '5-1', consumer: 'c', deliveredAt: FAR, deliveries: 1 },
        { id: '5-2', consumer: null, deliveredAt: 0, deliveries: 2 },
      ],
      timesApprox: false,
    },
  ],
  idmp: null,
});

describe('RestorePayloadEncoder writes what servers write', () => {
  const cases: [string, TargetFormat, ValueModel, string][] = [
    [
      'a list in a listpack node',
      REDIS_7,
      list,
      '12 01 02 10 [10000000 0300 | 81 61 02 | dfff 02 | c12c 02 | ff] 0a00 566baf64df93cd2c',
    ],
    [
      'a set in a listpack',
      REDIS_72,
      { kind: 'set', members: ['a', 'b', '3'] },
      '14 0f [0f000000 0300 816102 816202 0301 ff] 0b00 12019276c04c040e',
    ],
    [
      'a hash with field expiry in a listpack',
      REDIS_8,
      hashValue([
        ['c', '3', null],
        ['b', '2', FAR + 1000],
        ['a', '1', FAR],
      ]),
      `19 00d8c32cbb030000 2c [2c000000 0900 | 816102 0101 f400d8c32cbb03000009
       | 816202 0201 f4e8dbc32cbb03000009 | 816302 0301 0001 | ff] 0c00 a8f4ab8a80a3d91f`,
    ],
    [
      'a hash with field expiry of Valkey',
      VALKEY_9,
      hashValue([
        ['a', '1', FAR],
        ['b', '2', FAR + 1000],
        ['c', '3', null],
      ]),
      `16 03 | 0161 c001 00d8c32cbb030000 | 0162 c002 e8dbc32cbb030000
       | 0163 c003 ffffffffffffffff | 5000 981c1a66626ae4f8`,
    ],
    [
      'an array',
      REDIS_88,
      {
        kind: 'array',
        insertIndex: null,
        items: [
          ['0', 'abc'],
          ['1', '1.5'],
          ['2', '-2'],
          ['9', 'longer than seven'],
        ],
      },
      `1c 04 00 | 00 03 03616263 | 01 02 000000000000f83f | 02 01 feffffffffffffff
       | 09 00 116c6f6e676572207468616e20736576656e | 0e00 65027a13a7e36430`,
    ],
  ];
  for (const [what, format, value, expected] of cases) {
    test(`${what}, to the last byte`, () => {
      assert.equal(encode(format, value).toString('hex'), hex(expected));
    });
  }

  test('older encodings, under the oldest version that has them', () => {
    const bodies: [TargetFormat, ValueModel, string, number][] = [
      [REDIS_6, list, '0e 01 15 [15000000 10000000 0300 | 000161 | 03feff | 03c02c01 | ff]', 7],
      [REDIS_6, smallHash, '0d 16 [16000000 13000000 0400 | 000166 030176 03016e 03fd | ff]', 6],
      [
        REDIS_7,
        setValue(['300000', '2', '-5', '1']),
        '0b 18 [04000000 04000000 fbffffff 01000000 02000000 e0930400]',
        6,
      ],
      [
        REDIS_7,
        zsetValue([
          ['d', scoreBits(Number.POSITIVE_INFINITY)],
          ['b', scoreBits(2.5)],
          ['a', scoreBits(1)],
          ['e', scoreBits(3)],
          ['c', scoreBits(Number.NEGATIVE_INFINITY)],
        ]),
        `11 2a [2a000000 0a00 816302 842d696e6605 816102 0101 816202 83322e3504 816502 0301
         816402 83696e6604 ff]`,
        10,
      ],
      [REDIS_7, { kind: 'string', bytes: 'hello' }, '00 05 68656c6c6f', 6],
      [REDIS_7, { kind: 'string', bytes: '-300' }, '00 c1 d4fe', 6],
      [REDIS_7, { kind: 'string', bytes: '007' }, '00 03 303037', 6],
      [REDIS_7, { kind: 'string', bytes: '2147483648' }, '00 0a 32313437343833363438', 6],
    ];
    for (const [format, value, body, version] of bodies) {
      const payload = encode(format, value);
      assert.equal(bodyOf(payload), hex(body));
      assert.equal(footerVersion(payload), version);
    }
  });

  test('an empty stream with a group of an unknown read counter', () => {
    const group = { name: 'g', lastId: '0-0', entriesRead: null, consumers: [], pending: [] };
    const empty = { firstId: '0-0', maxDeletedId: '0-0', entriesAdded: '0', idmp: null };
    const payload = encode(
      REDIS_8,
      streamValue({
        ...empty,
        entries: [],
        lastId: '0-0',
        groups: [{ ...group, timesApprox: false }],
      }),
    );
    const body = '15 00 00 00 00 00 00 00 00 00 01 01 67 00 00 81ffffffffffffffff 00 00';
    assert.equal(bodyOf(payload), hex(body));
    assert.equal(footerVersion(payload), 11);
  });

  test('a checksum over everything before it', () => {
    const payload = encode(REDIS_7, { kind: 'list', items: ['x'.repeat(10_000), 'y'] });
    assert.deepEqual(payload.subarray(-8), slowCrc64(payload.subarray(0, -8)));
  });
});

describe('RestorePayloadEncoder chooses types by target and size', () => {
  const member = (i: number): Bytes => `m${i}`;
  const members = (n: number): ValueModel =>
    setValue(Array.from({ length: n }, (_, i) => member(i)));
  const numbers = (n: number): ValueModel => setValue(Array.from({ length: n }, (_, i) => `${i}`));
  const pairs = (n: number, text = 'x'): ValueModel =>
    hashValue(Array.from({ length: n }, (_, i) => [member(i), text, null]));
  const scored = (n: number): ValueModel =>
    zsetValue(Array.from({ length: n }, (_, i) => [member(i), scoreBits(i)]));
  const cases: [string, TargetFormat, ValueModel, number][] = [
    ['hash at the limit', REDIS_7, pairs(512, 'x'.repeat(64)), TYPE.hashListpack],
    ['hash beyond it', REDIS_7, pairs(513), TYPE.hash],
    ['hash with a long text', REDIS_7, pairs(1, 'x'.repeat(65)), TYPE.hash],
    ['hash before 7.0', REDIS_6, pairs(512), TYPE.hashZiplist],
    ['large hash before 7.0', REDIS_6, pairs(513), TYPE.hash],
    ['zset at the limit', VALKEY_8, scored(128), TYPE.zsetListpack],
    ['zset beyond it', VALKEY_8, scored(129), TYPE.zset],
    ['zset before 7.0', REDIS_6, scored(128), TYPE.zsetZiplist],
    ['large zset before 4.0', OLDEST, scored(129), TYPE.zsetText],
    ['set of integers at the limit', OLDEST, numbers(512), TYPE.setIntset],
    ['set of integers beyond it', REDIS_8, numbers(513), TYPE.set],
    ['set at the limit', REDIS_72, members(128), TYPE.setListpack],
    ['set beyond it', REDIS_72, members(129), TYPE.set],
    ['set before 7.2', REDIS_7, members(3), TYPE.set],
    ['set of integers and one text', REDIS_7, setValue(['1', '2', 'x']), TYPE.set],
    ['list before 3.2', OLDEST, list, TYPE.listZiplist],
    [
      'long list before 3.2',
      OLDEST,
      { kind: 'list', items: Array.from({ length: 513 }, (_, i) => member(i)) },
      TYPE.list,
    ],
    [
      'large hash with field expiry',
      REDIS_8,
      hashValue([
        ['a', 'x'.repeat(65), FAR],
        ['b', '', null],
      ]),
      TYPE.hashExpiry,
    ],
  ];
  for (const [what, format, value, type] of cases) {
    test(`${what}: type ${type}`, () => {
      for (const counted of [false, true]) {
        const encoder = new RestorePayloadEncoder(format);
        feedValue(encoder, value, { counted });
        assert.equal(encoder.rdbType, type);
        const target = { version: format.rdbVersion, dialect: format.dialect };
        assert.deepEqual(collectPayload(encoder.copy(), target), value);
      }
    });
  }

  test('streams: the oldest type that carries what they have', () => {
    const { stream: full } = stream as Extract<ValueModel, { kind: 'stream' }>;
    const quiet = full.groups.map((group) => ({ ...group, pending: [group.pending[0]] }));
    const plain = streamValue({ ...full, groups: quiet });
    const old = streamValue({ ...full, groups: [], entriesAdded: null, maxDeletedId: null });
    const counts = { duration: 100, maxSize: 100, iidsAdded: 0, iidsDuplicates: 0 };
    const idmp = streamValue({
      ...full,
      groups: quiet,
      idmp: { ...counts, iidsAdded: 1, producers: 0, iids: 0 },
    });
    const typeOf = (format: TargetFormat, value: ValueModel): number => encode(format, value)[0];
    assert.equal(typeOf(REDIS_88, stream), TYPE.stream5);
    assert.equal(typeOf(REDIS_88, idmp), TYPE.stream4);
    assert.equal(typeOf(REDIS_88, plain), TYPE.stream3);
    assert.equal(typeOf(REDIS_88, old), TYPE.stream1);
    assert.equal(typeOf(VALKEY_9, stream), TYPE.stream3);
    assert.equal(typeOf(REDIS_7, stream), TYPE.stream2);
    assert.equal(typeOf(REDIS_6, stream), TYPE.stream1);
    assert.deepEqual(lossesOf(REDIS_88, stream), []);
    assert.deepEqual(lossesOf(VALKEY_9, idmp), ['stream-idmp']);
    assert.deepEqual(lossesOf(VALKEY_9, stream), ['stream-nack']);
    const older: InexactReason[] = ['stream-nack', 'stream-counters', 'stream-active-times'];
    assert.deepEqual(lossesOf(REDIS_6, stream), older);
    assert.deepEqual(lossesOf(OLDEST, stream), ['stream']);
  });

  test('entries given back become pending of a consumer where nobody else may own them', () => {
    const { stream: full } = stream as Extract<ValueModel, { kind: 'stream' }>;
    const ownerOn = (format: TargetFormat, value: ValueModel): unknown => {
      const target = { version: format.rdbVersion, dialect: format.dialect };
      const back = collectPayload(encode(format, value), target);
      assert.equal(back.kind, 'stream');
      const [group] = back.kind === 'stream' ? back.stream.groups : [];
      return group.pending.find(({ id }) => id === '5-2')?.consumer;
    };
    assert.equal(ownerOn(REDIS_88, stream), null);
    assert.equal(ownerOn(VALKEY_9, stream), 'c');
    const orphaned = full.groups.map((group) => ({
      ...group,
      consumers: [],
      pending: group.pending.slice(1),
    }));
    assert.equal(ownerOn(REDIS_72, streamValue({ ...full, groups: orphaned })), 'nacked');
  });
});

describe('RestorePayloadEncoder says what a target cannot hold', () => {
  const opaque = (rdbType: number, name: string | null): ValueModel => ({
    kind: 'opaque',
    name,
    rdbType,
    payload: '\0',
  });
  const array: ValueModel = { kind: 'array', insertIndex: '4', items: [['1', 'x']] };
  const expiring = hashValue([['a', '1', FAR]]);

  test('losses leave a payload', () => {
    for (const format of [REDIS_7, REDIS_72, VALKEY_8]) {
      const encoder = new RestorePayloadEncoder(format);
      feedValue(encoder, expiring);
      assert.deepEqual(encoder.inexact, ['field-expiry']);
      assert.equal(encoder.representable, true);
      const target = { version: format.rdbVersion, dialect: format.dialect };
      assert.deepEqual(collectPayload(encoder.copy(), target), hashValue([['a', '1', null]]));
    }
  });

  test('what cannot be written at all leaves none, and the next value is not disturbed', () => {
    const cases: [TargetFormat, ValueModel, InexactReason][] = [
      [REDIS_8, array, 'array'],
      [OLDEST, stream, 'stream'],
      [VALKEY_9, opaque(TYPE.module, 'vectorset'), 'module'],
      [targetFormat('redis', 70401), opaque(TYPE.module, 'vectorset'), 'module'],
      [OLDEST, opaque(TYPE.module, 'tidemark1'), 'module'],
      [REDIS_7, opaque(TYPE.keydbCron, null), 'type-unsupported'],
      [REDIS_88, opaque(40, null), 'type-unsupported'],
    ];
    for (const [format, value, reason] of cases) {
      const encoder = new RestorePayloadEncoder(format);
      feedValue(encoder, value, { rdbVersion: 15 });
      assert.equal(encoder.representable, false);
      assert.deepEqual(encoder.inexact, [reason]);
      assert.equal(encoder.payloadEnd, encoder.start);
      feedValue(encoder, { kind: 'string', bytes: 'v' });
      assert.deepEqual(encoder.inexact, []);
      assert.equal(bodyOf(encoder.copy()), '000176');
    }
  });

  test('opaque values pass to whoever knows their type', () => {
    const cases: [TargetFormat, ValueModel, number, number][] = [
      [REDIS_8, opaque(TYPE.module, 'vectorset'), 12, 8],
      [VALKEY_9, opaque(TYPE.module, 'tidemark1'), 9, 8],
      [targetFormat('keydb', 60304), opaque(TYPE.keydbCron, null), 9, 9],
      [formatOfRdb('redis', 15), opaque(33, null), 15, 15],
    ];
    for (const [format, value, rdbVersion, version] of cases) {
      const encoder = new RestorePayloadEncoder(format);
      feedValue(encoder, value, { rdbVersion });
      assert.deepEqual(encoder.inexact, []);
      assert.equal(footerVersion(encoder.copy()), version);
    }
  });
});

describe('RestorePayloadEncoder keeps values', () => {
  test('of every hand-made dump, for every target, or says what is lost', () => {
    for (const relic of relics()) {
      for (const format of FORMATS) {
        const encoder = new RestorePayloadEncoder(format);
        const target = { version: format.rdbVersion, dialect: format.dialect };
        for (const { value } of relic.keys) {
          feedValue(encoder, value, { rdbVersion: relic.rdbVersion });
          if (!encoder.representable || encoder.inexact.length > 0) continue;
          const back = collectPayload(encoder.copy(), target);
          assert.deepEqual(withoutUnknowns(back), withoutUnknowns(value), relic.name);
        }
      }
    }
  });

  test('whose texts come in pieces', () => {
    const long = 'abcdefghij'.repeat(250_000);
    const values: ValueModel[] = [
      { kind: 'string', bytes: long },
      { kind: 'list', items: ['a', long, 'b', `${long}x`] },
      setValue(['1', '2', long]),
      setValue(['x', long, 'y']),
      hashValue([
        ['f', 'v', null],
        [`${long}f`, long, null],
      ]),
      hashValue([
        ['f', 'v', FAR],
        ['g', long, null],
      ]),
      zsetValue([
        ['a', scoreBits(1)],
        [long, scoreBits(0.5)],
      ]),
      streamValue({
        entries: [
          ['1-1', ['f', long]],
          ['1-2', ['f', 'x', long, '7']],
        ],
        lastId: '1-2',
        firstId: null,
        maxDeletedId: null,
        entriesAdded: null,
        groups: [],
        idmp: null,
      }),
      { kind: 'array', insertIndex: null, items: [['3', long]] },
    ];
    for (const format of FORMATS) {
      const encoder = new RestorePayloadEncoder(format);
      const target = { version: format.rdbVersion, dialect: format.dialect };
      for (const value of values) {
        feedValue(encoder, value);
        if (!encoder.representable || encoder.inexact.length > 0) continue;
        const back = collectPayload(encoder.copy(), target);
        assert.ok(JSON.stringify(withoutUnknowns(back)) === JSON.stringify(value), value.kind);
      }
    }
  });
});

/** What the oldest stream types leave to the server, and what producers the model only counts. */
function withoutUnknowns(value: ValueModel): ValueModel {
  if (value.kind !== 'stream') return value;
  const { stream } = value;
  const groups = stream.groups.map((group) => ({
    ...group,
    consumers: group.consumers.map(({ name, seenAt }) => ({ name, seenAt })),
  }));
  return { kind: 'stream', stream: { ...stream, groups, idmp: null } };
}

describe('encodeFunctionPayload', () => {
  test('joins library sources under one footer', () => {
    const source = Buffer.from('#!lua name=one\nreturn 1');
    const payload = encodeFunctionPayload([source, source]);
    const record = Buffer.concat([Buffer.from([0xf5, source.length]), source]);
    const body = Buffer.concat([record, record, Buffer.from([10, 0])]);
    assert.deepEqual(payload, Buffer.concat([body, slowCrc64(body)]));
  });
});
