import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { RdbStreamWriter } from '../../src/rdb/encode/rdb-stream-writer.ts';
import { targetFormat } from '../../src/rdb/encode/target-format.ts';
import { parseMagic, TYPE } from '../../src/rdb/format.ts';
import { RdbCursor, RdbEntryReader } from '../../src/rdb/index.ts';
import { type DiffOptions, diffModels } from '../support/diff-models.ts';
import { readLive } from '../support/live-reader.ts';
import {
  addKey,
  createModel,
  hashValue,
  type Model,
  scoreBits,
  setValue,
  streamValue,
  type ValueModel,
  zsetValue,
} from '../support/model.ts';
import {
  findServer,
  isAtLeast,
  notRun,
  SERVER_NAMES,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { loadRdb } from '../support/truth.ts';
import { collectKeys } from '../support/value-collector.ts';
import { feedValue } from '../support/value-feeder.ts';

/** Servers before 7.0 tell expiries as time left only. */
const EXPIRY_TOLERANCE_MS = 50;

const FIXTURES = ['redis-6.2.16', 'redis-8.6.3', 'valkey-9.1.2'];

describe('RdbStreamWriter writes files that servers load', () => {
  for (const name of SERVER_NAMES) {
    test(name, async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      const [major, minor, patch] = binary.version;
      const format = targetFormat(binary.family, major * 10000 + minor * 100 + patch);
      for (const fixture of FIXTURES) {
        const dir = mkdtempSync(join(tmpdir(), 'tidemark-rdb-'));
        const chunks: Buffer[] = [];
        const writer = new RdbStreamWriter(format, (chunk) => chunks.push(chunk));
        const expected = createModel();
        writeFixture(writer, fixture, expected);
        if (fixture === FIXTURES[0]) writeLarge(writer, expected);
        if (writer.functionLibrary(LIBRARY)) expected.functions = [LIBRARY.toString('latin1')];
        writer.finish();
        writeFileSync(join(dir, 'dump.rdb'), Buffer.concat(chunks));
        const config = { save: '', dbfilename: 'dump.rdb', databases: '64' };
        const server = await startServer(binary, { dir, config });
        try {
          const actual = await readLive(server.url);
          const tolerance = isAtLeast(binary, 7) ? 0 : EXPIRY_TOLERANCE_MS;
          const options: DiffOptions = { nullAgrees: true, expiryToleranceMs: tolerance };
          assert.deepEqual(diffModels(expected, actual, options), [], fixture);
        } finally {
          await server.stop();
          rmSync(dir, { recursive: true, force: true });
        }
      }
    });
  }
});

const LIBRARY = Buffer.from(
  `#!lua name=one\nredis.register_function('one', function() return 1 end)\n`,
);

const FAR = 4_102_444_800_000;

function writeFixture(writer: RdbStreamWriter, fixture: string, expected: Model): void {
  const file = loadRdb(fixture);
  const source = parseMagic(file, 0);
  assert.ok(source !== undefined);
  writer.aux('redis-ver', '6.0.0');
  const reader = new RdbEntryReader(new RdbCursor(file, 0, file.length, 0), source, 0);
  const now = Date.now();
  let db = -1;
  for (const found of collectKeys(file, source)) {
    const { value } = found;
    assert.ok(reader.next());
    const isGone = found.expireAtMs >= 0 && found.expireAtMs <= now;
    const hasGoneField =
      value.kind === 'hash' && value.fields.some(([, , at]) => at !== null && at <= now);
    // Servers that do not know a module end on its values, and commands show them in another form
    if (isGone || hasGoneField || value.kind === 'opaque') {
      reader.skipValue();
      continue;
    }
    if (found.db !== db) writer.selectDb((db = found.db));
    const key = Buffer.from(found.key, 'latin1');
    const expireAt = found.expireAtMs < 0 ? null : found.expireAtMs;
    writer.entry(key, 0, key.length, expireAt === null ? {} : { expireAtMs: expireAt });
    reader.readValue(writer);
    if (!writer.representable) continue;
    const kept = writer.inexact.length === 0 ? value : lessened(value);
    const loaded = asLoaded(kept, writer.rdbType);
    addKey(expected, { db, key: found.key, type: value.kind, expireAt, value: loaded });
  }
  assert.ok(expected.keys.size > 200);
}

/** What stays of a value on a target that cannot hold all of it. */
function lessened(value: ValueModel): ValueModel {
  if (value.kind === 'hash') return hashValue(value.fields.map(([f, v]) => [f, v, null]));
  if (value.kind !== 'stream') return value;
  const { stream } = value;
  const plain = { firstId: undefined, maxDeletedId: undefined, entriesAdded: undefined };
  const groups = stream.groups.map((group) => ({
    ...group,
    entriesRead: undefined,
    consumers: group.consumers.map((consumer) => ({ ...consumer, activeAt: undefined })),
  }));
  return streamValue({ ...stream, ...plain, groups, idmp: undefined });
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
  return streamValue({ ...value.stream, groups });
}

/** Values that leave in pieces, in the forms that only those take. */
function writeLarge(writer: RdbStreamWriter, expected: Model): void {
  const range = Array.from({ length: 20_000 }, (_, i) => i);
  const text = (i: number): string => `${i}:${'x'.repeat(90)}`;
  const canExpire = writer.format.fieldExpiry !== 'none';
  const values: Record<string, ValueModel> = {
    string: { kind: 'string', bytes: 'y'.repeat(3 << 20) },
    list: { kind: 'list', items: range.map(text) },
    set: setValue(range.map(text)),
    zset: zsetValue(range.map((i) => [text(i), scoreBits(i / 3)])),
    hash: hashValue(range.map((i) => [text(i), `${i}`, canExpire && i % 3 === 0 ? FAR + i : null])),
    'hash without expiries': hashValue(range.map((i) => [text(i), `${i}`, null])),
    stream: streamValue({
      entries: range.map((i) => [`${i + 1}-1`, ['f', text(i)]]),
      lastId: `${range.length}-1`,
      firstId: writer.format.rdbVersion < 10 ? undefined : '1-1',
      maxDeletedId: writer.format.rdbVersion < 10 ? undefined : '0-0',
      entriesAdded: writer.format.rdbVersion < 10 ? undefined : String(range.length),
      groups: [],
      idmp: undefined,
    }),
  };
  writer.selectDb(20);
  for (const [key, value] of Object.entries(values)) {
    const bytes = Buffer.from(key);
    writer.entry(bytes, 0, bytes.length, { expireAtMs: FAR });
    feedValue(writer, value, { counted: true });
    assert.deepEqual(writer.inexact, []);
    const { kind } = value;
    addKey(expected, { db: 20, key, type: kind, expireAt: FAR, value });
  }
}
