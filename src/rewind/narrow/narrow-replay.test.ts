import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  NOON,
  readSample,
  sampleLog,
  SHARD,
  storeBase,
  storeSample,
} from '../../../test/fakes/sample-log.ts';
import { streamBytes } from '../../../test/support/stream-bytes.ts';
import { findSource, type Manifest } from '../../repository/index.ts';
import { planRewind } from '../plan-rewind.ts';
import type { RewindPlan } from '../rewind-point.ts';
import { narrowReplay } from './narrow-replay.ts';

/** A base with the key `base`, and behind it these commands, each a millisecond later. */
async function planOf(...lines: readonly string[]): Promise<RewindPlan> {
  const log = await sampleLog(1000);
  const base = await storeBase(log, 1000);
  const pieces = lines.map((line, index) => ({
    bytes: streamBytes(line),
    atMs: NOON + 1000 * index,
  }));
  const { endOffset } = await storeSample(log, { pieces });
  const { repository } = log;
  const lineage = await readSample(log);
  const source = await findSource(repository, 'orders');
  const logs = [{ shard: SHARD, lineages: [lineage], findings: [] }];
  const history = { repository, source, manifests: [base], logs };
  return await planRewind(history, {
    shard: SHARD,
    lineage: log.lineage.lineage,
    offset: endOffset,
    atMs: NOON,
    lastCommandMs: NOON,
    uncertain: null,
    isOrphan: false,
  });
}

/** A base too large to be replayed without a word. */
function enlarged(plan: RewindPlan): RewindPlan {
  const totals: Manifest['totals'] = { ...plan.base.totals, rawBytes: 1 << 30 };
  return { ...plan, base: { ...plan.base, totals } };
}

const key = (...keys: string[]) => ({ keys: keys.map((text) => Buffer.from(text)) });

describe('narrowReplay', () => {
  test('gives the commands that are needed with their times, and how much that is', async () => {
    const lines = ['SET a 1', 'SET b 1', 'SELECT 2', 'SET b 2', 'COPY b a DB 0', 'MULTI', 'EXEC'];
    const plan = await planOf(...lines);
    const { replay, because } = await narrowReplay({ plan, selection: key('a') });
    assert.ok(replay !== null && because === null);
    for (let reading = 0; reading < 2; reading++) {
      const read: [string, number][] = [];
      for await (const { bytes, atMs } of replay.readStream(new AbortController().signal)) {
        read.push([bytes.toString(), (atMs - NOON) / 1000]);
      }
      assert.deepEqual(read, [
        [streamBytes('SET a 1').toString(), 0],
        [streamBytes('SELECT 2', 'SET b 2').toString(), 3],
        [streamBytes('COPY b a DB 0').toString(), 4],
      ]);
      const size = read.reduce((sum, [text]) => sum + text.length, 0);
      assert.equal(replay.streamBytes, size);
    }
    assert.deepEqual(replay.baseSelection.keys?.map(String).sort(), ['a', 'b']);
    assert.equal(replay.baseBytes, 0);
  });

  test('expects the blocks of the base that may hold a needed key', async () => {
    const plan = await planOf('SET a 1');
    const { replay } = await narrowReplay({ plan, selection: key('base') });
    assert.equal(replay?.baseBytes, plan.base.totals.rawBytes);
  });

  test('leaves a replay of everything as it is, and says why where that is long', async () => {
    const script = await planOf('SET a 1', 'EVAL x 0');
    assert.deepEqual(await narrowReplay({ plan: script, selection: key('a') }), {
      replay: null,
      because: null,
    });
    const { because } = await narrowReplay({ plan: enlarged(script), selection: key('a') });
    assert.equal(because, 'the log has EVAL, which may touch any key');
    const plan = enlarged(await planOf('SET a 1'));
    const everything = { replay: null, because: null };
    assert.deepEqual(await narrowReplay({ plan, selection: { types: ['hash'] } }), everything);
    const many = key(...Array.from({ length: 10_001 }, (_, index) => `k${index}`));
    const refused = await narrowReplay({ plan, selection: many });
    assert.equal(refused.because, 'the selected keys may depend on too many others');
  });

  test('leaves a log that ends within a transaction to the replay', async () => {
    const plan = await planOf('SET a 1', 'MULTI', 'SET a 2', 'EXEC');
    const offset = plan.point.offset - streamBytes('EXEC').length;
    const cut = enlarged({ ...plan, point: { ...plan.point, offset } });
    const { replay } = await narrowReplay({ plan: cut, selection: key('a') });
    assert.equal(replay, null);
  });
});
