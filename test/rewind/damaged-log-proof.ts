import assert from 'node:assert/strict';
import { CodedError } from '../../src/base/index.ts';
import { findSource, openRepository } from '../../src/repository/index.ts';
import { feedSourceOf } from '../../src/rewind/index.ts';
import { MemoryStorage } from '../fakes/memory-storage.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { loadPsync } from '../support/truth.ts';
import { LOG_DAMAGES } from './damaged-logs.ts';
import { fixtureRecording } from './fixture-recording.ts';
import { storeRecording } from './recorded-log.ts';
import { planFor } from './rewind-to.ts';

const FIXTURE = 'redis-7.0.15.psync';
const SEGMENT_BYTES = 2500;

/** The stretch of stream that an instant stands for. */
type Stretch = { readonly from: number; readonly to: number; readonly bytes: Buffer };

/**
 * Damages a stored log `count` times, and each time asks for an instant in it. What comes is the
 * stretch of stream that came before the damage, or a coded error. Only where the end of the log is
 * gone, "latest" may be an earlier place.
 */
export async function proveDamagedLogs(
  seed: number,
  count: number,
): Promise<{ readonly cases: number; readonly ends: Record<string, number> }> {
  const recording = fixtureRecording(loadPsync(FIXTURE));
  const storage = new MemoryStorage();
  const repository = await openRepository(storage, { mode: 'write' });
  await storeRecording(repository, recording, SEGMENT_BYTES);
  const stream = Buffer.concat(recording.pieces.map(({ bytes }) => bytes));
  const firstMs = recording.pieces[0]?.atMs ?? 0;
  const lastMs = recording.pieces.at(-1)?.atMs ?? 0;
  const random = new SeededRandom(seed);
  const ends: Record<string, number> = {};
  let cases = 0;
  for (; cases < count; cases++) {
    const [kind, damage] = random.pick(Object.entries(LOG_DAMAGES));
    const copy = storage.copy();
    const what = damage(copy, random);
    const instant = random.chance(0.1) ? 'latest' : random.between(firstMs, lastMs);
    const where = `seed ${seed}, case ${cases} (${kind}): ${what}; at ${instant}`;
    const truth = await stretchAt(storage, instant);
    assert.ok(truth !== undefined && !('code' in truth), 'the log was whole');
    const found = await stretchAt(copy, instant, where);
    const end = 'code' in found ? found.code : 'true';
    ends[end] = (ends[end] ?? 0) + 1;
    if ('code' in found) continue;
    assert.equal(found.from, truth.from, where);
    if (instant !== 'latest') assert.equal(found.to, truth.to, where);
    assert.ok(found.to <= truth.to, where);
    const expected = stream.subarray(
      found.from - recording.startOffset,
      found.to - recording.startOffset,
    );
    assert.ok(found.bytes.equals(expected), `${where}: other bytes`);
  }
  return { cases, ends };
}

async function stretchAt(
  storage: MemoryStorage,
  instant: number | string,
  where = '',
): Promise<Stretch | CodedError> {
  try {
    const repository = await openRepository(storage, { mode: 'read' });
    const source = await findSource(repository, 'recorded');
    const { plan } = await planFor({ repository, source }, instant);
    const pieces: Buffer[] = [];
    for await (const { bytes } of feedSourceOf(plan).readStream(new AbortController().signal)) {
      pieces.push(bytes);
    }
    return { from: plan.fromOffset, to: plan.point.offset, bytes: Buffer.concat(pieces) };
  } catch (error) {
    if (error instanceof CodedError) return error;
    throw new Error(where, { cause: error });
  }
}
