import assert from 'node:assert/strict';
import { isCoded } from '../../src/base/index.ts';
import { memoryRepository } from '../restore/scene.ts';
import { diffModels } from '../support/diff-models.ts';
import { withoutClientTraces } from '../support/instant-truth.ts';
import { loadPsync, type PsyncTruth } from '../support/truth.ts';
import { fixtureRecording, sandboxFor } from './fixture-recording.ts';
import { storeRecording } from './recorded-log.ts';
import { type Rewound, rewindTo } from './rewind-to.ts';

/**
 * Relative expiries of masters before 7.0 are counted from the arrival of their command: later than
 * its execution by what the link took. Behind a diskless transfer the first commands waited at the
 * master for the recorder's next acknowledgement.
 */
const RELATIVE_TOLERANCE_MS = 100;
const WAITING_TOLERANCE_MS = 1000;

/**
 * Replays a recorded link in the nearest test server: it gives what a replica of the recorded
 * version held after the same bytes. Where scripts were recorded as they were sent, another major
 * version is refused, and marked inexact where that is allowed.
 */
export async function proveFixture(name: string): Promise<void> {
  const truth = loadPsync(name);
  const isScripted = truth.verbatimLua;
  if (isScripted) {
    const refused = (error: unknown): boolean => isCoded(error, 'REPLAY_INEXACT');
    await assert.rejects(rewindFixture(truth, false), refused);
  }
  const state = await rewindFixture(truth, isScripted);
  assert.equal(state.inexact.length > 0, isScripted, state.inexact.join('; '));
  const expected = withoutClientTraces(truth.afterStream);
  const differences = diffModels(expected, withoutClientTraces(state.model), {
    access: false,
    nullAgrees: true,
    idleConsumersMayMiss: true,
    expiryToleranceMs: expiryTolerance(truth),
  });
  assert.deepEqual(differences, []);
}

async function rewindFixture(truth: PsyncTruth, allowInexact: boolean): Promise<Rewound> {
  const repository = await memoryRepository();
  const { source } = await storeRecording(repository, fixtureRecording(truth));
  const { sandbox } = sandboxFor(truth);
  return await rewindTo({ repository, source }, 'latest', { sandbox, allowInexact });
}

function expiryTolerance({ relativeTtl, framing }: PsyncTruth): number {
  if (relativeTtl.length === 0) return 0;
  return framing === 'mark' ? WAITING_TOLERANCE_MS : RELATIVE_TOLERANCE_MS;
}
