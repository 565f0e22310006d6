import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded } from '../../src/base/index.ts';
import type { RestoreRequest } from '../../src/restore/index.ts';
import { fillServer } from '../support/data-shapes.ts';
import { readLive } from '../support/live-reader.ts';
import type { Model } from '../support/model.ts';
import {
  findServer,
  isAtLeast,
  notRun,
  type RunningServer,
  SERVER_NAMES,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { diffModels } from '../support/truth.ts';
import { backUpScene, nonZero, onServer, restoreTo, type Scene } from './scene.ts';

const FAR = 4_102_444_800_000;
const BINARY = Buffer.from([0, 255, 13, 10, 0xc3, 0x28]);

/** One key of each type, a binary name, an expiry. */
async function fillTypes(server: RunningServer): Promise<void> {
  await onServer(server.url, async (pipe) => {
    pipe.pipe('SET', 'string', 'one');
    pipe.pipe('SET', BINARY, BINARY);
    pipe.pipe('SET', 'expiring', 'v');
    pipe.pipe('PEXPIREAT', 'expiring', FAR);
    pipe.pipe('RPUSH', 'list', 'a', 'b', 'a');
    pipe.pipe('SADD', 'set', 'a', 'b');
    pipe.pipe('HSET', 'hash', 'a', '1', 'b', '2');
    pipe.pipe('ZADD', 'zset', '1.5', 'a', '-inf', 'b');
    pipe.pipe('XADD', 'stream', '1-1', 'f', 'v');
    pipe.pipe('XGROUP', 'CREATE', 'stream', 'g', '0');
    pipe.pipe('SELECT', 3);
    pipe.pipe('SET', 'string', 'in three');
    await pipe.done();
  });
}

const KEYS = ['string', BINARY, 'expiring', 'list', 'set', 'hash', 'zset', 'stream'];

/** Changes every key of database 0 in the least possible way. */
async function disturb(server: RunningServer): Promise<void> {
  await onServer(server.url, async (pipe) => {
    pipe.pipe('SET', 'string', 'onf');
    pipe.pipe('APPEND', BINARY, 'x');
    pipe.pipe('PEXPIREAT', 'expiring', FAR + 5000);
    pipe.pipe('LSET', 'list', 2, 'b');
    pipe.pipe('SADD', 'set', 'c');
    pipe.pipe('HSET', 'hash', 'b', '3');
    pipe.pipe('ZADD', 'zset', '1.25', 'a');
    pipe.pipe('XGROUP', 'SETID', 'stream', 'g', '1-1');
    await pipe.done();
  });
}

/** Compared as models: before 7.0 an expiry can only be told to some milliseconds. */
async function assertState(server: RunningServer, before: Model, message?: string): Promise<void> {
  assert.deepEqual(diffModels(before, await readLive(server.url)), [], message);
}

function keyOf(model: Model, db: number, key: string | Buffer) {
  return model.keys.get(`${db}:${Buffer.from(key).toString('latin1')}`);
}

/** A backup of every type on a server that then differs in every key of database 0. */
async function withConflicts(
  t: Parameters<typeof notRun>[0],
  name: (typeof SERVER_NAMES)[number],
  work: (scene: Scene, server: RunningServer, saved: Model) => Promise<void>,
): Promise<void> {
  const binary = findServer(name);
  if (binary === undefined) return notRun(t, name, whyMissing(name));
  await using server = await startServer(binary);
  await fillTypes(server);
  const scene = await backUpScene(server.url);
  const saved = await readLive(server.url);
  await disturb(server);
  await work(scene, server, saved);
}

/** The servers on which every policy is tried. */
const DIFFERENT: ReadonlySet<string> = new Set(['redis-6.0', 'redis-newest', 'valkey-9']);

for (const name of SERVER_NAMES) {
  describe(`a restore to ${name} that finds other keys`, () => {
    test('renames by default, to the name that was agreed, and leaves what was there', async (t) => {
      await withConflicts(t, name, async (scene, server, saved) => {
        const before = await readLive(server.url);
        const report = await restoreTo(scene, server.url);
        assert.deepEqual(nonZero(report.totals), { selected: 9, renamed: 8, unchanged: 1 });
        const after = await readLive(server.url);
        assert.match(report.task, /^[^_]+$/);
        const suffix = `_dbs_${report.task}_${Date.parse(report.startedAt)}`;
        for (const key of KEYS) {
          const renamed = keyOf(after, 0, Buffer.concat([Buffer.from(key), Buffer.from(suffix)]));
          assert.ok(renamed, `${String(key)}${suffix} is missing`);
          const { value } = keyOf(saved, 0, key) ?? {};
          assert.deepEqual(renamed.value, value);
          after.keys.delete(`0:${renamed.key}`);
        }
        assert.deepEqual(diffModels(before, after), []);
      });
    });

    test('overwrites, after which nothing differs', async (t) => {
      await withConflicts(t, name, async (scene, server, saved) => {
        const before = await readLive(server.url);
        const request = { conflict: 'overwrite' } as const;
        const foreseen = await restoreTo(scene, server.url, { ...request, dryRun: true });
        await assertState(server, before, 'the dry run wrote');
        const report = await restoreTo(scene, server.url, request);
        assert.deepEqual(nonZero(report.totals), { selected: 9, overwritten: 8, unchanged: 1 });
        assert.deepEqual(foreseen.totals, report.totals);
        assert.deepEqual(diffModels(saved, await readLive(server.url)), []);
        const again = await restoreTo(scene, server.url, request);
        assert.deepEqual(nonZero(again.totals), { selected: 9, unchanged: 9 });
      });
    });

    // The rest does not depend on what a server knows: one that is old, one of each family.
    if (!DIFFERENT.has(name)) return;

    test('skips, and says the same before', async (t) => {
      await withConflicts(t, name, async (scene, server) => {
        const before = await readLive(server.url);
        const request = { conflict: 'skip' } as const;
        const foreseen = await restoreTo(scene, server.url, { ...request, dryRun: true });
        const report = await restoreTo(scene, server.url, request);
        assert.deepEqual(nonZero(report.totals), { selected: 9, skipped: 8, unchanged: 1 });
        assert.deepEqual(foreseen.totals, report.totals);
        assert.deepEqual(foreseen.databases, report.databases);
        await assertState(server, before);
      });
    });

    test('fails before it writes anything', async (t) => {
      await withConflicts(t, name, async (scene, server) => {
        await onServer(server.url, (pipe) => pipe.call('DEL', 'list', 'hash'));
        const before = await readLive(server.url);
        await assert.rejects(restoreTo(scene, server.url, { conflict: 'fail' }), (error) =>
          isCoded(error, 'TARGET_CONFLICT'),
        );
        await assertState(server, before);
        // Where nothing differs it is like any other.
        await onServer(server.url, (pipe) => pipe.call('FLUSHALL'));
        const report = await restoreTo(scene, server.url, { conflict: 'fail' });
        assert.deepEqual(nonZero(report.totals), { selected: 9, restored: 9 });
      });
    });

    test('takes keys of another encoding for equal, and of another type for different', async (t) => {
      await withConflicts(t, name, async (scene, server, saved) => {
        await onServer(server.url, async (pipe) => {
          await pipe.call('FLUSHALL');
          for (const limit of ['hash', 'zset', 'set', 'list']) {
            const compact = isAtLeast(server.binary, 7) ? 'listpack' : 'ziplist';
            const [parameter, value] =
              limit === 'list'
                ? [`list-max-${compact}-size`, 1]
                : [`${limit}-max-${compact}-entries`, 1];
            await pipe.call('CONFIG', 'SET', parameter, value).catch(() => undefined);
          }
        });
        await fillTypes(server);
        const report = await restoreTo(scene, server.url);
        assert.deepEqual(nonZero(report.totals), { selected: 9, unchanged: 9 });
        await onServer(server.url, async (pipe) => {
          await pipe.call('DEL', 'list');
          await pipe.call('SET', 'list', 'a');
        });
        const other = await restoreTo(scene, server.url, { conflict: 'overwrite' });
        assert.deepEqual(nonZero(other.totals), { selected: 9, unchanged: 8, overwritten: 1 });
        assert.deepEqual(diffModels(saved, await readLive(server.url)), []);
      });
    });
  });
}

const ONE = SERVER_NAMES[1] ?? 'redis-7.0';

describe('a restore of a part', () => {
  test('chooses by database, key, pattern, exclusion and type', async (t) => {
    await withConflicts(t, ONE, async (scene, server) => {
      const names = async (request: Partial<RestoreRequest>): Promise<string[]> => {
        await onServer(server.url, (pipe) => pipe.call('FLUSHALL'));
        await restoreTo(scene, server.url, request);
        return [...(await readLive(server.url)).keys.keys()].sort();
      };
      const text = (value: string): Buffer => Buffer.from(value);
      assert.deepEqual(await names({ selection: { databases: [3] } }), ['3:string']);
      const keys = { selection: { keys: [text('string'), text('absent'), BINARY] } };
      assert.deepEqual(await names(keys), [
        `0:${BINARY.toString('latin1')}`,
        '0:string',
        '3:string',
      ]);
      assert.deepEqual(await names({ selection: { match: [text('?set')] } }), ['0:zset']);
      const exclude = { selection: { match: [text('*s*')], exclude: [text('*t')] } };
      assert.deepEqual(await names(exclude), ['0:hash', '0:stream', '0:string', '3:string']);
      const types = { selection: { types: ['stream', 'zset'] as const } };
      assert.deepEqual(await names(types), ['0:stream', '0:zset']);
    });
  });

  test('maps databases, and needs only those that it writes', async (t) => {
    const binary = findServer(ONE);
    if (binary === undefined) return notRun(t, ONE, whyMissing(ONE));
    await using server = await startServer(binary);
    await fillTypes(server);
    const scene = await backUpScene(server.url);
    await using small = await startServer(binary, { config: { databases: '2' } });
    await assert.rejects(restoreTo(scene, small.url), (error) =>
      isCoded(error, 'TARGET_UNSUITABLE'),
    );
    assert.equal(await onServer(small.url, (pipe) => pipe.call('DBSIZE')), 0);
    const chosen = await restoreTo(scene, small.url, { selection: { databases: [0] } });
    assert.deepEqual(nonZero(chosen.totals), { selected: 8, restored: 8 });
    const mapDb = new Map([[3, 1]]);
    const report = await restoreTo(scene, small.url, { mapDb });
    assert.deepEqual(nonZero(report.totals), { selected: 9, restored: 1, unchanged: 8 });
    const live = await readLive(small.url);
    assert.deepEqual(keyOf(live, 1, 'string')?.value, { kind: 'string', bytes: 'in three' });
  });

  test('foresees what it will do with everything', async (t) => {
    const binary = findServer(ONE);
    if (binary === undefined) return notRun(t, ONE, whyMissing(ONE));
    await using server = await startServer(binary);
    await fillServer(server.url, { bulkKeys: 500 });
    const scene = await backUpScene(server.url);
    await onServer(server.url, async (pipe) => {
      const keys = (await pipe.call('KEYS', 'bulk:*')) as Buffer[];
      for (const [i, key] of keys.entries()) {
        if (i % 3 === 0) pipe.pipe('DEL', key);
        else if (i % 3 === 1) pipe.pipe('PEXPIREAT', key, FAR - i);
      }
      pipe.pipe('DEL', 'big:long-list');
      pipe.pipe('HDEL', 'big:hash', 'c');
      pipe.pipe('FUNCTION', 'DELETE', 'edge_one');
      await pipe.done();
    });
    const before = await readLive(server.url);
    const foreseen = await restoreTo(scene, server.url, { dryRun: true });
    assert.equal(foreseen.dryRun, true);
    await assertState(server, before);
    const report = await restoreTo(scene, server.url);
    assert.deepEqual(foreseen.totals, report.totals);
    assert.deepEqual(foreseen.databases, report.databases);
    assert.deepEqual(foreseen.functions, report.functions);
    assert.ok(report.totals.restored > 150 && report.totals.renamed > 150);
  });
});
