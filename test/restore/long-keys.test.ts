import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded } from '../../src/base/index.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';
import { describeLongKeys } from './long-key-proof.ts';
import { backUpScene, onServer, restoreTo } from './scene.ts';

const MIB = 1 << 20;

// One without field expiry, one with it and fewer elements: the soak test does all of both.
describeLongKeys('redis-7.0');
describeLongKeys('valkey-9', 60_000);

describe('a key of many lines', () => {
  const name = 'redis-7.0';
  const binary = findServer(name);

  test('is not visible before it is whole', async (t) => {
    if (binary === undefined) return notRun(t, name, whyMissing(name));
    await using server = await startServer(binary);
    await onServer(server.url, (pipe) => pipe.call('SET', 'long', Buffer.alloc(6 * MIB, 'abc')));
    const scene = await backUpScene(server.url);
    await onServer(server.url, (pipe) => pipe.call('FLUSHALL'));
    let isDone = false;
    const restoring = restoreTo(scene, server.url, { rateBytesPerSecond: 4 * MIB }).finally(() => {
      isDone = true;
    });
    await onServer(server.url, async (pipe) => {
      let partial = 0;
      while (!isDone) {
        const size = Number(await pipe.call('STRLEN', 'long'));
        assert.ok(size === 0 || size === 6 * MIB, `${size} bytes were visible`);
        const building = (await pipe.call('KEYS', '*_building')) as Buffer[];
        if (building[0] === undefined) continue;
        partial++;
        const left = Number(await pipe.call('PTTL', building[0]));
        assert.ok(left === -2 || left > 0, 'a leftover would stay for ever');
      }
      assert.ok(partial > 0, 'it was never seen under construction');
      const report = await restoring;
      assert.ok(report.durationMs > 900, `${report.durationMs} ms: the rate was not kept`);
      assert.equal(await pipe.call('STRLEN', 'long'), 6 * MIB);
      assert.equal(await pipe.call('PTTL', 'long'), -1);
    });
  });

  test('that the server refuses leaves nothing behind', async (t) => {
    if (binary === undefined) return notRun(t, name, whyMissing(name));
    await using server = await startServer(binary);
    await onServer(server.url, (pipe) => pipe.call('SET', 'long', Buffer.alloc(40 * MIB, 'abc')));
    const scene = await backUpScene(server.url);
    await onServer(server.url, async (pipe) => {
      await pipe.call('FLUSHALL');
      await pipe.call('CONFIG', 'SET', 'maxmemory', '20mb');
    });
    await assert.rejects(restoreTo(scene, server.url), (error) => {
      return isCoded(error, 'TARGET_REFUSED') && error.message.includes('OOM');
    });
    assert.equal(await onServer(server.url, (pipe) => pipe.call('DBSIZE')), 0);
  });
});
