import assert from 'node:assert/strict';
import { isCoded } from '../../src/base/index.ts';
import {
  diffFromTruth,
  type InstantTruth,
  withoutIdleConsumers,
} from '../support/instant-truth.ts';
import type { ServerName } from '../support/servers.ts';
import { type Logged, planFor, rewindTo } from './rewind-to.ts';

/** A link that is down for a while brings commands late, with expiries that count from then. */
const LATE_MS = 30_000;

export type RewindEnds = {
  /** Equal to their truth. */
  readonly exact: number;
  /** Of these, with `--earliest`: the time of what came next is not known exactly. */
  readonly uncertain: number;
  /** Of these, in a tail that the next master did not know. */
  readonly orphan: number;
  /** INSTANT_UNREACHABLE. */
  readonly refused: number;
  readonly keys: number;
};

/** A truth, asked for by its time or by a place in the log. */
export type Asked = InstantTruth & { readonly instant?: string };

/**
 * Brings every truth back by a sandbox: each is exact, or refused. What comes after a truth may
 * have been recorded late; the state before that is what `--earliest` stands for.
 */
export async function rewindsTo(
  logged: Logged,
  truths: readonly Asked[],
  sandbox: ServerName,
): Promise<RewindEnds> {
  const ends = { exact: 0, uncertain: 0, orphan: 0, refused: 0, keys: 0 };
  for (const [index, truth] of truths.entries()) {
    const instant = truth.instant ?? truth.atMs;
    try {
      await planFor(logged, instant);
    } catch (error) {
      if (isCoded(error, 'INSTANT_UNREACHABLE')) {
        ends.refused++;
        continue;
      }
      if (!isCoded(error, 'INSTANT_UNCERTAIN')) throw error;
      ends.uncertain++;
    }
    const { model, plan } = await rewindTo(logged, instant, { sandbox, side: 'earliest' });
    // A master that was a replica does not know the idle consumers of the one before.
    const expected = { ...truth, model: withoutIdleConsumers(truth.model) };
    const found = withoutIdleConsumers(model);
    const differences = diffFromTruth(expected, found, { entriesRead: false, delayMs: LATE_MS });
    assert.deepEqual(differences, [], `truth ${index} of ${truths.length}, at ${instant}`);
    ends.exact++;
    ends.keys += truth.model.keys.size;
    if (plan.point.isOrphan) ends.orphan++;
  }
  return ends;
}
