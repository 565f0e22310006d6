import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { RestorePayloadEncoder } from '../../src/rdb/encode/restore-payload-encoder.ts';
import { type TargetFormat, targetFormat } from '../../src/rdb/encode/target-format.ts';
import { encodeFunctionPayload } from '../../src/rdb/encode/function-payload.ts';
import { RdbCursor, RdbEntryReader } from '../../src/rdb/index.ts';
import { parseMagic, TYPE } from '../../src/rdb/format.ts';
import { diffModels } from '../support/diff-models.ts';
import { readLive } from '../support/live-reader.ts';
import {
  addKey,
  type Bytes,
  createModel,
  hashValue,
  type Model,
  scoreBits,
  setValue,
  streamValue,
  type ValueModel,
  zsetValue,
} from '../support/model.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import {
  findServer,
  isAtLeast,
  notRun,
  type RunningServer,
  SERVER_NAMES,
  type ServerBinary,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { loadRdb } from '../support/truth.ts';
import { collectKeys, type CollectedKey } from '../support/value-collector.ts';
import { feedValue } from '../support/value-feeder.ts';

/** Servers before 7.0 tell expiries as time left only. */
const EXPIRY_TOLERANCE_MS = 50;

/** Sources of very different ages, families and encodings. */
const FIXTURES = ['redis-4.0.14', 'redis-6.2.16', 'redis-7.0.15', 'redis-8.6.3', 'valkey-9.1.2'];

function formatOf(binary: ServerBinary): TargetFormat {
  const [major, minor, patch] = binary.version;
  return targetFormat(binary.family, major * 10000 + minor * 100 + patch);
}

async function startStrict(t: TestContext, binary: ServerBinary): Promise<RunningServer> {
  const config: Record<string, string> = { save: '' };
  if (isAtLeast(binary, 7)) config['sanitize-dump-payload'] = 'yes';
  const server = await startServer(binary, { config });
  t.after(() => server.stop());
  return server;
}

for (const name of SERVER_NAMES) {
  describe(`RestorePayloadEncoder against ${name}`, () => {
    test('gives payloads that read back equal, from every fixture', async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      const server = await startStrict(t, binary);
      const pipe = await RespPipe.open(server.url);
      t.after(() => pipe.close());
      for (const fixture of FIXTURES) {
        await pipe.call('FLUSHALL');
        const expected = await restoreFixture(pipe, formatOf(binary), fixture);
        const actual = await readLive(server.url);
        actual.functions = expected.functions;
        const expiryToleranceMs = isAtLeast(binary, 7) ? 0 : EXPIRY_TOLERANCE_MS;
        const options = { nullAgrees: true, expiryToleranceMs };
        const differences = diffModels(expected, actual, options);
        assert.deepEqual(differences, [], `${fixture} on ${name}`);
        assert.ok(expected.keys.size > 100, `${expected.keys.size} keys of ${fixture}`);
      }
    });

    test('gives values the encoding that the server itself would choose', async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      const server = await startStrict(t, binary);
      const pipe = await RespPipe.open(server.url);
      t.after(() => pipe.close());
      const encoder = new RestorePayloadEncoder(formatOf(binary));
      for (const [what, value, encoding] of encodings(binary)) {
        feedValue(encoder, value);
        await pipe.call('RESTORE', 'k', 0, encoder.copy(), 'REPLACE');
        assert.equal(String(await pipe.call('OBJECT', 'ENCODING', 'k')), encoding, what);
      }
    });

    test('gives streams with nodes, groups and pending entries of deleted ids', async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      const server = await startStrict(t, binary);
      const pipe = await RespPipe.open(server.url);
      t.after(() => pipe.close());
      const encoder = new RestorePayloadEncoder(formatOf(binary));
      const expected = createModel();
      for (const [key, value] of Object.entries(streams())) {
        feedValue(encoder, value);
        await pipe.call('RESTORE', key, 0, encoder.copy());
        const loaded = asLoaded(value, encoder.rdbType);
        addKey(expected, { db: 0, key, type: 'stream', expireAt: null, value: loaded });
      }
      const actual = await readLive(server.url);
      actual.functions = expected.functions;
      const options = { nullAgrees: true, times: 'near' } as const;
      assert.deepEqual(diffModels(expected, actual, options), []);
    });

    test('keeps an expiry for hash fields, or says that it is lost', async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      const server = await startStrict(t, binary);
      const pipe = await RespPipe.open(server.url);
      t.after(() => pipe.close());
      const format = formatOf(binary);
      const encoder = new RestorePayloadEncoder(format);
      for (const fields of [3, 700]) {
        feedValue(encoder, expiringHash(fields));
        const lost = format.fieldExpiry === 'none' ? ['field-expiry'] : [];
        assert.deepEqual(encoder.inexact, lost);
        await pipe.call('RESTORE', 'k', 0, encoder.copy(), 'REPLACE');
        assert.equal(await pipe.call('HLEN', 'k'), fields);
        assert.equal(String(await pipe.call('HGET', 'k', 'f1')), '1');
        if (lost.length > 0) continue;
        const times = await pipe.call('HPEXPIRETIME', 'k', 'FIELDS', 3, 'f0', 'f1', 'f2');
        assert.deepEqual(times, [-1, FAR + 1, FAR + 2]);
      }
    });
  });
}

describe('encodeFunctionPayload', () => {
  for (const name of SERVER_NAMES) {
    test(`is taken by FUNCTION RESTORE of ${name}`, async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      if (!isAtLeast(binary, 7)) return notRun(t, name, 'it has no functions');
      const server = await startStrict(t, binary);
      const pipe = await RespPipe.open(server.url);
      t.after(() => pipe.close());
      const body = `redis.register_function('NAME', function() return 1 end)`;
      const sources = ['one', 'two'].map((library) =>
        Buffer.from(`#!lua name=${library}\n${body.replace('NAME', library)}\n`),
      );
      await pipe.call('FUNCTION', 'RESTORE', encodeFunctionPayload(sources));
      assert.equal(await pipe.call('FCALL', 'two', 0), 1);
      const model = await readLive(server.url);
      assert.deepEqual(
        model.functions,
        sources.map((source) => source.toString('latin1')),
      );
    });
  }
});

/** Restores what the target can hold exactly; the model of it. */
async function restoreFixture(
  pipe: RespPipe,
  format: TargetFormat,
  fixture: string,
): Promise<Model> {
  const file = loadRdb(fixture);
  const source = parseMagic(file, 0);
  assert.ok(source !== undefined);
  const encoder = new RestorePayloadEncoder(format);
  const expected = createModel();
  const now = Date.now();
  const reader = new RdbEntryReader(new RdbCursor(file, 0, file.length, 0), source, 0);
  let db = -1;
  for (const found of collectKeys(file, source)) {
    assert.ok(reader.next());
    reader.readValue(encoder);
    if (found.db !== db) pipe.pipe('SELECT', (db = found.db));
    if (hasExpiredField(found, now)) continue;
    if (!encoder.representable || encoder.inexact.length > 0) continue;
    // Redis 8.0 refuses the vector sets of 8.6, although they name the same encoding version
    if (found.value.kind === 'opaque' && format.rdbVersion !== source.version) continue;
    const key = Buffer.from(found.key, 'latin1');
    const isGone = found.expireAtMs >= 0 && found.expireAtMs <= now;
    const expireAt = found.expireAtMs < 0 || isGone ? 0 : found.expireAtMs;
    pipe.pipe('RESTORE', key, expireAt, encoder.copy(), ...(expireAt > 0 ? ['ABSTTL'] : []));
    await pipe.room();
    // Commands show modules in another form
    if (found.value.kind === 'opaque') {
      pipe.pipe('DEL', key);
      continue;
    }
    const { kind } = found.value;
    addKey(expected, {
      db,
      key: found.key,
      type: kind,
      expireAt: expireAt === 0 ? null : expireAt,
      value: asLoaded(found.value, encoder.rdbType),
    });
  }
  await pipe.done();
  return expected;
}

/** Where the format has no active times, servers take the seen time. */
function asLoaded(value: ValueModel, rdbType: number): ValueModel {
  if (value.kind !== 'stream' || (rdbType !== TYPE.stream1 && rdbType !== TYPE.stream2)) {
    return value;
  }
  const groups = value.stream.groups.map((group) => ({
    ...group,
    consumers: group.consumers.map((consumer) => ({ ...consumer, activeAt: consumer.seenAt })),
  }));
  return { kind: 'stream', stream: { ...value.stream, groups } };
}

function hasExpiredField({ value }: CollectedKey, now: number): boolean {
  return value.kind === 'hash' && value.fields.some(([, , at]) => at !== null && at <= now);
}

const FAR = 4_102_444_800_000;

function expiringHash(fields: number): ValueModel {
  return hashValue(
    Array.from({ length: fields }, (_, i) => [`f${i}`, `${i}`, i === 0 ? null : FAR + i]),
  );
}

function texts(count: number, text: (i: number) => Bytes = (i) => `m${i}`): Bytes[] {
  return Array.from({ length: count }, (_, i) => text(i));
}

function encodings(binary: ServerBinary): [string, ValueModel, string][] {
  const listpacks = isAtLeast(binary, 7);
  const compact = listpacks ? 'listpack' : 'ziplist';
  const setCompact = isAtLeast(binary, 7, 2) ? 'listpack' : 'hashtable';
  const list = isAtLeast(binary, 7, 2) ? 'listpack' : 'quicklist';
  const hash = (n: number, text: Bytes): ValueModel =>
    hashValue(texts(n).map((field) => [field, text, null]));
  const zset = (n: number, member: (i: number) => Bytes): ValueModel =>
    zsetValue(texts(n, member).map((text, i) => [text, scoreBits(i / 7)]));
  return [
    ['an integer', { kind: 'string', bytes: '-12' }, 'int'],
    ['a short text', { kind: 'string', bytes: '007' }, 'embstr'],
    ['a hash', hash(512, 'x'.repeat(64)), compact],
    ['a hash of one field more', hash(513, 'x'), 'hashtable'],
    ['a hash with a long value', hash(3, 'x'.repeat(65)), 'hashtable'],
    ['a zset', zset(128, (i) => `m${i}`), compact],
    ['a zset of one member more', zset(129, (i) => `m${i}`), 'skiplist'],
    ['a zset with a long member', zset(2, (i) => `${'m'.repeat(64)}${i}`), 'skiplist'],
    ['a set of integers', setValue(texts(512, (i) => String(i * 1000 - 7))), 'intset'],
    ['a set of more integers', setValue(texts(513, String)), 'hashtable'],
    ['a set', setValue(texts(128)), setCompact],
    ['a set of mixed members', setValue(['1', '-5', 'a']), setCompact],
    ['a set of more members', setValue(texts(129)), 'hashtable'],
    ['a list', { kind: 'list', items: ['a', '-1', '300'] }, list],
    ['a long list', { kind: 'list', items: texts(5000) }, 'quicklist'],
  ];
}

/** Streams that exercise every form of entry and node. */
function streams(): Record<string, ValueModel> {
  const max = '18446744073709551615';
  const plain = { firstId: null, maxDeletedId: null, entriesAdded: null, groups: [], idmp: null };
  const pending = (id: string, consumer: Bytes): GroupPending => ({
    id,
    consumer,
    deliveredAt: 1_795_353_810_035,
    deliveries: 3,
  });
  const group = {
    name: 'G',
    lastId: '5-2',
    entriesRead: null,
    consumers: [
      { name: 'c', seenAt: 1_795_353_810_035, activeAt: null },
      { name: 'idle', seenAt: 1_795_353_810_035, activeAt: null },
    ],
    // 5-1 is no longer in the stream
    pending: [pending('5-1', 'c'), pending('5-2', 'c')],
    timesApprox: false,
  };
  const entries = Array.from({ length: 1234 }, (_, i): [string, Bytes[]] => {
    const id = `${1000 + Math.floor(i / 3)}-${i % 3 === 0 ? 9 : 10 + (i % 3)}`;
    if (i % 11 === 0) return [id, ['other', String(i)]];
    if (i % 13 === 0) return [id, ['sensor', String(i), 'unit', 'K']];
    return [id, ['sensor', String(i), 'value', 'x'.repeat(i % 90)]];
  });
  return {
    empty: streamValue({ ...plain, entries: [], lastId: '7-7' }),
    pending: streamValue({
      ...plain,
      entries: [
        ['5-2', ['f', '2']],
        ['6-0', ['g', '3']],
      ],
      lastId: '6-0',
      groups: [group, { ...group, name: 'H', lastId: '0-0', consumers: [], pending: [] }],
    }),
    nodes: streamValue({ ...plain, entries, lastId: entries.at(-1)?.[0] ?? '' }),
    extremes: streamValue({
      ...plain,
      entries: [
        [`1-${max}`, ['a', '']],
        ['2-0', ['a', '1']],
        [`9223372036854775808-${max}`, ['a', '2']],
        [`${max}-0`, ['a', '3', 'a', '4']],
        [`${max}-${max}`, ['', '']],
      ],
      lastId: `${max}-${max}`,
    }),
  };
}

type GroupPending = {
  readonly id: string;
  readonly consumer: Bytes;
  readonly deliveredAt: number;
  readonly deliveries: number;
};
