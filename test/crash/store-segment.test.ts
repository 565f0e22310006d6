import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CodedError } from '../../src/base/index.ts';
import { openRepository, type Repository, storeSegment } from '../../src/repository/index.ts';
import { verifyLog } from '../../src/verify/index.ts';
import { crashAt, FaultyStorage, type FaultPlan, randomFaults } from '../fakes/faulty-storage.ts';
import {
  command,
  NOON,
  piecesOf,
  readSample,
  REPLID,
  type SampleLog,
  sampleLog,
  SHARD,
} from '../fakes/sample-log.ts';

const COMMANDS = Array.from({ length: 40 }, (_, i) =>
  command('SET', `k${i}`, `${i}`.repeat(30_000)),
);

async function store(repository: Repository, { source, lineage }: SampleLog): Promise<void> {
  const pieces = COMMANDS.map((bytes, i) => ({ bytes, atMs: NOON + i * 100 }));
  await storeSegment(repository, source, {
    shard: SHARD,
    lineage: lineage.lineage,
    startOffset: 0,
    database: 0,
    replids: [{ offset: 0, replid: REPLID }],
    predecessor: null,
    pieces: piecesOf(pieces),
  });
}

/** Tries once with faults; then the log must be whole or empty, and storing must go on. */
async function attempt(plan: FaultPlan): Promise<number> {
  const log = await sampleLog();
  const faulty = new FaultyStorage(log.storage, plan);
  try {
    await store({ ...log.repository, storage: faulty }, log);
  } catch (error) {
    assert.ok(error instanceof CodedError, String(error));
  }
  const reader = await openRepository(log.storage, { mode: 'read' });
  assert.deepEqual((await verifyLog(reader, log.source)).findings, []);
  assert.ok((await readSample(log)).segments.length <= 1);
  await store(log.repository, log);
  const [segment, ...more] = (await readSample(log)).segments;
  assert.equal(more.length, 0);
  assert.equal(segment.endOffset, Buffer.concat(COMMANDS).length);
  assert.deepEqual((await verifyLog(reader, log.source)).findings, []);
  return faulty.calls.length;
}

describe('storeSegment', () => {
  test('leaves a whole segment or none, wherever it dies, and goes on afterwards', async () => {
    const calls = await attempt(() => undefined);
    assert.ok(calls > 5);
    for (let index = 0; index < calls; index++) {
      await attempt(crashAt(index, 'fail'));
      await attempt(crashAt(index, 'fail-after'));
    }
  });

  test('believes nothing that reads back otherwise', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      await attempt(randomFaults(seed, 0.3, ['flip', 'truncate', 'fail', 'delay', 'fail-after']));
    }
  });
});
