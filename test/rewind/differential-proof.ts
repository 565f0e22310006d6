import assert from 'node:assert/strict';
import { listBackups } from '../../src/repository/index.ts';
import { type RunningServer, type ServerName, startServer } from '../support/servers.ts';
import {
  type CapturedWorkload,
  withCapturedWorkload,
  type WorkloadPlan,
} from './captured-workload.ts';
import { type Way, WAYS, type WayName, waysOf } from './rewind-ways.ts';

export type DifferentialPlan = WorkloadPlan & {
  /** The ways back to the instant of this number, from 0. */
  readonly ways: (instant: number) => readonly WayName[];
};

export type Compared = {
  readonly instants: number;
  readonly commands: number;
  /** Commands of the workload that the server refused, as random ones are. */
  readonly failed: number;
  readonly keys: number;
  /** Full backups that the capture made; each is the base of the instants behind it. */
  readonly fulls: number;
  /** Comparisons by way. */
  readonly ways: Readonly<Record<string, number>>;
};

/**
 * Captures a server under a random workload, then brings every instant at which the truth was read
 * back by several ways: each must equal its truth.
 */
export async function proveInstants(name: ServerName, plan: DifferentialPlan): Promise<Compared> {
  await using source = await startServer(name);
  await using target = await startServer(name);
  return await withCapturedWorkload(source, plan, (captured) => compare(captured, plan, target));
}

async function compare(
  captured: CapturedWorkload,
  plan: DifferentialPlan,
  target: RunningServer,
): Promise<Compared> {
  const { truths, commands, failed } = captured;
  const fulls = (await listBackups(captured.repository, captured.source.id)).length;
  const ways: Record<string, number> = {};
  let keys = 0;
  for (const [instant, truth] of truths.entries()) {
    for (const way of plan.ways(instant)) {
      const go: Way | undefined = waysOf(target)[way];
      if (go === undefined) continue;
      const differences = await go({ logged: captured, truth, target });
      const where = `${target.binary.name}, seed ${plan.seed}, instant ${instant}, ${way}`;
      assert.deepEqual(differences, [], where);
      ways[way] = (ways[way] ?? 0) + 1;
      keys += truth.model.keys.size;
    }
  }
  return { instants: truths.length, commands, failed, keys, fulls, ways };
}

/** Every instant by the sandbox, and by one more way, each in its turn. */
export function allWays(instant: number): readonly WayName[] {
  const others = WAYS.filter((way) => way !== 'bySandbox');
  const other = others[instant % others.length];
  return other === undefined ? ['bySandbox'] : ['bySandbox', other];
}
