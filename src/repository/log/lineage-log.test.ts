import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SHARD } from '../../../test/fakes/sample-log.ts';
import { SeededRandom } from '../../../test/support/seeded-random.ts';
import { sampleFacts } from '../../../test/fakes/sample-backup.ts';
import type { Manifest } from '../records/manifest.ts';
import { chooseCover, lineageLog, runAt } from './lineage-log.ts';
import type { LineageRecord, ReplicationId, SegmentRecord } from './log-records.ts';
import { baseOffset, baseRefusal, restorableRanges } from './ranges.ts';

const IDS = ['a'.repeat(40), 'b'.repeat(40), 'c'.repeat(40)];
const RECORD: LineageRecord = {
  lineage: '20261122t120000z-aaaaaaaa',
  shard: SHARD,
  startedAt: '2026-11-22T12:00:00.000Z',
  startOffset: 100,
  replid: IDS[0],
  server: { family: 'redis', version: '7.0.15' },
  databases: 16,
  gap: null,
};

function segment(
  startOffset: number,
  endOffset: number,
  replids: readonly ReplicationId[] = [{ offset: startOffset, replid: IDS[0] }],
): SegmentRecord {
  return {
    name: `${startOffset}-${endOffset}`,
    shard: SHARD,
    lineage: RECORD.lineage,
    startOffset,
    endOffset,
    firstMs: startOffset * 10,
    lastMs: endOffset * 10,
    database: 0,
    size: 1,
    rawDigest: '',
    predecessor: null,
    directoryDigest: '',
    replids,
    uncertain: [],
    marks: [],
    commands: 0,
    verbatimScripts: 0,
    unknownCommands: [],
  };
}

function base(id: string, offset: number, replid = IDS[0], more: Partial<Manifest> = {}): Manifest {
  const facts = sampleFacts([], [SHARD]);
  const shards = facts.shards.map((shard) => ({ ...shard, replication: { replid, offset } }));
  return { ...facts, id, shards, parents: [], ...more } as unknown as Manifest;
}

test('chooseCover takes the fewest segments that cover what all of them cover', () => {
  const random = new SeededRandom(20_261_122);
  for (let round = 0; round < 500; round++) {
    const found = Array.from({ length: random.below(12) }, () => {
      const start = random.below(40);
      return segment(start, start + 1 + random.below(12));
    });
    const cover = chooseCover(found);
    const covers = (all: readonly SegmentRecord[], at: number) =>
      all.some(({ startOffset, endOffset }) => startOffset <= at && at < endOffset);
    for (let at = 0; at < 60; at++) assert.equal(covers(cover, at), covers(found, at));
    for (const [i, { startOffset, endOffset }] of cover.entries()) {
      const before = cover[i - 1];
      if (before === undefined) continue;
      assert.ok(startOffset > before.startOffset && endOffset > before.endOffset);
      const beforeThat = cover[i - 2];
      assert.ok(beforeThat === undefined || startOffset > beforeThat.endOffset);
    }
    const { runs, covered } = lineageLog('s', RECORD, found, null);
    assert.equal(covered.length + cover.length, found.length);
    for (let at = 0; at < 60; at++) {
      const run = runAt({ runs } as never, at);
      assert.equal(run !== undefined && at < run.endOffset, covers(found, at), `round ${round}`);
    }
  }
});

test('restorableRanges take the bases whose place is in the history, run by run', () => {
  const turned = [
    { offset: 200, replid: IDS[0] },
    { offset: 250, replid: IDS[1] },
  ];
  const found = [
    segment(100, 200),
    segment(200, 300, turned),
    segment(300, 400, [{ offset: 300, replid: IDS[1] }]),
    segment(500, 600, [{ offset: 500, replid: IDS[1] }]),
  ];
  const lineage = lineageLog('s', RECORD, found, 550);
  assert.deepEqual(lineage.replids, [{ offset: 100, replid: IDS[0] }, turned[1]]);
  const logs = [{ shard: SHARD, lineages: [lineage], findings: [] }];
  const offsets = (manifests: readonly Manifest[]) =>
    restorableRanges(manifests, logs).map(({ fromOffset, toOffset }) => [fromOffset, toOffset]);
  assert.deepEqual(offsets([base('1', 150), base('2', 120)]), [[120, 400]]);
  assert.deepEqual(offsets([base('1', 250), base('2', 250, IDS[1])]), [[250, 400]]);
  assert.deepEqual(offsets([base('1', 251), base('2', 249, IDS[1]), base('3', 99)]), []);
  assert.deepEqual(offsets([base('1', 450, IDS[1])]), [], 'in a hole');
  assert.deepEqual(offsets([base('1', 600, IDS[1])]), [[600, 600]]);
  const both = [base('2', 500, IDS[1]), base('1', 100)];
  assert.deepEqual(offsets(both), [
    [100, 400],
    [500, 600],
  ]);
  const [first, second] = restorableRanges(both, logs);
  assert.deepEqual([first.orphanFrom, second.orphanFrom], [null, 550]);
  assert.deepEqual(second.bases, [{ backup: '2', offset: 500 }]);
});

test('baseRefusal says why a backup is no base', () => {
  const lineage = lineageLog('s', RECORD, [segment(100, 200)], null);
  assert.equal(baseRefusal(base('1', 150)), null);
  assert.equal(baseOffset(base('1', 150), lineage), 150);
  const selection = { ...base('1', 1).selection, databases: [0] };
  for (const more of [
    { consistency: 'fuzzy' },
    { parents: ['x'] },
    { selection },
    { lossy: { 'stream-counters': 1 } },
  ] as const) {
    const refused = base('1', 150, IDS[0], more);
    assert.notEqual(baseRefusal(refused), null);
    assert.equal(baseOffset(refused, lineage), undefined);
  }
});
