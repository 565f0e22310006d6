import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onServer } from '../restore/scene.ts';
import { diffFromTruth, readTruth } from '../support/instant-truth.ts';
import { readLive } from '../support/live-reader.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';
import { Workload } from '../support/workload.ts';
import { caughtUp, replicate } from './replication.ts';

/** The judge of every rewind, judged: a replica of the same server is what a restore should be. */
test('a truth equals what a replica holds, and no longer after one write', async (t) => {
  const name = 'redis-7.0';
  if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
  await using master = await startServer(name);
  await using replica = await startServer(name);
  await replicate(replica, master);
  await using workload = await Workload.start(master.url, { seed: 11 });
  for (let instant = 0; instant < 2; instant++) {
    await workload.run(700);
    await caughtUp(replica, master);
    const truth = await readTruth(master.url);
    const copy = await readLive(replica.url);
    const options = { entriesRead: false, actualReadMs: Date.now() };
    assert.deepEqual(diffFromTruth(truth, copy, options), []);
  }

  await onServer(master.url, async (pipe) => {
    await pipe.call('ZADD', 'zset', 1, 'm');
    await pipe.call('HSET', 'hash', 'f', 'v');
    await pipe.call('XADD', 'stream', '1-1', 'f', 'v');
    await pipe.call('XGROUP', 'CREATE', 'stream', 'g', '0');
  });
  const before = await readTruth(master.url);
  const damages: (readonly [string, ...(string | number)[]])[] = [
    ['SET', 'one more', 'key'],
    ['PEXPIREAT', 'zset', Date.now() + 999_999],
    ['HSET', 'hash', 'f', 'another value'],
    ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'stream', '>'],
    ['XADD', 'stream', '*', 'f', 'v'],
  ];
  for (const damage of damages) {
    await onServer(master.url, (pipe) => pipe.call(...damage));
    await caughtUp(replica, master);
    const copy = await readLive(replica.url);
    const options = { entriesRead: false, actualReadMs: Date.now() };
    const found = diffFromTruth(before, copy, options);
    const key = JSON.stringify(damage[0] === 'XREADGROUP' ? 'stream' : damage[1]);
    assert.ok(
      found.some((line) => line.includes(key)),
      `${damage.join(' ')}: ${found.join('; ')}`,
    );
  }
});
