import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { findSource } from '../../src/repository/index.ts';
import { CaptureHere, capturePlace } from '../support/capture.ts';
import { diffModels } from '../support/diff-models.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { type ServerName, startServer } from '../support/servers.ts';
import { WriteLoad } from '../support/write-load.ts';
import { received } from './captured-workload.ts';
import { rewindTo } from './rewind-to.ts';

export type LoadPlan = {
  readonly seed: number;
  readonly instants: number;
  readonly lastsMs: number;
  readonly operationsPerSecond: number;
};

/** Between the answer to a command and its arrival at the recorder, on a busy machine. */
const DELAY_MS = 500;

/**
 * Rewinds to instants in the middle of a load that never paused: the state is the one after a
 * single operation of the load, which was sent by then, and none is missing that had been answered
 * (a moment before: a byte's time is its arrival).
 */
export async function proveRunningLoad(
  name: ServerName,
  { seed, instants, lastsMs, operationsPerSecond }: LoadPlan,
): Promise<{ readonly operations: number; readonly instants: number; readonly keys: number }> {
  const random = new SeededRandom(seed);
  const place = capturePlace();
  await using server = await startServer(name);
  await using capture = await CaptureHere.start(server.url, place, { segmentMs: 1000 });
  const load = await WriteLoad.start(server.url, { seed, operationsPerSecond });
  let keys = 0;
  try {
    await capture.waitFull();
    await load.reached(100);
    const fromMs = Date.now();
    await delay(lastsMs);
    const toMs = Date.now();
    await load.reached(load.operations + 200);
    const operations = await load.stop();
    await received(capture, server.url);
    await capture.stop();
    const { repository } = capture;
    const source = await findSource(repository, 'it');
    for (let i = 0; i < instants; i++) {
      const atMs = random.between(fromMs, toMs);
      const { model } = await rewindTo({ repository, source }, atMs, { sandbox: name });
      const operation = load.identify(model);
      const { low } = load.operationsAt(atMs - DELAY_MS);
      const { high } = load.operationsAt(atMs);
      assert.ok(operation >= low && operation <= high, `${operation} of ${low} to ${high}`);
      const expected = load.expectedAt(operation);
      const own = load.ownKeys(model);
      const options = { nullAgrees: true, times: 'ignore', functions: false } as const;
      assert.deepEqual(diffModels(expected, own, options), [], `after ${operation}, at ${atMs}`);
      keys += own.keys.size;
    }
    return { operations, instants, keys };
  } finally {
    await load.stop().catch(() => {});
    await capture[Symbol.asyncDispose]();
    place.remove();
  }
}
