import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  hashValue,
  scoreBits,
  setValue,
  type StreamModel,
  streamValue,
  type ValueModel,
  zsetValue,
} from '../../test/support/model.ts';
import { feedValue } from '../../test/support/value-feeder.ts';
import { HashChain } from './hash-chain.ts';
import { equalDigests, type ValueDigest, ValueDigester } from './value-digest.ts';

function digestOf(value: ValueModel): ValueDigest {
  const digester = new ValueDigester();
  feedValue(digester, value);
  return digester.digest();
}

const list = (...items: string[]): ValueModel => ({ kind: 'list', items });
const text = (bytes: string): ValueModel => ({ kind: 'string', bytes });
const array = (insertIndex: string | null, ...items: [string, string][]): ValueModel => ({
  kind: 'array',
  insertIndex,
  items,
});
const opaque = (name: string | null, rdbType: number, payload: string): ValueModel => ({
  kind: 'opaque',
  name,
  rdbType,
  payload,
});

const GROUP = {
  name: 'g',
  lastId: '1-1',
  entriesRead: '1',
  consumers: [{ name: 'c', seenAt: 5, activeAt: 6 }],
  pending: [{ id: '1-1', consumer: 'c', deliveredAt: 7, deliveries: 1 }],
  timesApprox: false,
};
const STREAM: StreamModel = {
  entries: [
    ['1-1', ['a', 'b']],
    ['1-2', ['a', 'b', 'c', 'd']],
  ],
  lastId: '9-9',
  firstId: '1-1',
  maxDeletedId: '0-0',
  entriesAdded: '2',
  groups: [GROUP],
  idmp: null,
};
const stream = (change: Partial<StreamModel>): ValueModel => streamValue({ ...STREAM, ...change });
const group = (change: Partial<typeof GROUP>): ValueModel =>
  stream({ groups: [{ ...GROUP, ...change }] });

describe('ValueDigester tells values apart', () => {
  const DIFFERENT: readonly ValueModel[] = [
    text(''),
    text('a'),
    text('b'),
    text('a\0'),
    text('ab'),
    text('x'.repeat(2 << 20)),
    text(`${'x'.repeat((2 << 20) - 1)}y`),
    list(),
    list(''),
    list('', ''),
    list('a'),
    list('a', 'b'),
    list('b', 'a'),
    list('ab'),
    list('a', 'b', 'b'),
    list('a', 'a', 'b'),
    setValue([]),
    setValue(['a']),
    setValue(['a', 'b']),
    setValue(['ab']),
    setValue(['', 'ab']),
    hashValue([]),
    hashValue([['a', 'b', null]]),
    hashValue([['b', 'a', null]]),
    hashValue([['a', 'b', 1]]),
    hashValue([['a', 'b', 2]]),
    hashValue([
      ['a', 'b', 1],
      ['c', 'd', null],
    ]),
    hashValue([
      ['a', 'b', null],
      ['c', 'd', 1],
    ]),
    hashValue([
      ['a', 'd', null],
      ['c', 'b', null],
    ]),
    hashValue([
      ['a', 'b', null],
      ['c', 'd', null],
    ]),
    zsetValue([]),
    zsetValue([['a', scoreBits(1)]]),
    zsetValue([['a', scoreBits(2)]]),
    zsetValue([['b', scoreBits(1)]]),
    zsetValue([['a', scoreBits(0)]]),
    zsetValue([
      ['a', scoreBits(1)],
      ['b', scoreBits(2)],
    ]),
    zsetValue([
      ['a', scoreBits(2)],
      ['b', scoreBits(1)],
    ]),
    zsetValue([['a', scoreBits(1 + Number.EPSILON)]]),
    zsetValue([['a', scoreBits(Number.POSITIVE_INFINITY)]]),
    zsetValue([['a', scoreBits(Number.NEGATIVE_INFINITY)]]),
    array(null),
    array('0'),
    array(null, ['0', 'a']),
    array(null, ['1', 'a']),
    array('1', ['0', 'a']),
    array(null, ['0', 'b']),
    array(null, ['0', 'a'], ['1', 'b']),
    opaque(null, 64, 'a'),
    opaque(null, 64, 'b'),
    opaque(null, 65, 'a'),
    opaque('ReJSON-RL', 7, 'a'),
    opaque('vectorset', 7, 'a'),
    stream({}),
    stream({ entries: [] }),
    stream({ entries: [['1-1', ['a', 'b']]] }),
    stream({
      entries: [
        ['1-1', ['a', 'b']],
        ['1-3', ['a', 'b', 'c', 'd']],
      ],
    }),
    stream({
      entries: [
        ['1-1', ['a', 'b']],
        ['1-2', ['c', 'd', 'a', 'b']],
      ],
    }),
    stream({
      entries: [
        ['1-1', ['a', 'b', 'a', 'b']],
        ['1-2', ['c', 'd']],
      ],
    }),
    stream({ lastId: '9-8' }),
    stream({ groups: [] }),
    stream({ groups: [GROUP, { ...GROUP, name: 'h' }] }),
    group({ name: 'h' }),
    group({ lastId: '1-2' }),
    group({ pending: [] }),
    group({ consumers: [...GROUP.consumers, { name: 'd', seenAt: 1, activeAt: 1 }] }),
    ...[{ id: '1-2' }, { deliveredAt: 8 }, { deliveries: 2 }, { consumer: null }].map((change) =>
      group({ pending: [{ ...GROUP.pending[0], ...change } as (typeof GROUP.pending)[0]] }),
    ),
  ];

  test('that differ in any element', () => {
    const seen = new Map<string, number>();
    for (const [i, value] of DIFFERENT.entries()) {
      const { core } = digestOf(value);
      assert.match(core, /^[0-9a-f]{32}$/);
      assert.equal(seen.get(core), undefined, `cases ${seen.get(core)} and ${i}`);
      seen.set(core, i);
    }
  });

  test('of streams by their counters, where both sides know them', () => {
    const known = digestOf(stream({}));
    for (const change of [{ entriesAdded: '3' }, { maxDeletedId: '0-1' }]) {
      assert.ok(!equalDigests(known, digestOf(stream(change))));
    }
    assert.ok(!equalDigests(known, digestOf(group({ entriesRead: '2' }))));
    const unknown = digestOf(stream({ entriesAdded: null, maxDeletedId: null, firstId: null }));
    assert.equal(unknown.counters, null);
    assert.ok(equalDigests(known, unknown) && equalDigests(unknown, known));
  });
});

describe('ValueDigester finds values equal', () => {
  const digestInOrder = (value: ValueModel, reverse: (value: ValueModel) => ValueModel): void => {
    assert.deepEqual(digestOf(reverse(value)), digestOf(value));
  };

  test('whatever the order of members and fields', () => {
    digestInOrder(setValue(['a', 'b', 'c']), (value) =>
      value.kind === 'set' ? { ...value, members: value.members.toReversed() } : value,
    );
    digestInOrder(
      hashValue([
        ['a', 'b', 1],
        ['c', 'd', null],
        ['e', 'f', 2],
      ]),
      (value) => (value.kind === 'hash' ? { ...value, fields: value.fields.toReversed() } : value),
    );
    digestInOrder(
      zsetValue([
        ['a', scoreBits(1)],
        ['b', scoreBits(2)],
      ]),
      (value) =>
        value.kind === 'zset' ? { ...value, members: value.members.toReversed() } : value,
    );
  });

  test('whatever the pieces of a text', () => {
    const bytes = Buffer.from('a text that comes in pieces of any size at all');
    const whole = digestOf(text(bytes.toString()));
    for (let cut = 0; cut <= bytes.length; cut++) {
      const digester = new ValueDigester();
      digester.begin('string', bytes.length);
      digester.text(bytes, 0, cut, false);
      digester.text(bytes, cut, bytes.length, true);
      digester.end();
      assert.deepEqual(digester.digest(), whole);
    }
  });

  test('with a score of minus zero, and other times of consumers', () => {
    const digester = new ValueDigester();
    digester.begin('zset', 1);
    digester.text(Buffer.from('a'), 0, 1, true);
    digester.score(-0);
    digester.end();
    assert.deepEqual(digester.digest(), digestOf(zsetValue([['a', scoreBits(0)]])));
    const idle = group({ consumers: [{ name: 'c', seenAt: 0, activeAt: 0 }] });
    assert.deepEqual(digestOf(idle), digestOf(stream({})));
  });
});

test('HashChain is MurmurHash3 of 128 bits for machines of 32', () => {
  const cases: readonly (readonly [string, number, string])[] = [
    ['', 0, '00000000000000000000000000000000'],
    ['', 1, '88c4adec54d201b954d201b954d201b9'],
    ['a', 0, 'a794933c5556b01b5556b01b5556b01b'],
    ["I will not buy this tobacconist's, it is scratched.", 0, '9b5b7ba2ef3f7866889adeaf00f3f98e'],
  ];
  for (const [bytes, seed, hex] of cases) {
    const chain = new HashChain();
    chain.begin(seed);
    chain.ascii(bytes);
    const state = Buffer.alloc(16);
    chain.write(state, 0);
    assert.equal(state.toString('hex'), hex, bytes);
  }
});
