import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  command,
  NOON,
  type SampleLog,
  sampleLog,
  SHARD,
  storeSample,
} from '../../test/fakes/sample-log.ts';
import { SegmentTextChecker } from './segment-text-checker.ts';
import { type LogReport, verifyLog, verifyRepository } from './index.ts';
import {
  readBlocks,
  readSegmentDirectory,
  readShardLogs,
  writeDayIndex,
} from '../repository/index.ts';

const RAW = [
  command('SET', 'a', '1'),
  command('MULTI'),
  command('SELECT', '4'),
  command('FLUSHDB'),
  command('EXEC'),
  command('EVAL', 'return 1', '0'),
];

async function storeTwo(): Promise<{ log: SampleLog; names: string[] }> {
  const log = await sampleLog();
  const pieces = RAW.map((bytes, i) => ({ bytes, atMs: NOON + i * 700 }));
  const first = await storeSample(log, { pieces });
  const second = await storeSample(log, {
    startOffset: first.endOffset,
    database: 4,
    pieces: [{ bytes: command('SET', 'b', '2'), atMs: NOON + 9000 }],
    predecessor: { name: first.name, digest: first.directoryDigest },
  });
  return { log, names: [first.name, second.name] };
}

function codes({ findings }: LogReport): string[] {
  return [...new Set(findings.map(({ code }) => code))];
}

describe('verifyLog', () => {
  test('finds nothing wrong with what was stored', async () => {
    const { log } = await storeTwo();
    const report = await verifyLog(log.repository, log.source);
    const { findings, lineages, segments } = report;
    assert.deepEqual([findings, lineages, segments], [[], 1, 2]);
    const whole = await verifyRepository(log.repository);
    assert.deepEqual(whole.logs, [report]);
  });

  test('finds every flipped bit and every truncation', async () => {
    const { log, names } = await storeTwo();
    const [name] = names;
    const { bytes } = log.storage.objects.get(name)!;
    const damage = async (damaged: Buffer): Promise<string[]> => {
      log.storage.objects.set(name, { bytes: damaged, modifiedAtMs: NOON });
      return codes(await verifyLog(log.repository, log.source));
    };
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at] ^= 1 << (at % 8);
      assert.notDeepEqual(await damage(flipped), [], `byte ${at}`);
    }
    for (let length = 0; length < bytes.length; length += 13) {
      assert.notDeepEqual(await damage(bytes.subarray(0, length)), [], `cut at ${length}`);
    }
    const longer = Buffer.concat([bytes, Buffer.from([0])]);
    assert.deepEqual(await damage(longer), ['segment-corrupt']);
  });

  test('finds a segment that was exchanged, and one that is gone', async () => {
    const { log, names } = await storeTwo();
    const other = await sampleLog();
    const pieces = [{ bytes: Buffer.concat(RAW), atMs: NOON }];
    const { name } = await storeSample(other, { pieces });
    assert.equal(name, names[0]);
    log.storage.objects.set(name, other.storage.objects.get(name)!);
    assert.deepEqual(codes(await verifyLog(log.repository, log.source)), ['segment-order']);
    const middle = await storeSample(log, {
      startOffset: 1000,
      pieces: [{ bytes: command('PING'), atMs: NOON + 10_000 }],
    });
    const found = await verifyLog(log.repository, log.source);
    assert.ok(codes(found).includes('segment-missing'));
    log.storage.objects.delete(middle.name);
  });
});

test('verifyLog finds an index of a day that says other things than its segments', async () => {
  const { log } = await storeTwo();
  const { repository, source, lineage } = log;
  const [{ lineages }] = await readShardLogs(repository, source);
  const day = { shard: SHARD, lineage: lineage.lineage, day: '2026-11-22' };
  const [first, second] = lineages[0].segments;
  await writeDayIndex(repository, source, day, [{ ...first, commands: 77 }, second]);
  assert.deepEqual(codes(await verifyLog(repository, source)), ['log-index-corrupt']);
});

test('SegmentTextChecker finds text that is annotated otherwise', async () => {
  const { log, names } = await storeTwo();
  const directory = await readSegmentDirectory(log.repository, log.source, names[0]);
  const [block] = directory.blocks;
  let stored: { text: Buffer; raw: Buffer } | undefined;
  for await (const read of readBlocks(log.repository, directory, [block])) stored = read;
  const { text, raw } = stored!;
  const check = (changed: Partial<typeof directory>, as = block, bytes = text): string[] => {
    const checker = new SegmentTextChecker({ ...directory, ...changed });
    checker.check(bytes, raw, as);
    checker.end();
    return checker.wrong.map(({ code }) => code);
  };
  assert.deepEqual(check({}), []);
  assert.deepEqual(check({ commands: 9 }), ['segment-facts']);
  assert.deepEqual(check({ marks: [] }), ['segment-facts']);
  assert.deepEqual(check({}, { ...block, continues: true }), ['segment-facts']);
  const later = Buffer.from(text.toString('latin1').replace(`#TS:${NOON / 1000 + 2}`, '#TS:1'));
  assert.equal(check({}, block, Buffer.concat([later, Buffer.alloc(9)])).at(0), 'segment-text');
  const [select, selectLength, first, firstLength] = block.inserted;
  const moved = [select, selectLength, first + 3, firstLength, ...block.inserted.slice(4)];
  assert.equal(check({}, { ...block, inserted: moved }).at(0), 'segment-text');
});
