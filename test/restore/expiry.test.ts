import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Clock, systemClock } from '../../src/base/index.ts';
import { readLive } from '../support/live-reader.ts';
import type { HashField, Model } from '../support/model.ts';
import {
  findServer,
  notRun,
  type RunningServer,
  SERVER_NAMES,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { diffModels } from '../support/truth.ts';
import { backUpScene, nonZero, onServer, restoreTo, type Scene, takenAt } from './scene.ts';

const FAR = 4_102_444_800_000;
const MINUTE = 60_000;

/** Since when the two that can expire fields can. */
const FIELD_SERVERS = new Set(['redis-8.0', 'redis-newest', 'valkey-9']);

/** `soon` expires a minute after FAR, `later` two; of the hash `mixed` a field each, one never. */
async function fill(server: RunningServer, hasFields: boolean): Promise<void> {
  await onServer(server.url, async (pipe) => {
    pipe.pipe('SET', 'forever', 'v');
    pipe.pipe('SET', 'soon', 'v');
    pipe.pipe('PEXPIREAT', 'soon', FAR + MINUTE);
    pipe.pipe('RPUSH', 'later', 'v');
    pipe.pipe('PEXPIREAT', 'later', FAR + 2 * MINUTE);
    if (hasFields) {
      pipe.pipe('HSET', 'mixed', 'soon', '1', 'later', '2', 'forever', '3');
      pipe.pipe('HPEXPIREAT', 'mixed', FAR + MINUTE, 'FIELDS', 1, 'soon');
      pipe.pipe('HPEXPIREAT', 'mixed', FAR + 2 * MINUTE, 'FIELDS', 1, 'later');
      pipe.pipe('HSET', 'all soon', 'a', '1', 'b', '2');
      pipe.pipe('HPEXPIREAT', 'all soon', FAR + MINUTE, 'FIELDS', 2, 'a', 'b');
    }
    await pipe.done();
  });
}

/** The same backup, restored at another time. */
function at(scene: Scene, nowMs: number): Scene {
  const clock: Clock = { ...systemClock, now: () => nowMs };
  return { ...scene, repository: { ...scene.repository, clock } };
}

function expiries(model: Model): Record<string, number | null> {
  return Object.fromEntries([...model.keys.values()].map(({ key, expireAt }) => [key, expireAt]));
}

function fieldsOf(model: Model, key: string): readonly HashField[] {
  const value = model.keys.get(`0:${key}`)?.value;
  return value?.kind === 'hash' ? value.fields : [];
}

for (const name of SERVER_NAMES) {
  const hasFields = FIELD_SERVERS.has(name);
  const hashes = hasFields ? 2 : 0;
  describe(`expiry in a restore to ${name}`, () => {
    const prepare = async (t: Parameters<typeof notRun>[0]) => {
      const binary = findServer(name);
      if (binary === undefined) {
        notRun(t, name, whyMissing(name));
        return undefined;
      }
      const server = await startServer(binary);
      t.after(() => server.stop());
      await fill(server, hasFields);
      const scene = await backUpScene(server.url);
      const saved = await readLive(server.url);
      await onServer(server.url, (pipe) => pipe.call('FLUSHALL'));
      return { server, scene, saved };
    };

    test('is as it was by default', async (t) => {
      const found = await prepare(t);
      if (found === undefined) return;
      const { server, scene, saved } = found;
      const report = await restoreTo(scene, server.url);
      assert.equal(report.totals.restored, 3 + hashes);
      assert.deepEqual(diffModels(saved, await readLive(server.url)), []);
      const again = await restoreTo(scene, server.url);
      assert.deepEqual(nonZero(again.totals), { selected: 3 + hashes, unchanged: 3 + hashes });
    });

    test('leaves out keys and fields whose time is over, and the keys in their place alone', async (t) => {
      const found = await prepare(t);
      if (found === undefined) return;
      const { server, scene } = found;
      await onServer(server.url, (pipe) => pipe.call('SET', 'soon', "the target's own"));
      const late = at(scene, FAR + MINUTE);
      const report = await restoreTo(late, server.url, { conflict: 'overwrite' });
      const expired = hasFields ? 2 : 1;
      assert.deepEqual(nonZero(report.totals), {
        selected: 3 + hashes,
        expired,
        restored: 3 + hashes - expired,
      });
      const live = await readLive(server.url);
      assert.equal(expiries(live)['soon'], null, "the target's key was left alone");
      if (!hasFields) return;
      assert.deepEqual(fieldsOf(live, 'mixed'), [
        ['forever', '3', null],
        ['later', '2', FAR + 2 * MINUTE],
      ]);
      assert.equal(live.keys.has('0:all soon'), false);
    });

    test('counts what remained at the backup from now on', async (t) => {
      const found = await prepare(t);
      if (found === undefined) return;
      const { server, scene } = found;
      const taken = takenAt(scene, FAR + MINUTE / 2);
      const request = { ttl: 'remaining' } as const;
      const before = Date.now();
      const report = await restoreTo(taken, server.url, request);
      const begun = Date.parse(report.startedAt);
      assert.ok(begun >= before && report.totals.restored === 3 + hashes);
      const live = await readLive(server.url);
      const tolerance = live.expiryToleranceMs ?? 0;
      const near = (actual: number | null | undefined, minutes: number): void => {
        assert.ok(Math.abs((actual ?? 0) - begun - minutes * MINUTE) <= tolerance, String(actual));
      };
      near(expiries(live)['soon'], 0.5);
      near(expiries(live)['later'], 1.5);
      assert.equal(expiries(live)['forever'], null);
      if (hasFields) near(fieldsOf(live, 'mixed')[1]?.[2], 1.5);
      if (hasFields) near(fieldsOf(live, 'mixed')[2]?.[2], 0.5);
      // A key that had no time left then has none now.
      await onServer(server.url, (pipe) => pipe.call('FLUSHALL'));
      const over = await restoreTo(takenAt(scene, FAR + MINUTE), server.url, request);
      assert.equal(over.totals.expired, hasFields ? 2 : 1);
    });

    test('can be taken off', async (t) => {
      const found = await prepare(t);
      if (found === undefined) return;
      const { server, scene, saved } = found;
      const late = at(scene, FAR + 5 * MINUTE);
      const report = await restoreTo(late, server.url, { ttl: 'persist' });
      assert.deepEqual(nonZero(report.totals), { selected: 3 + hashes, restored: 3 + hashes });
      const live = await readLive(server.url);
      assert.deepEqual(
        Object.values(expiries(live)).filter((value) => value !== null),
        [],
      );
      assert.deepEqual([...live.keys.keys()].sort(), [...saved.keys.keys()].sort());
      if (hasFields) {
        const fields = fieldsOf(live, 'mixed').map(([, , expireAt]) => expireAt);
        assert.deepEqual(fields, [null, null, null]);
      }
      const again = await restoreTo(late, server.url, { ttl: 'persist' });
      assert.deepEqual(nonZero(again.totals), { selected: 3 + hashes, unchanged: 3 + hashes });
    });
  });
}

describe('field expiry that a target does not have', () => {
  test('fails by key, unless it may be lost or is not wanted', async (t) => {
    for (const name of ['redis-newest', 'redis-7.0'] as const) {
      if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
    }
    await using source = await startServer('redis-newest');
    await fill(source, true);
    const scene = await backUpScene(source.url);
    await using target = await startServer('redis-7.0');
    const refused = await restoreTo(scene, target.url);
    assert.deepEqual(nonZero(refused.totals), { selected: 5, restored: 3, failed: 2 });
    assert.deepEqual(refused.problems.map(({ key }) => key).sort(), ['all soon', 'mixed']);
    for (const { code, message } of refused.problems) {
      assert.deepEqual([code, message], ['VALUE_UNREPRESENTABLE', 'field-expiry']);
    }
    const allowed = await restoreTo(scene, target.url, { allowInexact: true });
    assert.deepEqual(nonZero(allowed.totals), {
      selected: 5,
      unchanged: 3,
      restored: 2,
      inexact: 2,
    });
    const again = await restoreTo(scene, target.url, { allowInexact: true });
    assert.equal(again.totals.unchanged, 5);
    await onServer(target.url, (pipe) => pipe.call('FLUSHALL'));
    const persistent = await restoreTo(scene, target.url, { ttl: 'persist' });
    assert.deepEqual(nonZero(persistent.totals), { selected: 5, restored: 5 });
  });
});
