import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  command,
  NOON,
  readSample,
  sampleLog,
  storeSample,
} from '../../../test/fakes/sample-log.ts';
import { cutAtOrBefore } from './cuts.ts';

const PING = command('PING');
const SIZE = PING.length;

test('cutAtOrBefore says where late bytes leave a moment uncertain', async () => {
  const log = await sampleLog();
  const sinceMs = NOON + 1000;
  // The link breaks within the third command; the rest and two more come late, in two segments.
  await storeSample(log, {
    pieces: [
      { bytes: PING, atMs: NOON },
      { bytes: Buffer.concat([PING, PING.subarray(0, 5)]), atMs: NOON + 900 },
      { bytes: PING.subarray(5), atMs: NOON + 9000, sinceMs },
    ],
  });
  await storeSample(log, {
    startOffset: 3 * SIZE,
    pieces: [
      { bytes: PING, atMs: NOON + 9500, sinceMs },
      { bytes: PING, atMs: NOON + 12_000 },
    ],
  });
  const lineage = await readSample(log);
  const span = { startOffset: 2 * SIZE + 5, endOffset: 4 * SIZE, sinceMs };
  assert.deepEqual(lineage.uncertain, [span]);
  const at = async (ms: number) => {
    const cut = await cutAtOrBefore(log.repository, lineage, { atMs: NOON + ms });
    return [(cut?.offset ?? NaN) / SIZE, cut?.uncertain ?? null];
  };
  assert.deepEqual(await at(950), [2, null]);
  assert.deepEqual(await at(1000), [2, null], 'they are from after this');
  assert.deepEqual(await at(5000), [2, span]);
  assert.deepEqual(await at(9000), [3, span], 'at a seam');
  assert.deepEqual(await at(9400), [3, span]);
  assert.deepEqual(await at(9500), [4, null]);
  assert.deepEqual(await at(11_000), [4, null]);
  assert.deepEqual(await at(99_000), [5, null]);
  const within = await cutAtOrBefore(log.repository, lineage, { offset: 3 * SIZE + 2 });
  assert.deepEqual([within?.offset, within?.uncertain], [3 * SIZE, span]);
  const before = await cutAtOrBefore(log.repository, lineage, { offset: 2 * SIZE });
  assert.deepEqual([before?.atMs, before?.uncertain], [NOON + 900, null]);
});
