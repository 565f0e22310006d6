import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { findSource } from '../../src/repository/index.ts';
import { offsetOf, proveSame, storedLineages } from '../capture/proof.ts';
import { onServer } from '../restore/scene.ts';
import { rewindsTo } from '../rewind/rewinds-to.ts';
import { capturePlace, CaptureProcess, openPlace } from '../support/capture.ts';
import { type InstantTruth, readTruth } from '../support/instant-truth.ts';
import { RawReplica } from '../support/raw-replica.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { startServer } from '../support/servers.ts';
import { Workload } from '../support/workload.ts';

/**
 * `tidemark capture` killed at any moment of its life, again and again, while a workload runs: no
 * byte is missing afterwards, and nothing that it called durable was lost on the way.
 * `SEED=7 KILLS=200 node --test test/soak/capture-kills.soak.ts`.
 */
const SEED = Number(process.env['SEED'] ?? 1);
const KILLS = Number(process.env['KILLS'] ?? 200);
const LONGEST_LIFE_MS = 2500;

test(`a capture that is killed ${KILLS} times under load loses nothing`, async (t) => {
  const random = new SeededRandom(SEED);
  const place = capturePlace();
  t.after(() => place.remove());
  const config = { 'repl-backlog-size': '256mb' };
  await using server = await startServer('redis-7.0', { config });
  await using replica = await RawReplica.attach(server.port);
  await using workload = await Workload.start(server.url, { seed: SEED });
  const args = ['--segment-size', '256KiB', '--segment-time', '1s'];
  {
    // The first one lives until there is a base.
    await using first = await CaptureProcess.start(server.url, place, args);
    await first.waitFull();
    await first.kill();
  }
  let isOver = false;
  let mayRun = Promise.resolve();
  const working = (async () => {
    while (!isOver) {
      await mayRun;
      await workload.run(100);
      await delay(5);
    }
  })();
  const truths: InstantTruth[] = [];
  let durable = 0;
  let recorded = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    await using capture = CaptureProcess.launch(server.url, place, args);
    await delay(random.below(LONGEST_LIFE_MS));
    if (kill % 20 === 19) {
      const { promise, resolve } = Promise.withResolvers<void>();
      mayRun = promise;
      await capture.waitRecording();
      const end = await quiet(server.url);
      await capture.waitDurable(end);
      truths.push(await readTruth(server.url));
      mayRun = Promise.resolve();
      resolve();
    }
    await capture.kill();
    if (capture.statuses.some(({ phase }) => phase === 'recording')) recorded++;
    for (const { durableOffset } of capture.statuses) {
      const isLost = durableOffset !== null && durableOffset < durable && durableOffset > 0;
      assert.ok(!isLost, `kill ${kill}: ${durableOffset} is durable, which ${durable} was before`);
    }
    const offsets = capture.statuses.map(({ durableOffset }) => durableOffset ?? 0);
    durable = Math.max(durable, ...offsets);
  }
  isOver = true;
  await working;
  await using last = await CaptureProcess.start(server.url, place, args);
  const end = await quiet(server.url);
  await last.waitDurable(end, 60_000);
  await last.stop();
  const repository = await openPlace(place);
  const lineages = await storedLineages(repository);
  assert.equal(lineages.length, 1, last.story());
  const bytes = await proveSame(repository, lineages[0], replica, end);
  const source = await findSource(repository, 'it');
  const ends = await rewindsTo({ repository, source }, truths, 'redis-7.0');
  assert.equal(ends.exact, truths.length);
  const { segments } = lineages[0];
  t.diagnostic(
    JSON.stringify({
      kills: KILLS,
      recorded,
      commands: workload.commands,
      bytes,
      segments: segments.length,
      ...ends,
    }),
  );
});

/** The offset of a server that nobody writes to any more. */
async function quiet(url: string): Promise<number> {
  let before = -1;
  for (;;) {
    const now = await onServer(url, offsetOf);
    if (now === before) return now;
    before = now;
    await delay(300);
  }
}
