import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  command,
  NOON,
  readSample,
  sampleLog,
  storeSample,
} from '../../../test/fakes/sample-log.ts';
import { SeededRandom } from '../../../test/support/seeded-random.ts';
import { cutAtOrBefore, stateAt, timeOf } from './cuts.ts';
import { readLogStream } from './log-stream.ts';
import type { SegmentPiece } from './store-segment.ts';

const SEED = 20_261_122;
const ROUNDS = 6;

/** A cut as whoever made the stream knows it. */
type KnownCut = { offset: number; database: number; atMs: number };

type Model = {
  readonly raw: Buffer;
  readonly cuts: KnownCut[];
  readonly segments: { start: KnownCut; pieces: SegmentPiece[] }[];
};

/** A random stream, arriving in random pieces at random times, in segments of random lengths. */
function randomModel(random: SeededRandom): Model {
  const commands: Buffer[] = [];
  const cutAfter: { offset: number; database: number }[] = [{ offset: 0, database: 0 }];
  let database = 0;
  let offset = 0;
  const add = (...args: string[]) => {
    const bytes = command(...args);
    commands.push(bytes);
    offset += bytes.length;
  };
  for (let i = 0; i < 60; i++) {
    const isLong = random.chance(0.03);
    const inside = random.chance(0.3) ? random.between(1, 4) : 0;
    if (inside > 0) add('MULTI');
    for (let j = 0; j < Math.max(1, inside); j++) {
      if (random.chance(0.3)) add('select', String((database = random.below(16))));
      else add('SET', `k${i}`, 'v'.repeat(isLong ? 700_000 : random.below(60)));
    }
    if (inside > 0) add('EXEC');
    cutAfter.push({ offset, database });
  }
  const raw = Buffer.concat(commands);
  const cuts: KnownCut[] = [{ ...cutAfter[0], atMs: NOON }];
  const segments: Model['segments'] = [];
  let atMs = NOON;
  let next = 1;
  let segment = { start: cuts[0], pieces: [] as SegmentPiece[] };
  for (let at = 0; at < raw.length; ) {
    let size = 1 + random.below(random.chance(0.2) ? 300_000 : 80);
    const seam = cutAfter.find((cut) => cut.offset > at && cut.offset <= at + size);
    const ends = seam !== undefined && random.chance(0.1);
    if (ends) size = seam.offset - at;
    const end = Math.min(raw.length, at + size);
    segment.pieces.push({ bytes: raw.subarray(at, end), atMs });
    for (; next < cutAfter.length && cutAfter[next].offset <= end; next++) {
      cuts.push({ ...cutAfter[next], atMs });
    }
    if (ends || end === raw.length) {
      segments.push(segment);
      segment = { start: cuts[cuts.length - 1], pieces: [] };
    }
    at = end;
    atMs += random.chance(0.6) ? random.below(700) : 0;
  }
  return { raw, cuts, segments };
}

test(`cuts, times and bytes of a random log are those that were stored (seed ${SEED})`, async () => {
  const random = new SeededRandom(SEED);
  for (let round = 0; round < ROUNDS; round++) {
    const { raw, cuts, segments } = randomModel(random);
    const log = await sampleLog();
    for (const { start, pieces } of segments) {
      const { offset: startOffset, database } = start;
      await storeSample(log, { startOffset, database, pieces });
    }
    const { repository } = log;
    const lineage = await readSample(log);
    assert.equal(lineage.runs.length, 1);
    assert.equal(lineage.lastOffset, raw.length);
    const what = `round ${round}`;
    for (let i = 0; i < 25; i++) {
      const atMs = NOON + random.below(cuts[cuts.length - 1].atMs - NOON + 50);
      const byTime = cuts.findLast((cut, index) => index === 0 || cut.atMs <= atMs)!;
      const found = await cutAtOrBefore(repository, lineage, { atMs });
      assert.equal(found?.offset, byTime.offset, `${what}, at ${atMs - NOON} ms`);
      assert.equal(found.database, byTime.database, what);
      assert.equal(found.atMs, byTime.offset === 0 ? null : byTime.atMs, what);

      const offset = random.below(raw.length + 1);
      const byOffset = cuts.findLast((cut) => cut.offset <= offset)!;
      const cut = await cutAtOrBefore(repository, lineage, { offset });
      assert.deepEqual([cut?.offset, cut?.database], [byOffset.offset, byOffset.database], what);
      const state = await stateAt(repository, lineage, byOffset.offset);
      assert.equal(state.database, byOffset.database, what);
      if (byOffset.offset > 0) {
        assert.equal(await timeOf(repository, lineage, byOffset.offset), byOffset.atMs, what);
      }
      if (byOffset.offset !== offset) await assert.rejects(stateAt(repository, lineage, offset));

      const to = offset + random.below(raw.length - offset + 1);
      const read: Buffer[] = [];
      for await (const { bytes } of readLogStream(repository, lineage, offset, to)) {
        read.push(bytes);
      }
      assert.ok(Buffer.concat(read).equals(raw.subarray(offset, to)), what);
    }
    assert.equal(await cutAtOrBefore(repository, lineage, { atMs: NOON - 1 }), undefined);
    assert.equal(await cutAtOrBefore(repository, lineage, { offset: raw.length + 1 }), undefined);
  }
});
