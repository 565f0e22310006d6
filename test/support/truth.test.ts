import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import type { KeyModel, Model } from './model.ts';
import {
  diffModels,
  fromJsonLines,
  loadPsync,
  loadRdb,
  loadTruth,
  psyncNames,
  truthNames,
} from './truth.ts';

describe('loadTruth', () => {
  test('reads every fixture, and the dump file is the one that it describes', () => {
    const names = truthNames();
    assert.equal(names.length, 68);
    for (const name of names) {
      const truth = loadTruth(name);
      const rdb = loadRdb(name);
      assert.equal(createHash('sha256').update(rdb).digest('hex'), truth.rdbSha256, name);
      assert.equal(rdb.subarray(0, 9).toString('latin1'), truth.rdbMagic, name);
      assert.ok(truth.model.keys.size >= 30, name);
      assert.deepEqual(diffModels(truth.model, truth.model), [], name);
    }
  });

  test('keeps expired keys in the decoded model and out of the loaded one', () => {
    const truth = loadTruth('redis-7.4.1');
    const differences = diffModels(truth.loadedModel, truth.model);
    assert.equal(differences.filter((line) => line.includes('not expected')).length, 2);
    assert.ok(differences.some((line) => line.includes('"stale"')));
  });
});

describe('loadPsync', () => {
  test('reads every recorded link, whose pieces cover all of its bytes', () => {
    const names = psyncNames();
    assert.equal(names.length, 31);
    for (const name of names) {
      const { bytes, layout, startOffset, finalOffset, afterRdb, afterStream } = loadPsync(name);
      const between = (start: number, end: number): string => bytes.toString('latin1', start, end);
      assert.match(between(0, layout.fullresync[0]), /^\n*$/, name);
      assert.match(between(layout.fullresync[1], layout.bulkHeader[0]), /^\n*$/, name);
      assert.equal(layout.rdb[0], layout.bulkHeader[1], name);
      assert.match(between(layout.rdb[1], layout.stream[0]), /^(?:[0-9a-f]{40})?$/, name);
      assert.equal(layout.stream[1], bytes.length, name);
      assert.equal(layout.stream[1] - layout.stream[0], finalOffset - startOffset, name);
      assert.match(bytes.toString('latin1', layout.rdb[0], layout.rdb[0] + 6), /^REDIS0|^VALKEY$/);
      assert.notDeepEqual(diffModels(afterRdb, afterStream), [], name);
    }
  });
});

function only(model: Model): KeyModel {
  assert.equal(model.keys.size, 1);
  return [...model.keys.values()][0];
}

function read(...values: object[]): KeyModel {
  return only(fromJsonLines(values.map((value) => JSON.stringify(value)).join('\n')));
}

describe('fromJsonLines', () => {
  test('reads the three forms of a string', () => {
    const values = ['é', 'base64:/w==', 'text:base64:/w=='];
    const model = read({ db: 3, key: 'text:text:', type: 'list', expireAt: 5, value: values });
    assert.equal(model.key, 'text:');
    assert.equal(model.expireAt, 5);
    const items = ['\u00c3\u00a9', '\u00ff', 'base64:/w=='];
    assert.deepEqual(model.value, { kind: 'list', items });
  });

  test('keeps members that JSON.parse would reorder or lose', () => {
    const line = '{"db":0,"key":"h","type":"hash","value":{"__proto__":"1","2":"a","1":"b"}}';
    const fields = [
      ['1', 'b', null],
      ['2', 'a', null],
      ['__proto__', '1', null],
    ];
    assert.deepEqual(only(fromJsonLines(line)).value, { kind: 'hash', fields });
  });

  test('reads scores by value', () => {
    const line =
      '{"db":0,"key":"z","type":"zset","value":{"a":-0.0,"b":"inf","c":"-inf","d":0.1,"e":1e21}}';
    const members = [
      ['a', '0000000000000000'],
      ['b', '7ff0000000000000'],
      ['c', 'fff0000000000000'],
      ['d', '3fb999999999999a'],
      ['e', '444b1ae4d6e2ef50'],
    ];
    assert.deepEqual(only(fromJsonLines(line)).value, { kind: 'zset', members });
  });

  test('joins the parts of a string, which are cut at 1 MiB', () => {
    const head = { db: 0, key: 's', type: 'string' };
    const piece = 'x'.repeat(1 << 20);
    const first = { ...head, part: 0, more: true, bytes: (1 << 20) + 1, value: piece };
    const model = read(first, { ...head, part: 1, value: 'y' });
    assert.deepEqual(model.value, { kind: 'string', bytes: `${piece}y` });
    assert.throws(() => read({ ...first, value: 'x' }, { ...head, part: 1, value: 'y' }), /Part 0/);
  });

  test('joins elements that are cut between parts', () => {
    const list = { db: 0, key: 'l', type: 'list' };
    assert.deepEqual(
      read(
        { ...list, part: 0, more: true, elements: 3, elementMore: true, value: ['a', 'b'] },
        { ...list, part: 1, more: true, elementMore: true, value: ['base64:/w=='] },
        { ...list, part: 2, value: ['d', 'e'] },
      ).value,
      { kind: 'list', items: ['a', 'b\u00ffd', 'e'] },
    );
    const hash = { db: 0, key: 'h', type: 'hash' };
    assert.deepEqual(
      read(
        { ...hash, part: 0, more: true, elementMore: 'name', value: { a: '1', b: null } },
        { ...hash, part: 1, more: true, elementMore: true, value: { c: '2' } },
        { ...hash, part: 2, fieldExpireAt: { '': 7 }, value: { '': '3', d: '4' } },
      ).value,
      {
        kind: 'hash',
        fields: [
          ['a', '1', null],
          ['bc', '23', 7],
          ['d', '4', null],
        ],
      },
    );
  });

  test('joins the parts of a stream', () => {
    const head = { db: 0, key: 'x', type: 'stream' };
    const part = (value: object, more: object): object => ({ ...head, ...more, value });
    const pending = (id: string): object => ({ id, consumer: 'c', deliveredAt: 9, deliveries: 1 });
    const facts = { lastId: '2-0', firstId: '1-0', maxDeletedId: '0-0', entriesAdded: '2' };
    const model = read(
      part(
        { entries: [{ id: '1-0', fields: [['f', 'v'], ['nam']] }] },
        { part: 0, more: true, elementMore: 'name', entryMore: 2 },
      ),
      part(
        { entries: [{ id: '1-0', fields: [['e', 'val']] }] },
        { part: 1, more: true, elementMore: true, entryMore: 2 },
      ),
      part(
        {
          entries: [
            { id: '1-0', fields: [['ue'], ['g', 'w']] },
            { id: '2-0', fields: [['f', 'v']] },
          ],
          groups: [
            {
              name: 'g',
              lastId: '2-0',
              entriesRead: null,
              consumers: [{ name: 'c', seenAt: 1, activeAt: null }],
              pending: [pending('2-0')],
            },
          ],
        },
        { part: 2, more: true },
      ),
      part(
        { entries: [], ...facts, groups: [{ name: 'g', pending: [pending('1-0')] }] },
        { part: 3 },
      ),
    );
    assert.equal(model.value.kind, 'stream');
    const { stream } = model.value;
    assert.deepEqual(stream.entries, [
      ['1-0', ['f', 'v', 'name', 'value', 'g', 'w']],
      ['2-0', ['f', 'v']],
    ]);
    assert.deepEqual(
      stream.groups[0]?.pending.map(({ id }) => id),
      ['1-0', '2-0'],
    );
  });

  const REFUSED: [string, string, RegExp][] = [
    [
      'a duplicate member',
      '{"db":0,"key":"h","type":"hash","value":{"a":"1","a":"2"}}',
      /duplicate/,
    ],
    [
      'two forms of one field',
      '{"db":0,"key":"h","type":"hash","value":{"a":"","text:a":""}}',
      /twice/,
    ],
    [
      'an unknown member',
      '{"db":0,"key":"k","type":"string","ttl":1,"value":""}',
      /Unknown member/,
    ],
    ['half a surrogate pair', '{"db":0,"key":"\\ud800","type":"string","value":""}', /surrogate/],
    [
      'a key that does not end',
      '{"db":0,"key":"k","type":"list","part":0,"more":true,"value":[]}',
      /not complete/,
    ],
    [
      'a part that is missing',
      '{"db":0,"key":"k","type":"list","part":1,"value":[]}',
      /begins with part 1/,
    ],
    [
      'a wrong count',
      '{"db":0,"key":"k","type":"list","part":0,"elements":2,"value":["a"]}',
      /announced/,
    ],
    ['a score that is text', '{"db":0,"key":"z","type":"zset","value":{"a":"1"}}', /not a number/],
    ['text after the line', '{"db":0,"key":"k","type":"string","value":""} x', /after the end/],
  ];
  for (const [what, line, message] of REFUSED) {
    test(`refuses ${what}`, () => assert.throws(() => fromJsonLines(line), message));
  }

  test('demands the order and form of written lines when asked', () => {
    const canonical = (line: string): Model => fromJsonLines(line, { canonical: true });
    assert.throws(() => canonical('{"db":0,"type":"string","key":"k","value":""}'), /too late/);
    assert.throws(() => canonical('{"db":0,"key":"k", "type":"string","value":""}'), /space/);
    assert.throws(
      () => canonical('{"db":0,"key":"base64:YQ==","type":"string","value":""}'),
      /around/,
    );
    canonical('{"db":0,"key":"k","type":"string","expireAt":1,"frequency":2,"value":"a b"}');
  });
});

describe('diffModels', () => {
  const line = (value: object): string => JSON.stringify({ db: 0, key: 'k', ...value });
  const diff = (a: object, b: object): string[] =>
    diffModels(fromJsonLines(line(a)), fromJsonLines(line(b)));

  test('names what differs', () => {
    const cases: [object, object, RegExp][] = [
      [{ type: 'string', value: 'a' }, { type: 'string', value: 'b' }, /value: 1 against 1 bytes/],
      [{ type: 'string', value: 'a' }, { type: 'list', value: ['a'] }, /type: expected string/],
      [{ type: 'list', value: ['a', 'b'] }, { type: 'list', value: ['b', 'a'] }, /items\[0\]/],
      [{ type: 'set', value: ['a'] }, { type: 'set', value: ['a', 'b'] }, /expected 1, got 2/],
      [{ type: 'zset', value: { a: 1 } }, { type: 'zset', value: { a: 2 } }, /score bits/],
      [{ type: 'hash', value: { a: '1' } }, { type: 'hash', value: { a: '2' } }, /fields\[0\]/],
      [
        { type: 'hash', fieldExpireAt: { a: 1 }, value: { a: '1' } },
        { type: 'hash', value: { a: '1' } },
        /expiry of field "a": expected 1, got null/,
      ],
      [{ type: 'string', expireAt: 1, value: '' }, { type: 'string', value: '' }, /expireAt/],
      [{ type: 'string', idleSeconds: 9, value: '' }, { type: 'string', value: '' }, /idleSeconds/],
      [
        { type: 'string', frequency: 3, value: '' },
        { type: 'string', frequency: 5, value: '' },
        /frequency/,
      ],
    ];
    for (const [a, b, message] of cases) {
      assert.match(diff(a, b).join('\n'), message);
      assert.deepEqual(diff(a, a), []);
    }
  });

  test('does not mind the order of sets, hashes and sorted sets, nor the sign of zero', () => {
    assert.deepEqual(
      diff({ type: 'set', value: ['a', 'b'] }, { type: 'set', value: ['b', 'a'] }),
      [],
    );
    const zero = fromJsonLines('{"db":0,"key":"k","type":"zset","value":{"a":-0.0}}');
    assert.deepEqual(diffModels(zero, fromJsonLines(line({ type: 'zset', value: { a: 0 } }))), []);
  });

  test('tells missing keys from keys that were not expected, in each database', () => {
    const at = (db: number): Model =>
      fromJsonLines(JSON.stringify({ db, key: 'k', type: 'string', value: '' }));
    assert.deepEqual(diffModels(at(0), at(1)), [
      'db 0 "k": missing (expected a string)',
      'db 1 "k": not expected (a string)',
    ]);
  });

  test('sees every change of a stream', () => {
    const stream = {
      entries: [{ id: '1-1', fields: [['f', 'v']] }],
      lastId: '1-1',
      firstId: '1-1',
      maxDeletedId: '0-0',
      entriesAdded: '1',
      groups: [
        {
          name: 'g',
          lastId: '1-1',
          entriesRead: '1',
          consumers: [{ name: 'c', seenAt: 5, activeAt: 6 }],
          pending: [{ id: '1-1', consumer: 'c', deliveredAt: 5, deliveries: 1 }],
        },
      ],
      idmp: null,
    };
    const text = JSON.stringify(stream);
    const changes: [string, string][] = [
      ['"f","v"', '"f","w"'],
      ['"lastId":"1-1","firstId"', '"lastId":"1-2","firstId"'],
      ['"firstId":"1-1"', '"firstId":null'],
      ['"0-0"', '"0-1"'],
      ['"entriesAdded":"1"', '"entriesAdded":"2"'],
      ['"name":"g"', '"name":"h"'],
      ['"entriesRead":"1"', '"entriesRead":null'],
      ['"name":"c"', '"name":"d"'],
      ['"seenAt":5', '"seenAt":6'],
      ['"activeAt":6', '"activeAt":null'],
      ['"consumer":"c"', '"consumer":null'],
      ['"deliveredAt":5', '"deliveredAt":6'],
      ['"deliveries":1', '"deliveries":2'],
    ];
    for (const [from, to] of changes) {
      const changed = text.replace(from, to);
      assert.notEqual(changed, text);
      const other = { type: 'stream', value: JSON.parse(changed) as object };
      assert.notDeepEqual(diff({ type: 'stream', value: stream }, other), [], to);
    }
  });
});
