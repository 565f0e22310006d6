import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type DiffTuning } from '../../src/browse/diff/diff-backups.ts';
import {
  CountedReads,
  type Difference,
  type DiffRequest,
  diffBackups,
} from '../../src/browse/index.ts';
import { CodedError } from '../../src/base/index.ts';
import type { ReadOptions } from '../../src/storage/index.ts';
import { fillServer } from '../support/data-shapes.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { findServer, notRun, SERVER_NAMES, whyMissing } from '../support/servers.ts';
import { BackupSeries, FAR_MS, FARTHER_MS } from './backup-series.ts';
import { describeDifference, expectedDifferences } from './expected-differences.ts';

const DEFAULT = 'redis-7.0';

async function series(t: TestContext): Promise<BackupSeries | undefined> {
  if (findServer(DEFAULT) !== undefined) return await BackupSeries.start(t, DEFAULT);
  notRun(t, DEFAULT, whyMissing(DEFAULT));
  return undefined;
}

async function diff(
  scene: BackupSeries,
  request: Partial<DiffRequest> = {},
  tuning: DiffTuning = {},
) {
  const differences: Difference[] = [];
  const report = await diffBackups(
    {
      before: scene.side(0),
      after: scene.side(1),
      workers: 1,
      onDifferences: (some) => {
        differences.push(...some);
      },
      ...request,
    },
    tuning,
  );
  return { report, differences, found: differences.map(describeDifference).sort() };
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-diff-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** One key of every type under these names. */
function fillTypes({ pipe }: BackupSeries, name: string): void {
  pipe.pipe('SET', `string:${name}`, 'value');
  pipe.pipe('RPUSH', `list:${name}`, 'a', 'b', 'c');
  pipe.pipe('SADD', `set:${name}`, 'a', 'b', 'c');
  pipe.pipe('SADD', `intset:${name}`, 1, 2, 3);
  pipe.pipe('HSET', `hash:${name}`, 'f', 'v', 'g', 'w');
  pipe.pipe('ZADD', `zset:${name}`, 1, 'a', 2.5, 'b');
  pipe.pipe('XADD', `stream:${name}`, '1-1', 'f', 'v');
  pipe.pipe('XGROUP', 'CREATE', `stream:${name}`, 'group', '0');
}

const TYPES = ['string', 'list', 'set', 'intset', 'hash', 'zset', 'stream'];

describe('diffBackups', () => {
  test('finds every kind of change of every type', async (t) => {
    const scene = await series(t);
    if (scene === undefined) return;
    const { pipe } = scene;
    for (const name of ['same', 'gone', 'ttl', 'no ttl', 'other ttl', 'changed', 'retyped']) {
      fillTypes(scene, name);
    }
    for (const type of TYPES) {
      pipe.pipe('PEXPIREAT', `${type}:no ttl`, FAR_MS);
      pipe.pipe('PEXPIREAT', `${type}:other ttl`, FAR_MS);
    }
    await pipe.done();
    await scene.backUp();
    fillTypes(scene, 'new');
    for (const type of TYPES) {
      pipe.pipe('DEL', `${type}:gone`, `${type}:retyped`);
      pipe.pipe('PEXPIREAT', `${type}:ttl`, FAR_MS);
      pipe.pipe('PERSIST', `${type}:no ttl`);
      pipe.pipe('PEXPIREAT', `${type}:other ttl`, FARTHER_MS);
      if (type === 'string') pipe.pipe('RPUSH', `${type}:retyped`, 'value');
      else pipe.pipe('SET', `${type}:retyped`, 'a');
    }
    pipe.pipe('APPEND', 'string:changed', ' more');
    pipe.pipe('LSET', 'list:changed', 0, 'c');
    pipe.pipe('LSET', 'list:changed', 2, 'a');
    pipe.pipe('SREM', 'set:changed', 'a');
    pipe.pipe('SADD', 'intset:changed', 4);
    pipe.pipe('HSET', 'hash:changed', 'f', 'w');
    pipe.pipe('ZADD', 'zset:changed', 2, 'b');
    pipe.pipe('XREADGROUP', 'GROUP', 'group', 'me', 'STREAMS', 'stream:changed', '>');
    // Another order and another encoding are no change.
    pipe.pipe('DEL', 'set:same');
    pipe.pipe('SADD', 'set:same', 'c', 'b', 'a', 'x'.repeat(100));
    pipe.pipe('SREM', 'set:same', 'x'.repeat(100));
    await pipe.done();
    await scene.backUp();

    const { found, report, differences } = await diff(scene);
    const names: [kind: string, names: string[]][] = [
      ['added', ['new']],
      ['removed', ['gone']],
      ['changed', ['changed', 'retyped']],
      ['ttl-changed', ['ttl', 'no ttl', 'other ttl']],
    ];
    const expected = names.flatMap(([kind, keys]) =>
      keys.flatMap((key) => TYPES.map((type) => `${kind} 0 ${type}:${key}`)),
    );
    assert.deepEqual(found, expected.sort());
    const counts = { added: 7, removed: 7, changed: 14, ttlChanged: 21, equal: 7 };
    assert.deepEqual(report.totals, counts);
    assert.deepEqual(report.databases, [{ db: 0, ...counts }]);
    assert.equal(report.prefixes.length, TYPES.length);
    const ofHash = report.prefixes.find(({ prefix }) => prefix.toString() === 'hash');
    const { db, added, removed, changed, ttlChanged } = ofHash!;
    assert.deepEqual([db, added, removed, changed, ttlChanged], [0, 1, 1, 2, 3]);
    const retyped = differences.find(({ key }) => key.toString() === 'string:retyped')!;
    assert.deepEqual([retyped.before?.type, retyped.after?.type], ['string', 'list']);
    const ttl = differences.find(({ key }) => key.toString() === 'zset:no ttl')!;
    assert.deepEqual([ttl.before?.expireAtMs, ttl.after?.expireAtMs], [FAR_MS, null]);
    assert.deepEqual(report.notices, []);
  });

  test('says the same however little memory, however many partitions, collisions, passes', async (t) => {
    const scene = await series(t);
    if (scene === undefined) return;
    await fillServer(scene.server.url, { seed: 5, bulkKeys: 3000, big: false });
    const before = await scene.backUp();
    await changeSome(scene, 600);
    const after = await scene.backUp();
    const expected = await expectedDifferences(scene.repository, before, after);
    assert.ok(expected.length > 400, `${expected.length} differences`);
    const tempFolder = folderOf(t);
    for (const [tuning, request] of [
      [{}, {}],
      [{ partitions: 7, memoryBytes: 0 }, { workers: 2 }],
      [{ memoryBytes: 100_000, passBytes: 20_000, partitions: 2 }, {}],
      [{ hashMask: 0 }, {}],
      [{ hashMask: 0x1f, partitions: 3, passBytes: 10_000, memoryBytes: 50_000 }, {}],
    ] as const) {
      const { found, report } = await diff(scene, { tempFolder, ...request }, tuning);
      assert.deepEqual(found, expected, JSON.stringify(tuning));
      const { added, removed, changed, ttlChanged, equal } = report.totals;
      assert.equal(removed + changed + ttlChanged + equal, before.totals.keys);
      assert.equal(added + changed + ttlChanged + equal, after.totals.keys);
      assert.equal(report.spilledBytes > 0, 'memoryBytes' in tuning);
      assert.deepEqual(readdirSync(tempFolder), []);
    }
    const match = [Buffer.from('bulk:*')];
    const some = await diff(scene, { selection: { match, databases: [0] } });
    const wanted = expected.filter((line) => / 0 bulk:/.test(line));
    assert.deepEqual(some.found, wanted);
  });

  for (const name of SERVER_NAMES) {
    test(`compares two backups of ${name} with all its types`, async (t) => {
      if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
      const scene = await BackupSeries.start(t, name);
      await fillServer(scene.server.url, { seed: 9, bulkKeys: 500, big: true });
      const before = await scene.backUp();
      const same = await diff(scene, { after: scene.side(0) });
      assert.deepEqual(same.found, []);
      assert.equal(same.report.totals.equal, before.totals.keys);
      await changeSome(scene, 200);
      const after = await scene.backUp();
      const expected = await expectedDifferences(scene.repository, before, after);
      assert.deepEqual((await diff(scene)).found, expected);
    });
  }

  test('sees a change in any part of a long key', async (t) => {
    const scene = await series(t);
    if (scene === undefined) return;
    const { pipe } = scene;
    const piece = Buffer.alloc(1 << 20, 'x');
    for (const name of ['same', 'begin', 'end', 'ttl']) {
      for (let i = 0; i < 3; i++) pipe.pipe('APPEND', `text:${name}`, piece);
      for (let i = 0; i < 3; i++) pipe.pipe('HSET', `hash:${name}`, `f${i}`, piece);
    }
    await pipe.done();
    await scene.backUp();
    pipe.pipe('SETRANGE', 'text:begin', 0, 'y');
    pipe.pipe('SETRANGE', 'text:end', 3 * piece.length - 1, 'y');
    pipe.pipe('HSET', 'hash:begin', 'f0', 'y');
    pipe.pipe('HSET', 'hash:end', 'f2', Buffer.concat([piece.subarray(1), Buffer.from('y')]));
    pipe.pipe('PEXPIREAT', 'text:ttl', FAR_MS);
    pipe.pipe('PEXPIREAT', 'hash:ttl', FAR_MS);
    await pipe.done();
    await scene.backUp();
    const { found, report } = await diff(scene, { workers: 2 });
    assert.deepEqual(found, [
      'changed 0 hash:begin',
      'changed 0 hash:end',
      'changed 0 text:begin',
      'changed 0 text:end',
      'ttl-changed 0 hash:ttl',
      'ttl-changed 0 text:ttl',
    ]);
    assert.equal(report.totals.equal, 2);
    assert.ok(report.skippedBytes > 0, 'keys with the same blocks were read');
    // Blocks that arrive in another order than they were asked for.
    const slow = new SlowStorage(scene.storage);
    const repository = { ...scene.repository, storage: slow };
    const sides = [0, 1].map((i) => ({ ...scene.side(i), repository }));
    const mixed = await diff(scene, { before: sides[0], after: sides[1], workers: 2 });
    assert.deepEqual(mixed.found, found);
    const all = { match: [Buffer.from('*')] };
    const whole = await diff(scene, { selection: all });
    assert.deepEqual(whole.found, found);
    assert.equal(whole.report.skippedBytes, 0);
  });

  test('reads no data that both backups have byte by byte', async (t) => {
    const scene = await series(t);
    if (scene === undefined) return;
    await fillServer(scene.server.url, { seed: 3, bulkKeys: 1000, big: false });
    const before = await scene.backUp();
    await scene.backUp();
    const same = await diff(scene);
    assert.deepEqual(same.found, []);
    assert.equal(same.report.totals.equal, before.totals.keys);
    // Where a dump is cut into batches may shift a little, so a block or two may differ.
    assert.ok(same.report.skippedBytes > before.totals.storedBytes, 'most of both is passed over');
    assert.ok(same.report.read.bytes < before.totals.storedBytes);

    // A file that both name is not even opened twice; the rest of the second backup is its own.
    scene.pipe.pipe('SET', 'one more', 'x');
    await scene.pipe.done();
    const after = await scene.backUp();
    const [shared] = before.files.filter(({ kind }) => kind === 'entries');
    const [own] = after.files.filter(({ kind }) => kind === 'entries');
    const both = { ...after, files: [shared, { ...own, shard: '00001' }] };
    const side = { repository: scene.repository, manifest: both };
    const merged = await diff(scene, { after: side });
    assert.equal(merged.report.totals.equal, before.totals.keys);
    assert.equal(merged.report.totals.added, after.totals.keys);
    assert.equal(merged.report.skippedBytes, shared.size * 2);
  });

  test('gives the lines of small values when asked', async (t) => {
    const scene = await series(t);
    if (scene === undefined) return;
    const { pipe } = scene;
    pipe.pipe('SET', 'small', 'one');
    pipe.pipe('SET', 'large', 'x'.repeat(2000));
    await pipe.done();
    await scene.backUp();
    pipe.pipe('SET', 'small', 'two');
    pipe.pipe('APPEND', 'large', 'y');
    await pipe.done();
    await scene.backUp();
    const tuning = { memoryBytes: 0 };
    const { differences } = await diff(scene, { lineBytes: 1000, tempFolder: folderOf(t) }, tuning);
    const lines = new Map(
      differences.map(({ key, before, after }) => [
        key.toString(),
        [before?.line?.toString(), after?.line?.toString()],
      ]),
    );
    assert.deepEqual(lines.get('large'), [undefined, undefined]);
    assert.deepEqual(lines.get('small'), [
      '{"db":0,"key":"small","type":"string","value":"one"}',
      '{"db":0,"key":"small","type":"string","value":"two"}',
    ]);
  });

  test('leaves nothing behind when it is stopped, when disks are full, when data is damaged', async (t) => {
    const scene = await series(t);
    if (scene === undefined) return;
    await fillServer(scene.server.url, { seed: 4, bulkKeys: 1000, big: false });
    await scene.backUp();
    await changeSome(scene, 300);
    await scene.backUp();
    const tempFolder = folderOf(t);
    const tuning = { memoryBytes: 0 };

    const stop = new AbortController();
    const reason = new CodedError('INTERRUPTED', 'stopped');
    const stopped = diff(
      scene,
      { tempFolder, signal: stop.signal, onProgress: () => stop.abort(reason) },
      tuning,
    );
    await assert.rejects(stopped, { code: 'INTERRUPTED' });
    const unheard = diff(
      scene,
      { tempFolder, signal: stop.signal, onDifferences: () => stop.abort(reason) },
      tuning,
    );
    await assert.rejects(unheard, { code: 'INTERRUPTED' });
    assert.deepEqual(readdirSync(tempFolder), []);

    let closed = 0;
    const spillFile = () => ({
      append: () => Promise.reject(new CodedError('STORAGE_FULL', 'no room')),
      read: () => Promise.reject(new Error('nothing was written')),
      close: () => {
        closed++;
      },
    });
    await assert.rejects(diff(scene, {}, { ...tuning, spillFile }), { code: 'STORAGE_FULL' });
    assert.equal(closed, 2);
    const nowhere = join(tempFolder, 'missing');
    await assert.rejects(diff(scene, { tempFolder: nowhere }, tuning), { code: 'STORAGE_FAILED' });
    assert.equal(existsSync(nowhere), false);

    const file = scene.manifests[1].files.find(({ kind }) => kind === 'entries')!;
    const held = scene.storage.objects.get(file.name)!;
    held.bytes = Buffer.from(held.bytes);
    held.bytes[Math.floor(file.directory.offset / 3)] ^= 1;
    await assert.rejects(diff(scene, { tempFolder }, tuning), (error: CodedError) => {
      assert.equal(error.code, 'OBJECT_CORRUPT');
      assert.match(error.message, /00001\.jsonl\.zst, block \d+/);
      return true;
    });
    assert.deepEqual(readdirSync(tempFolder), []);
  });

  test('warns of backups that do not hold the same selection', async (t) => {
    const scene = await series(t);
    if (scene === undefined) return;
    await fillServer(scene.server.url, { seed: 6, big: false });
    await scene.backUp();
    await scene.backUp({ selection: { databases: [0] } });
    const { report } = await diff(scene);
    assert.match(report.notices.join(), /different selections/);
    const narrowed = await diff(scene, {
      selection: { databases: [0] },
      after: { ...scene.side(1), isComplete: true },
    });
    assert.deepEqual(narrowed.report.notices, []);
    assert.deepEqual(narrowed.found, []);
  });
});

/** Every other read takes longer. */
class SlowStorage extends CountedReads {
  override async read(name: string, options?: ReadOptions, signal?: AbortSignal): Promise<Buffer> {
    const bytes = await super.read(name, options, signal);
    for (let turns = this.cost.requests % 2 === 0 ? 0 : 20; turns > 0; turns--) await turn();
    return bytes;
  }
}

/** Deletes, replaces, extends and expires random keys, in all databases. */
async function changeSome({ pipe }: BackupSeries, changes: number): Promise<void> {
  const random = new SeededRandom(17);
  for (const db of [0, 3]) {
    await pipe.call('SELECT', db);
    for (let i = 0; i < changes / 2; i++) {
      const key = (await pipe.call('RANDOMKEY')) as Buffer;
      const kind = random.below(4);
      if (kind === 0 && i % 2 === 0) pipe.pipe('DEL', key);
      else if (kind === 1) pipe.pipe('PEXPIREAT', key, FARTHER_MS + random.below(5));
      else if (kind === 2) pipe.pipe('SET', key, `changed ${i}`);
      else pipe.pipe('SET', `new:${random.word(8)}`, i);
    }
    await pipe.done();
  }
  await pipe.call('SELECT', 0);
}
