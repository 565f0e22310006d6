import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { isCoded, systemClock } from '../../src/base/index.ts';
import { DirectoryStorage } from '../../src/storage/index.ts';
import { FaultyStorage } from '../fakes/faulty-storage.ts';
import {
  CaptureHere,
  type CapturePlace,
  capturePlace,
  CaptureProcess,
  openPlace,
} from '../support/capture.ts';
import { RawReplica } from '../support/raw-replica.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { notRun, startServer } from '../support/servers.ts';
import { offsetOf, proveSame, storedLineages, writeSome } from './proof.ts';

const KILLS = 3;

function place(t: TestContext): CapturePlace {
  const made = capturePlace();
  t.after(() => made.remove());
  return made;
}

describe('a capture in trouble', { concurrency: 2 }, () => {
  test(`killed ${KILLS} times under load has everything that it acknowledged`, async (t) => {
    const random = new SeededRandom(9);
    const here = place(t);
    await using server = await startServer('valkey-8');
    const pipe = await RespPipe.open(server.url);
    await using replica = await RawReplica.attach(server.port);
    let acknowledged = 0;
    for (let round = 0; round < KILLS; round++) {
      const args = ['--segment-size', '64KiB', '--ack', 'durable'];
      await using capture = await CaptureProcess.start(server.url, here, args);
      for (let i = 0; i < 5 + random.below(10); i++)
        await writeSome(pipe, 60, round * 20 + i, false);
      // Nothing expires here, so all there is was written by this client; WAIT counts the
      // independent replica and us.
      acknowledged = await offsetOf(pipe);
      assert.equal(await pipe.call('WAIT', '2', '5000'), 2);
      await writeSome(pipe, 60, 1000 + round, false);
      await capture.kill();
    }
    // Nothing of the source is left to ask: what was acknowledged must be on our disk.
    const end = await offsetOf(pipe);
    await replica.reached(end);
    await server.kill();
    const last = CaptureProcess.launch(server.url, here);
    await last.waitFor('its start', ({ durableOffset }) => (durableOffset ?? 0) > 0);
    await last.stop();
    const repository = await openPlace(here);
    const [lineage, ...more] = await storedLineages(repository);
    assert.equal(more.length, 0, last.story());
    assert.ok(lineage.lastOffset >= acknowledged, `${lineage.lastOffset} of ${acknowledged}`);
    await proveSame(repository, lineage, replica, lineage.lastOffset);
  });

  test('whose repository fails for a while keeps recording, says so, and stores it all', async (t) => {
    const here = place(t);
    await using server = await startServer('redis-7.0');
    const pipe = await RespPipe.open(server.url);
    await using replica = await RawReplica.attach(server.port);
    let isDown = false;
    const storage = new FaultyStorage(new DirectoryStorage(here.repositoryFolder), () =>
      isDown ? { kind: 'fail', code: 'STORAGE_FAILED' } : undefined,
    );
    const repository = await openPlace(here, { storage });
    await using capture = await CaptureHere.start(server.url, here, {
      repository,
      segmentBytes: 32 << 10,
    });
    await capture.waitFull();
    isDown = true;
    await writeSome(pipe, 2000);
    const end = await offsetOf(pipe);
    await capture.waitDurable(end);
    const failing = await capture.waitFor(
      'its failure',
      ({ storeFailure }) => storeFailure !== null,
    );
    assert.ok((failing.storedOffset ?? 0) < end);
    assert.ok(capture.notices.some((text) => /keeping it here/.test(text)));
    isDown = false;
    await capture.waitFor('its recovery', ({ storeFailure, updatedAtMs }) => {
      return storeFailure === null && updatedAtMs > failing.updatedAtMs;
    });
    await capture.stop();
    const [lineage] = await storedLineages(repository);
    await proveSame(repository, lineage, replica, end);
    // At most an empty file is left that says where to go on.
    const left = readdirSync(join(here.spoolFolder, repository.id, lineage.source, '00000'));
    assert.deepEqual(
      left.filter((name) => !name.endsWith('.open')),
      [],
    );
  });

  test('at the bound of its spool leaves the source alone, and goes on with room', async (t) => {
    const here = place(t);
    await using server = await startServer('redis-8.0', {
      config: { 'repl-backlog-size': '64mb' },
    });
    const pipe = await RespPipe.open(server.url);
    await using replica = await RawReplica.attach(server.port);
    let isDown = false;
    const storage = new FaultyStorage(new DirectoryStorage(here.repositoryFolder), () =>
      isDown ? { kind: 'fail', code: 'STORAGE_FAILED' } : undefined,
    );
    const repository = await openPlace(here, { storage });
    await using capture = await CaptureHere.start(server.url, here, {
      repository,
      segmentBytes: 32 << 10,
      spoolLimitBytes: 400_000,
    });
    await capture.waitFull();
    isDown = true;
    await writeSome(pipe, 8000);
    const full = await capture.waitFor('a full spool', ({ phase }) => phase === 'full');
    assert.ok(full.spoolBytes < 800_000);
    assert.doesNotMatch(String(await pipe.call('INFO', 'replication')), /connected_slaves:2/);
    isDown = false;
    const end = await offsetOf(pipe);
    await capture.waitDurable(end);
    await capture.stop();
    const lineages = await storedLineages(repository);
    assert.equal(lineages.length, 1, capture.story());
    await proveSame(repository, lineages[0], replica, end);
  });

  test('on a full disk waits for room and loses nothing', async (t) => {
    const here = place(t);
    const disk = join(here.folder, 'disk');
    mkdirSync(disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]);
    if (mounted.status !== 0) return notRun(t, 'a small disk', 'mounting needs rights');
    try {
      const config = { 'repl-backlog-size': '64mb' };
      await using server = await startServer('redis-7.0', { config });
      const pipe = await RespPipe.open(server.url);
      await using replica = await RawReplica.attach(server.port);
      const repository = await openPlace(here);
      const small = { ...here, spoolFolder: disk };
      await using capture = await CaptureHere.start(server.url, small, { repository });
      await capture.waitFull();
      writeFileSync(join(disk, 'filling'), Buffer.alloc(1_700_000));
      await writeSome(pipe, 4000);
      await capture.waitFor('a full disk', ({ phase }) => phase === 'full');
      rmSync(join(disk, 'filling'));
      const end = await offsetOf(pipe);
      await capture.waitDurable(end);
      await capture.stop();
      const lineages = await storedLineages(repository);
      assert.equal(lineages.length, 1, capture.story());
      await proveSame(repository, lineages[0], replica, end);
    } finally {
      spawnSync('umount', [disk]);
    }
  });

  test('under a clock that steps back holds the time and says since when it is uncertain', async (t) => {
    const here = place(t);
    await using server = await startServer('redis-7.0');
    const pipe = await RespPipe.open(server.url);
    let step = 0;
    const clock = { now: () => Date.now() - step, monotonic: () => systemClock.monotonic() };
    const repository = await openPlace(here, { clock });
    await using capture = await CaptureHere.start(server.url, here, { repository });
    await writeSome(pipe, 100);
    await capture.waitDurable(await offsetOf(pipe));
    const stepped = await offsetOf(pipe);
    step = 3_600_000;
    await writeSome(pipe, 100, 2);
    await capture.waitDurable(await offsetOf(pipe));
    await capture.stop();
    const [lineage] = await storedLineages(repository);
    const span = lineage.uncertain.find(({ endOffset }) => endOffset > stepped + 100);
    assert.ok(span !== undefined && span.sinceMs < Date.now() - 3_000_000);
    assert.ok((lineage.lastMs ?? 0) > Date.now() - 60_000, 'time went back');
    assert.equal(capture.latest()?.clockSteps, 1);
  });

  test('excludes a second one of the same source on this machine', async (t) => {
    const here = place(t);
    await using server = await startServer('redis-7.0');
    const repository = await openPlace(here);
    await using first = await CaptureHere.start(server.url, here, { repository });
    await assert.rejects(CaptureHere.start(server.url, here, { repository }), (error) =>
      isCoded(error, 'CAPTURE_HELD'),
    );
    await first.stop();
    await using again = await CaptureHere.start(server.url, here, { repository });
    assert.deepEqual(again.latest()?.gaps, []);
  });
});
