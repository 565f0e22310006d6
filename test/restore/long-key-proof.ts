import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isCoded } from '../../src/base/index.ts';
import { digestServer, readLive } from '../support/live-reader.ts';
import type { Model } from '../support/model.ts';
import type { RespPipe } from '../support/resp-pipe.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import {
  findServer,
  notRun,
  type RunningServer,
  type ServerName,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { diffModels } from '../support/truth.ts';
import { backUpScene, nonZero, onServer, restoreTo, type Scene } from './scene.ts';

const MIB = 1 << 20;
const FAR = 4_102_444_800_000;

/** Every kind that takes several lines, by all the ways in which it can be long. */
export async function fillLong(
  pipe: RespPipe,
  elements: number,
  hasFields: boolean,
): Promise<void> {
  const random = new SeededRandom(5);
  const three = random.bytes(3 * MIB);
  pipe.pipe('SET', 'short', 'between the long ones');
  pipe.pipe('SET', 'string:exact', Buffer.alloc(MIB + 1, 'x'));
  pipe.pipe('SET', 'string:{tag}40', Buffer.concat([three, Buffer.alloc(37 * MIB, 'größer ')]));
  pipe.pipe('PEXPIREAT', 'string:{tag}40', FAR);
  const texts = Array.from({ length: elements }, (_, i) => `${i}:${'y'.repeat(i % 40)}`);
  for (let i = 0; i < elements; i += 1000) {
    const part = texts.slice(i, i + 1000);
    pipe.pipe('RPUSH', 'list', ...part);
    pipe.pipe('SADD', 'set', ...part);
    pipe.pipe('ZADD', 'zset', ...part.flatMap((text, n) => [(i + n) / 7, text]));
    pipe.pipe('HSET', 'hash', ...part.flatMap((text) => [text, `v${text}`]));
    await pipe.room();
  }
  pipe.pipe('ZADD', 'zset', 'inf', 'highest', '-inf', 'lowest');
  pipe.pipe('LSET', 'list', elements / 2, three);
  pipe.pipe('SADD', 'set', three);
  pipe.pipe('ZADD', 'zset', '0.1', three);
  pipe.pipe('HSET', 'hash', three, three);
  pipe.pipe('PEXPIREAT', 'hash', FAR + 1);
  for (let i = 1; i <= elements / 2; i++) {
    pipe.pipe('XADD', 'stream', `${i}-7`, 'n', i, 'text', texts[i] ?? '');
    if (i % 5000 === 0) await pipe.room();
  }
  for (const group of ['g', 'idle']) pipe.pipe('XGROUP', 'CREATE', 'stream', group, '0');
  for (const consumer of ['a', 'b']) {
    const reading = ['GROUP', 'g', consumer, 'COUNT', elements / 20, 'STREAMS', 'stream', '>'];
    pipe.pipe('XREADGROUP', ...reading);
  }
  pipe.pipe('XDEL', 'stream', '5-7');
  pipe.pipe('PEXPIREAT', 'stream', FAR + 2);
  if (hasFields) {
    for (let i = 0; i < 30_000; i += 1000) {
      const fields = Array.from({ length: 1000 }, (_, n) => `field ${i + n}`);
      pipe.pipe('HSET', 'fields', ...fields.flatMap((field) => [field, 'w'.repeat(50)]));
      const dying = fields.filter((_, n) => n % 3 === 0);
      pipe.pipe('HPEXPIREAT', 'fields', FAR + i, 'FIELDS', dying.length, ...dying);
    }
  }
  await pipe.done();
}

/** Names of keys under construction. */
async function leftovers(url: string): Promise<string[]> {
  const keys = (await onServer(url, (pipe) => pipe.call('KEYS', '*_dbs_*'))) as Buffer[];
  return keys.map(String);
}

/** Tests that long keys of every kind go to a server and back, whole and under every policy. */
export function describeLongKeys(name: ServerName, elements = 200_000): void {
  describe(`keys of many lines, on ${name}`, () => {
    const binary = findServer(name);
    const hasFields = ['redis-8.0', 'redis-newest', 'valkey-9'].includes(name);
    const keys = hasFields ? 9 : 8;
    let server: RunningServer;
    let scene: Scene;
    let saved: Model;
    before(async () => {
      if (binary === undefined) return;
      server = await startServer(binary);
      await onServer(server.url, (pipe) => fillLong(pipe, elements, hasFields));
      scene = await backUpScene(server.url);
      saved = await readLive(server.url);
    });
    after(() => server?.stop());

    test('come back whole, once', async (t) => {
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      assert.equal(saved.keys.size, keys);
      await onServer(server.url, (pipe) => pipe.call('FLUSHALL'));
      const report = await restoreTo(scene, server.url);
      assert.deepEqual(
        report.problems.filter(({ code }) => code !== 'inexact'),
        [],
      );
      assert.equal(report.totals.restored, keys);
      const options = { nullAgrees: true, times: 'near' } as const;
      assert.deepEqual(diffModels(saved, await readLive(server.url), options), []);
      assert.deepEqual(await leftovers(server.url), []);
      const again = await restoreTo(scene, server.url);
      assert.deepEqual(await leftovers(server.url), []);
      assert.equal(again.totals.unchanged, keys, JSON.stringify(again.totals));
      assert.equal(await onServer(server.url, (pipe) => pipe.call('DBSIZE')), keys);
    });

    test('follow every policy', async (t) => {
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      const present = ['string:exact', 'list', 'set', 'zset', 'hash', 'stream'];
      await onServer(server.url, async (pipe) => {
        await pipe.call('FLUSHALL');
        for (const key of present) await pipe.call('SET', key, 'other');
      });
      const selection = { keys: present.map((key) => Buffer.from(key)) };
      const total = present.length;
      const digest = await digestServer(server.url);
      await assert.rejects(restoreTo(scene, server.url, { selection, conflict: 'fail' }), (error) =>
        isCoded(error, 'TARGET_CONFLICT'),
      );
      const skipped = await restoreTo(scene, server.url, { selection, conflict: 'skip' });
      assert.deepEqual(nonZero(skipped.totals), { selected: total, skipped: total });
      assert.equal(await digestServer(server.url), digest);
      const foreseen = await restoreTo(scene, server.url, { selection, dryRun: true });
      const renamed = await restoreTo(scene, server.url, { selection });
      assert.equal(renamed.totals.renamed, total);
      assert.equal(foreseen.totals.renamed, total);
      const suffix = `_dbs_${renamed.task}_${Date.parse(renamed.startedAt)}`;
      const found = await leftovers(server.url);
      assert.deepEqual(found.sort(), present.map((key) => `${key}${suffix}`).sort());
      await onServer(server.url, (pipe) => pipe.call('DEL', ...found));
      const request = { selection, conflict: 'overwrite' } as const;
      const written = await restoreTo(scene, server.url, request);
      assert.equal(written.totals.overwritten, total);
      const kept = [...saved.keys].filter(([, { key }]) => present.includes(key));
      const expected = { ...saved, keys: new Map(kept) };
      const options = { nullAgrees: true, times: 'near' } as const;
      assert.deepEqual(diffModels(expected, await readLive(server.url), options), []);
    });
  });
}
