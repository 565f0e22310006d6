import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  command,
  NOON,
  readSample,
  type SampleLog,
  sampleLineage,
  sampleLog,
  SHARD,
  storeBase,
  storeSample,
} from '../../../test/fakes/sample-log.ts';
import type { ObjectInfo } from '../../storage/index.ts';
import { dayIndexObject, lineageObject } from '../layout.ts';
import { closeDays } from './close-days.ts';
import { cutAtOrBefore } from './cuts.ts';
import { writeDayIndex } from './day-index.ts';
import { findGaps } from './gaps.ts';
import { beginLineage, readLineage } from './lineage-record.ts';
import type { SegmentRecord } from './log-records.ts';
import { restorableRanges } from './ranges.ts';
import { readShardLog, readShardLogs } from './shard-logs.ts';

const PING = command('PING');
const DAY = '2026-11-22';

/** `count` segments of one PING each, a second apart. */
async function storeSeries(log: SampleLog, count: number, from = 0): Promise<SegmentRecord[]> {
  const stored: SegmentRecord[] = [];
  for (let i = from; i < from + count; i++) {
    const before = stored.at(-1);
    stored.push(
      await storeSample(log, {
        startOffset: i * PING.length,
        pieces: [{ bytes: PING, atMs: NOON + i * 1000 }],
        predecessor:
          before === undefined ? null : { name: before.name, digest: before.directoryDigest },
      }),
    );
  }
  return stored;
}

describe('readShardLogs', () => {
  test('finds nothing where nothing was recorded, and a lineage without segments', async () => {
    const log = await sampleLog(77);
    const lineage = await readSample(log);
    assert.deepEqual([lineage.runs, lineage.lastOffset, lineage.lastMs], [[], 77, null]);
    assert.equal(await cutAtOrBefore(log.repository, lineage, { offset: 77 }), undefined);
    log.storage.objects.clear();
    assert.deepEqual(await readShardLogs(log.repository, log.source), []);
  });

  test('ends a run before a missing or damaged segment, and says so', async () => {
    const log = await sampleLog();
    const segments = await storeSeries(log, 6);
    const [, missing, , damaged] = segments;
    log.storage.objects.delete(missing.name);
    const held = log.storage.objects.get(damaged.name)!;
    held.bytes = Buffer.from(held.bytes);
    held.bytes[held.bytes.length - 60] ^= 4;
    const [shard] = await readShardLogs(log.repository, log.source);
    const [{ runs }] = shard.lineages;
    const size = PING.length;
    assert.deepEqual(
      runs.map((run) => [run.startOffset / size, run.endOffset / size]),
      [
        [0, 1],
        [2, 3],
        [4, 6],
      ],
    );
    assert.deepEqual(
      shard.findings.map(({ code }) => code),
      ['segment-damaged', 'segment-missing', 'segment-missing'],
    );
    const [hole] = findGaps([shard]);
    assert.deepEqual([hole.kind, hole.from.offset, hole.to.offset], ['stored', size, 2 * size]);
    const bases = [await storeBase(log, 0), await storeBase(log, 5 * size, NOON + 5000)];
    const ranges = restorableRanges(bases, [shard]);
    assert.deepEqual(
      ranges.map((range) => [range.fromOffset / size, range.toOffset / size]),
      [
        [0, 1],
        [5, 6],
      ],
    );
    assert.equal(await cutAtOrBefore(log.repository, shard.lineages[0], { offset: 20 }), undefined);
  });

  test('goes by the next record for orphan tails and gaps', async () => {
    const log = await sampleLog();
    await storeSeries(log, 3);
    const gap = {
      lineage: log.lineage.lineage,
      endOffset: 3 * PING.length,
      endMs: NOON + 2000,
      why: 'The source did not know the end of the log after a failover',
      orphanFrom: PING.length,
    };
    const next = await beginLineage(log.repository, log.source, {
      ...sampleLineage(500, NOON + 9000),
      replid: 'b'.repeat(40),
      gap,
    });
    const logs = await readShardLogs(log.repository, log.source);
    const [orphaned, lineage] = logs[0].lineages;
    assert.equal(orphaned.orphanFrom, PING.length);
    assert.deepEqual(lineage.record, next);
    assert.deepEqual(await readLineage(log.repository, log.source, SHARD, next.lineage), next);
    const [found] = findGaps(logs);
    assert.deepEqual(
      [found.kind, found.from.ms, found.to.ms],
      ['lineage', NOON + 2000, NOON + 9000],
    );
    assert.equal(found.to.lineage, next.lineage);
    const [range] = restorableRanges([await storeBase(log, 0)], logs);
    assert.equal(range.orphanFrom, PING.length);
    assert.deepEqual(restorableRanges([await storeBase(log, 0, NOON, 'c'.repeat(40))], logs), []);
  });

  test('reports a damaged record of a lineage and shows the others', async () => {
    const log = await sampleLog();
    await storeSeries(log, 1);
    const other = await beginLineage(log.repository, log.source, sampleLineage(9, NOON));
    assert.notEqual(other.lineage, log.lineage.lineage);
    log.storage.objects.delete(lineageObject(log.source, SHARD, log.lineage.lineage));
    const [{ lineages, findings }] = await readShardLogs(log.repository, log.source);
    assert.deepEqual(
      lineages.map(({ record }) => record.lineage),
      [other.lineage],
    );
    assert.deepEqual(
      findings.map(({ code }) => code),
      ['lineage-damaged'],
    );
  });

  test('takes no name that it would not have given', async () => {
    const log = await sampleLog();
    const [segment] = await storeSeries(log, 1);
    const held = log.storage.objects.get(segment.name)!;
    const folder = segment.name.slice(0, segment.name.lastIndexOf('/') + 1);
    const digits = segment.name.slice(folder.length);
    const names = [
      segment.name.replace(DAY, '2026-11-23'),
      segment.name.replace('/00000/', '/99999/'),
      `${folder}deeper/${digits}`,
      `${folder}${digits}.sealed`,
      `${folder}${'9'.repeat(20)}_${'9'.repeat(20)}.aof.zst`,
      `${folder}1_2.aof.zst`,
      segment.name.replace(log.lineage.lineage, 'other'),
    ];
    for (const name of names) log.storage.objects.set(name, held);
    const moved = segment.name.replace(/0_(\d{20})/, '7_$1');
    log.storage.objects.set(moved, held);
    const [{ lineages, findings }, ...more] = await readShardLogs(log.repository, log.source);
    assert.equal(more.length, 0);
    assert.equal(lineages[0].segments.length, 1);
    assert.deepEqual(
      findings.map(({ object }) => object),
      [moved],
    );
  });

  test('reads a day by its index while that names what is there', async () => {
    const log = await sampleLog();
    await storeSeries(log, 5);
    const place = { shard: SHARD, lineage: log.lineage.lineage, day: DAY };
    const plain = await readShardLog(log.repository, log.source, SHARD);
    await writeDayIndex(log.repository, log.source, place, plain.lineages[0].segments);
    const reads: string[] = [];
    const storage = log.storage;
    const read = storage.read.bind(storage);
    storage.read = async (name, options, signal) => {
      reads.push(name);
      return await read(name, options, signal);
    };
    const indexed = await readShardLog(log.repository, log.source, SHARD);
    assert.deepEqual(indexed, plain);
    assert.equal(reads.length, 2, 'the record and the index');

    await storeSeries(log, 1, 5);
    const more = await readShardLog(log.repository, log.source, SHARD);
    assert.equal(more.lineages[0].segments.length, 6);
    assert.deepEqual(more.findings, []);
    storage.objects.delete(more.lineages[0].segments[5].name);

    const index = dayIndexObject(log.source, SHARD, log.lineage.lineage, DAY);
    const held = storage.objects.get(index)!;
    held.bytes[200] ^= 1;
    const damaged = await readShardLog(log.repository, log.source, SHARD);
    assert.equal(damaged.lineages[0].segments.length, 5);
    assert.deepEqual(
      damaged.findings.map(({ code }) => code),
      ['index-damaged'],
    );
  });

  test('finds the days closed that no segment can come to', async () => {
    const log = await sampleLog();
    await storeSeries(log, 3);
    const { repository, source, storage } = log;
    assert.equal(await closeDays(repository, source, SHARD), 0, 'more of the day may come');
    const plain = await readShardLog(repository, source, SHARD);
    const atMs = NOON + 86_400_000;
    const startOffset = 3 * PING.length;
    await storeSample(log, { startOffset, pieces: [{ bytes: PING, atMs }] });
    assert.equal(await closeDays(repository, source, SHARD), 1);
    assert.equal(await closeDays(repository, source, SHARD), 0);
    assert.ok(storage.objects.has(dayIndexObject(source, SHARD, log.lineage.lineage, DAY)));
    const [{ segments }] = (await readShardLog(repository, source, SHARD)).lineages;
    assert.deepEqual(segments.slice(0, 3), plain.lineages[0].segments);
  });

  test('never takes a segment for missing that came while it was listing', async () => {
    const log = await sampleLog();
    await storeSeries(log, 2);
    const { storage } = log;
    const list = storage.list.bind(storage);
    let late = true;
    storage.list = async function* (prefix, signal): AsyncGenerator<ObjectInfo> {
      const listed: ObjectInfo[] = [];
      for await (const info of list(prefix, signal)) listed.push(info);
      if (!late) return yield* listed;
      late = false;
      yield* listed;
      // The third was stored behind our back, the fourth in front of our eyes.
      const [, fourth] = await storeSeries(log, 2, 2);
      yield await storage.stat(fourth.name);
    };
    const { lineages, findings } = await readShardLog(log.repository, log.source, SHARD);
    assert.equal(lineages[0].segments.length, 4);
    assert.equal(lineages[0].runs.length, 1);
    assert.deepEqual(findings, []);
  });
});

test('beginLineage is idempotent with an id of its own, and never replaces a record', async () => {
  const log = await sampleLog();
  const { repository, source, lineage } = log;
  assert.deepEqual(await beginLineage(repository, source, lineage), lineage);
  const other = beginLineage(repository, source, { ...lineage, startOffset: 1 });
  await assert.rejects(other, { code: 'OBJECT_EXISTS' });
});
