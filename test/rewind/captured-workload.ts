import { findSource } from '../../src/repository/index.ts';
import { onServer } from '../restore/scene.ts';
import { CaptureHere, capturePlace } from '../support/capture.ts';
import { type InstantTruth, readTruth } from '../support/instant-truth.ts';
import type { RunningServer } from '../support/servers.ts';
import { Workload } from '../support/workload.ts';
import { readReplication, until } from './replication.ts';
import type { Logged } from './rewind-to.ts';

export type CapturedWorkload = Logged & {
  readonly truths: readonly InstantTruth[];
  readonly commands: number;
  readonly failed: number;
};

export type WorkloadPlan = {
  readonly seed: number;
  readonly instants: number;
  /** Between two instants. */
  readonly commands: number;
  /** Time from one full backup to the next, each a base in the middle of the log; default none. */
  readonly fullEveryMs?: number;
  /** Commands of these names are not sent. */
  readonly leavesOut?: ReadonlySet<string>;
};

const SEGMENT_MS = 1000;

/**
 * Runs a workload while it is captured, and pauses at each instant to read the truth; `work` gets
 * what was captured, in a repository that is gone afterwards.
 */
export async function withCapturedWorkload<T>(
  server: RunningServer,
  { seed, instants, commands, fullEveryMs, leavesOut }: WorkloadPlan,
  work: (captured: CapturedWorkload) => Promise<T>,
): Promise<T> {
  const place = capturePlace();
  try {
    await using workload = await Workload.start(server.url, {
      seed,
      ...(leavesOut && { leavesOut }),
    });
    await workload.run(commands);
    await using capture = await CaptureHere.start(server.url, place, {
      segmentMs: SEGMENT_MS,
      fullEveryMs: fullEveryMs ?? null,
    });
    await capture.waitFull();
    const truths: InstantTruth[] = [];
    for (let i = 0; i < instants; i++) {
      await workload.run(commands);
      await received(capture, server.url);
      truths.push(await readTruth(server.url));
    }
    // An instant is known when something has come after it.
    await onServer(server.url, (pipe) => pipe.call('SET', 'the end', 1));
    await received(capture, server.url);
    const report = await capture.stop();
    for (const { gaps } of report.shards) {
      if (gaps.length > 0) throw new Error(`The log broke: ${capture.story()}`);
    }
    const { repository } = capture;
    const source = await findSource(repository, 'it');
    const { commands: sent, failed } = workload;
    return await work({ repository, source, truths, commands: sent, failed });
  } finally {
    place.remove();
  }
}

/** Resolves, when the capture has everything that the server wrote, to how much that is. */
export async function received(capture: CaptureHere, url: string): Promise<number> {
  const { replid, offset } = await readReplication(url);
  await until(`offset ${offset} of ${replid}: ${capture.story()}`, () => {
    const status = capture.latest();
    if (status?.phase === 'failed') throw new Error(capture.story());
    return status?.replid === replid && (status.receivedOffset ?? 0) >= offset;
  });
  return offset;
}
