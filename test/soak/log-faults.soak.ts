import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, test, type TestContext } from 'node:test';
import { type Clock, systemClock } from '../../src/base/index.ts';
import { findSource } from '../../src/repository/index.ts';
import { proveSame, storedLineages } from '../capture/proof.ts';
import { received } from '../rewind/captured-workload.ts';
import { FaultRun } from '../rewind/fault-run.ts';
import { rewindsTo } from '../rewind/rewinds-to.ts';
import { CaptureHere, type CapturePlace, capturePlace, openPlace } from '../support/capture.ts';
import { readTruth } from '../support/instant-truth.ts';
import { RawReplica } from '../support/raw-replica.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import {
  findServer,
  notRun,
  type ServerName,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { Workload } from '../support/workload.ts';

/**
 * What may happen to a link, a master, a disk and a clock while a log is recorded: afterwards each
 * instant is exact, or lies in a gap that is shown and refused. `SEED=7 CUTS=500 FAULTS=40 node
 * --test test/soak/log-faults.soak.ts`.
 */
const SEED = Number(process.env['SEED'] ?? 1);
const CUTS = Number(process.env['CUTS'] ?? 500);
const FAULTS = Number(process.env['FAULTS'] ?? 40);
const FULL_DISK_MS = Number(process.env['FULL_DISK_MS'] ?? 30_000);

function place(t: TestContext): CapturePlace {
  const made = capturePlace();
  t.after(() => made.remove());
  return made;
}

describe('a log whose link is cut', () => {
  for (const name of ['redis-7.0', 'valkey-9', 'redis-6.0'] satisfies ServerName[]) {
    test(`of ${name} at random bytes, ${CUTS} times, is unbroken and exact`, async (t) => {
      if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
      const random = new SeededRandom(SEED);
      const here = place(t);
      const repository = await openPlace(here);
      await using server = await startServer(name, { config: { 'repl-backlog-size': '8mb' } });
      await using proxy = await TcpProxy.start(server.port);
      await using replica = await RawReplica.attach(server.port);
      await using workload = await Workload.start(server.url, { seed: SEED });
      await using capture = await CaptureHere.start(proxy.url, here, {
        repository,
        retryMs: 5,
        segmentMs: 1000,
      });
      await capture.waitFull();
      proxy.cutAfter = () => 200 + random.below(9_000);
      proxy.cut();
      const truths = [];
      while (proxy.cuts < CUTS) {
        await workload.run(random.between(20, 200));
        if (!random.chance(0.05)) continue;
        await received(capture, server.url);
        truths.push(await readTruth(server.url));
      }
      proxy.cutAfter = () => Number.POSITIVE_INFINITY;
      await workload.run(50);
      const end = await received(capture, server.url);
      await capture.stop();
      const lineages = await storedLineages(repository);
      assert.equal(lineages.length, 1, capture.story());
      const bytes = await proveSame(repository, lineages[0], replica, end);
      const source = await findSource(repository, 'it');
      const ends = await rewindsTo({ repository, source }, truths, name);
      assert.equal(ends.exact, truths.length);
      t.diagnostic(
        JSON.stringify({ cuts: proxy.cuts, commands: workload.commands, bytes, ...ends }),
      );
    });
  }
});

describe('a log whose source breaks', () => {
  for (const name of ['redis-7.0', 'redis-8.0', 'valkey-9'] satisfies ServerName[]) {
    test(`${name}, ${FAULTS} faults of all kinds: exact, or a gap that is refused`, async (t) => {
      if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
      const here = place(t);
      await using run = await FaultRun.start(name, here, SEED);
      for (let i = 0; i < FAULTS; i++) await run.fault();
      const ends = await run.prove();
      t.diagnostic(JSON.stringify({ ...run.counts, ...ends }));
    });
  }
});

test(`a disk that is full for ${FULL_DISK_MS / 1000} s costs nothing of the log`, async (t) => {
  const here = place(t);
  const disk = join(here.folder, 'disk');
  mkdirSync(disk);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]);
  if (mounted.status !== 0) return notRun(t, 'a small disk', 'mounting needs rights');
  try {
    const config = { 'repl-backlog-size': '256mb' };
    await using server = await startServer('redis-7.0', { config });
    await using replica = await RawReplica.attach(server.port);
    await using workload = await Workload.start(server.url, { seed: SEED });
    const repository = await openPlace(here);
    const small = { ...here, spoolFolder: disk };
    await using capture = await CaptureHere.start(server.url, small, { repository });
    await capture.waitFull();
    writeFileSync(join(disk, 'filling'), Buffer.alloc(1_800_000));
    const until = Date.now() + FULL_DISK_MS;
    while (Date.now() < until) {
      await workload.run(400);
      await delay(50);
    }
    assert.ok(
      capture.statuses.some(({ phase }) => phase === 'full'),
      capture.story(),
    );
    rmSync(join(disk, 'filling'));
    await received(capture, server.url);
    const truth = await readTruth(server.url);
    await workload.run(50);
    const end = await received(capture, server.url);
    await capture.waitDurable(end, 60_000);
    await capture.stop();
    const lineages = await storedLineages(repository);
    assert.equal(lineages.length, 1, capture.story());
    const bytes = await proveSame(repository, lineages[0], replica, end);
    const source = await findSource(repository, 'it');
    const ends = await rewindsTo({ repository, source }, [truth], 'redis-7.0');
    t.diagnostic(JSON.stringify({ commands: workload.commands, bytes, ...ends }));
  } finally {
    spawnSync('umount', [disk]);
  }
});

test('a clock that steps back and forth leaves every offset exact, and no time wrong', async (t) => {
  const here = place(t);
  let stepMs = 0;
  const clock: Clock = {
    now: () => systemClock.now() + stepMs,
    monotonic: () => systemClock.monotonic(),
  };
  const repository = await openPlace(here, { clock });
  await using server = await startServer('redis-7.0');
  await using workload = await Workload.start(server.url, { seed: SEED });
  await using capture = await CaptureHere.start(server.url, here, { repository, segmentMs: 1000 });
  await capture.waitFull();
  const truths = [];
  for (const [i, step] of [0, 0, -3_600_000, -3_600_000, -1800_000, 0, 60_000, 0].entries()) {
    stepMs = step;
    await workload.run(200 + i);
    const offset = await received(capture, server.url);
    const truth = await readTruth(server.url);
    truths.push({ truth, offset, atMs: truth.atMs + stepMs });
  }
  await workload.run(50);
  await received(capture, server.url);
  const [status] = (await capture.stop()).shards;
  assert.ok((status?.clockSteps ?? 0) > 0, 'no step was noticed');
  const source = await findSource(repository, 'it');
  const logged = { repository, source };
  const [lineage] = await storedLineages(repository);
  const ends = await rewindsTo(
    logged,
    truths.map(({ truth, offset }) => ({
      ...truth,
      instant: `offset:${lineage.record.lineage}:${offset}`,
    })),
    'redis-7.0',
  );
  assert.equal(ends.exact, truths.length);
  // A time that the clock showed twice means its first occurrence: also up to the very step.
  const before = truths.slice(0, 2).map(({ truth }) => truth);
  assert.equal((await rewindsTo(logged, before, 'redis-7.0')).exact, before.length);
  t.diagnostic(JSON.stringify({ steps: status?.clockSteps, ...ends }));
});
