import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  command,
  NOON,
  SHARD,
  type SampleLog,
  sampleLineage,
  sampleLog,
  storeBase,
  storeSample,
} from '../../test/fakes/sample-log.ts';
import { isCoded } from '../base/index.ts';
import { beginLineage, readSource, type SegmentPiece, type Source } from '../repository/index.ts';
import { readHistory } from './history.ts';
import { planRewind } from './plan-rewind.ts';
import { resolveInstant, type WantedInstant } from './resolve-instant.ts';

const SETTING = { nowMs: NOON + 3_600_000, zone: 'UTC' };
const LINEAGE_START = 1000;

/** Lays commands behind one another and knows where each of them ends. */
class Script {
  readonly pieces: SegmentPiece[] = [];
  readonly ends: Record<string, number> = {};
  offset: number;

  constructor(startOffset = LINEAGE_START) {
    this.offset = startOffset;
  }

  /** `ms` after noon; `since`: the bytes are late. */
  add(name: string, ms: number, bytes: Buffer, since?: number): this {
    const piece = { bytes, atMs: NOON + ms };
    this.pieces.push(since === undefined ? piece : { ...piece, sinceMs: NOON + since });
    this.offset += bytes.length;
    this.ends[name] = this.offset;
    return this;
  }
}

async function historyOf({ repository, source }: SampleLog) {
  return await readHistory(repository, (await readSource(repository, source)) as Source);
}

async function resolve(log: SampleLog, text: string, more: Partial<WantedInstant> = {}) {
  const history = await historyOf(log);
  return await resolveInstant(history, { kind: 'at', text, ...more }, SETTING);
}

async function refusal(log: SampleLog, text: string, more: Partial<WantedInstant> = {}) {
  try {
    const { point } = await resolve(log, text, more);
    assert.fail(`${text} is offset ${point.offset}`);
  } catch (error) {
    assert.ok(isCoded(error), String(error));
    return error;
  }
}

const at = (ms: number): string => new Date(NOON + ms).toISOString();

/** SET a · SET b · MULTI, SET c, FLUSHALL, EXEC · SET d · PING. */
async function storedDay(): Promise<{ log: SampleLog; ends: Record<string, number> }> {
  const log = await sampleLog(LINEAGE_START);
  const script = new Script()
    .add('select', 10, command('SELECT', '0'))
    .add('a', 10, command('SET', 'a', '1'))
    .add('b', 20, command('SET', 'b', '2'))
    .add('multi', 30, command('MULTI'))
    .add('c', 30, command('SET', 'c', '3'))
    .add('flush', 30, command('FLUSHALL'))
    .add('exec', 30, command('EXEC'))
    .add('d', 40, command('SET', 'd', '4'))
    .add('ping', 50, command('PING'));
  await storeSample(log, { pieces: script.pieces });
  await storeBase(log, LINEAGE_START, NOON);
  return { log, ends: script.ends };
}

describe('resolveInstant', () => {
  test('takes the last cut whose bytes had arrived', async () => {
    const { log, ends } = await storedDay();
    const table: readonly [number, string | null][] = [
      [0, null],
      [9, null],
      [10, 'a'],
      [19, 'a'],
      [20, 'b'],
      [29, 'b'],
      [30, 'exec'],
      [40, 'd'],
      [50, 'ping'],
    ];
    for (const [ms, name] of table) {
      const { point } = await resolve(log, at(ms));
      assert.equal(point.offset, name === null ? LINEAGE_START : ends[name], `${ms} ms`);
      assert.equal(point.atMs, NOON + ms);
      assert.equal(point.uncertain, null);
    }
    const { point, lastCommand } = await resolve(log, 'latest');
    assert.equal(point.offset, ends['ping']);
    assert.equal(point.atMs, NOON + 50);
    assert.deepEqual([lastCommand?.name, lastCommand?.atMs], ['SET', NOON + 40]);
    assert.equal((await resolve(log, at(0))).lastCommand, null);
  });

  test('moves offsets to the last cut, and takes the beginning of a lineage id', async () => {
    const { log, ends } = await storedDay();
    const place = (offset: number): string => `offset:${log.lineage.lineage.slice(0, 9)}:${offset}`;
    const cases: readonly [number, number][] = [
      [ends['a'], ends['a']],
      [ends['b'] - 1, ends['a']],
      [ends['c'], ends['b']],
      [ends['exec'] - 1, ends['b']],
      [ends['exec'], ends['exec']],
    ];
    for (const [wanted, found] of cases) {
      assert.equal((await resolve(log, place(wanted))).point.offset, found);
    }
    assert.equal((await refusal(log, 'offset:2031:5')).code, 'INSTANT_UNREACHABLE');
    const late = await refusal(log, place(ends['ping'] + 1));
    assert.equal(late.code, 'INSTANT_UNREACHABLE');
    assert.match(late.hint, new RegExp(`offset:${log.lineage.lineage}:${ends['ping']}`));
  });

  test('goes before a mark, out of its MULTI, and behind one at its EXEC', async () => {
    const { log, ends } = await storedDay();
    const before = await resolve(log, 'last:FLUSHALL', { kind: 'before' });
    assert.equal(before.point.offset, ends['b']);
    assert.equal(before.point.atMs, NOON + 30);
    assert.equal(before.lastCommand?.offset, ends['a']);
    const history = await historyOf(log);
    const [{ id }] = history.logs[0].lineages[0].marks;
    assert.equal((await resolve(log, id, { kind: 'before' })).point.offset, ends['b']);
    assert.equal((await resolve(log, `mark:${id}`)).point.offset, ends['exec']);
    assert.equal((await refusal(log, 'mark:zzzzzz')).code, 'MARK_NOT_FOUND');
    const none = await refusal(log, 'last:SWAPDB', { kind: 'before' });
    assert.equal(none.code, 'MARK_NOT_FOUND');
  });

  test('refuses what is not stored, and names what is near', async () => {
    const { log } = await storedDay();
    const early = await refusal(log, at(-1));
    assert.equal(early.code, 'INSTANT_UNREACHABLE');
    assert.ok(early.hint.includes(at(0)), early.hint);
    const late = await refusal(log, at(51));
    assert.equal(late.code, 'INSTANT_UNREACHABLE');
    assert.ok(late.hint.includes(at(50)), late.hint);
  });

  test('refuses a source without a log, and a log without a backup', async () => {
    const log = await sampleLog(LINEAGE_START);
    assert.match((await refusal(log, 'latest')).message, /has no backup to begin with|has no log/);
    const script = new Script().add('a', 1, command('SET', 'a', '1'));
    await storeSample(log, { pieces: script.pieces });
    assert.match((await refusal(log, 'latest')).message, /no backup to begin with/);
  });

  test('does not guess where bytes arrived late', async () => {
    const log = await sampleLog(LINEAGE_START);
    const script = new Script()
      .add('a', 10, command('SET', 'a', '1'))
      .add('b', 5000, command('SET', 'b', '2'), 10)
      .add('c', 5000, command('SET', 'c', '3'), 10)
      .add('d', 5010, command('SET', 'd', '4'));
    await storeSample(log, { pieces: script.pieces });
    await storeBase(log, LINEAGE_START, NOON);
    const { ends } = script;
    const refused = await refusal(log, at(2000));
    assert.equal(refused.code, 'INSTANT_UNCERTAIN');
    assert.ok(refused.hint.includes(`:${ends['a']}`), refused.hint);
    assert.ok(refused.hint.includes(`:${ends['c']}`), refused.hint);
    const earliest = await resolve(log, at(2000), { side: 'earliest' });
    assert.equal(earliest.point.offset, ends['a']);
    assert.deepEqual(earliest.point.uncertain, { fromMs: NOON + 10, toMs: NOON + 5000 });
    const latest = await resolve(log, at(2000), { side: 'latest' });
    assert.equal(latest.point.offset, ends['c']);
    for (const [ms, name] of [
      [10, 'a'],
      [5000, 'c'],
      [5010, 'd'],
    ] as const) {
      assert.equal((await resolve(log, at(ms))).point.offset, ends[name], `${ms} ms`);
    }
  });

  test('refuses a gap with its reason, and prefers what is no orphan', async () => {
    const log = await sampleLog(LINEAGE_START);
    const first = new Script()
      .add('a', 10, command('SET', 'a', '1'))
      .add('b', 20, command('SET', 'b', '2'))
      .add('tail', 2000, command('SET', 'tail', '3'));
    await storeSample(log, { pieces: first.pieces });
    await storeBase(log, LINEAGE_START, NOON);
    const replid = 'b'.repeat(40);
    const next = await beginLineage(log.repository, log.source, {
      ...sampleLineage(first.ends['b'], NOON + 1000),
      replid,
      gap: {
        lineage: log.lineage.lineage,
        endOffset: first.ends['tail'],
        endMs: NOON + 20,
        why: 'The source did not know the end of the log',
        orphanFrom: first.ends['b'],
      },
    });
    const second = new Script(first.ends['b'])
      .add('x', 1500, command('SET', 'x', '1'))
      .add('y', 3000, command('SET', 'y', '1'));
    await storeSample(
      { ...log, lineage: next },
      {
        startOffset: first.ends['b'],
        pieces: second.pieces,
        replids: [{ offset: first.ends['b'], replid }],
      },
    );
    await storeBase(log, first.ends['b'], NOON + 1000, replid);

    const both = await resolve(log, at(2500));
    assert.equal(both.point.lineage, next.lineage);
    assert.equal(both.point.offset, second.ends['x']);
    const old = `offset:${log.lineage.lineage}:${first.ends['tail']}`;
    const orphan = await resolve(log, old);
    assert.equal(orphan.point.isOrphan, true);
    assert.match(orphan.notes.join(' '), /orphan/);
    assert.equal((await resolve(log, at(20))).point.lineage, log.lineage.lineage);
    assert.equal((await resolve(log, 'latest')).point.offset, second.ends['y']);
  });

  test('says why a gap cannot be reached', async () => {
    const { log, ends } = await storedDay();
    const next = await beginLineage(log.repository, log.source, {
      ...sampleLineage(0, NOON + 60_000),
      replid: 'c'.repeat(40),
      gap: {
        lineage: log.lineage.lineage,
        endOffset: ends['ping'],
        endMs: NOON + 50,
        why: 'The backlog of the source was too small',
        orphanFrom: null,
      },
    });
    const script = new Script(0).add('a', 61_000, command('SET', 'a', '1'));
    await storeSample({ ...log, lineage: next }, { startOffset: 0, pieces: script.pieces });
    const refused = await refusal(log, at(30_000));
    assert.equal(refused.code, 'INSTANT_UNREACHABLE');
    assert.match(refused.message, /backlog of the source was too small/);
    const { notes } = await resolve(log, 'latest');
    assert.match(notes.join(' '), /no backup to begin with yet/);
  });
});

describe('planRewind', () => {
  test('begins at the newest backup that stands before the point', async () => {
    const { log, ends } = await storedDay();
    const later = await storeBase(log, ends['b'], NOON + 20);
    const plan = async (text: string) => {
      const history = await historyOf(log);
      const { point } = await resolveInstant(history, { kind: 'at', text }, SETTING);
      return await planRewind(history, point);
    };
    const latest = await plan('latest');
    assert.equal(latest.base.id, later.id);
    assert.equal(latest.fromOffset, ends['b']);
    assert.equal(latest.streamBytes, ends['ping'] - ends['b']);
    assert.equal(latest.startDatabase, 0);
    assert.deepEqual(latest.server, { family: 'redis', version: '7.0.15' });
    const exact = await plan(`offset:${log.lineage.lineage}:${ends['b']}`);
    assert.equal(exact.streamBytes, 0);
    const early = await plan(at(10));
    assert.equal(early.fromOffset, LINEAGE_START);
    assert.equal(early.point.shard, SHARD);
  });
});
