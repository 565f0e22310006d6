import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  NOON,
  type SampleLog,
  sampleLog,
  SHARD,
  storeSample,
} from '../../../test/fakes/sample-log.ts';
import { encodeCommand, streamBytes } from '../../../test/support/stream-bytes.ts';
import { beginLineage, readShardLogs, type SegmentDirectory } from '../../repository/index.ts';
import type { LogEvent } from './log-event.ts';
import { resolveBound } from './search-bound.ts';
import { type LogSearch, searchLog, searchMarks } from './search-log.ts';

type Piece = readonly [ms: number, commands: readonly (string | Buffer)[], sinceMs?: number];

/** Stores segments one behind the other; every array is one. */
async function store(log: SampleLog, segments: readonly (readonly Piece[])[]) {
  const stored: SegmentDirectory[] = [];
  let startOffset = log.lineage.startOffset;
  let database = 0;
  for (const pieces of segments) {
    const last = stored.at(-1);
    const segment = await storeSample(log, {
      startOffset,
      database,
      predecessor: last === undefined ? null : { name: last.name, digest: last.directoryDigest },
      replids: [{ offset: startOffset, replid: log.lineage.replid }],
      pieces: pieces.map(([ms, commands, sinceMs]) => ({
        bytes: streamBytes(...commands),
        atMs: NOON + ms,
        ...(sinceMs !== undefined && { sinceMs: NOON + sinceMs }),
      })),
    });
    for (const [, commands] of pieces) {
      for (const command of commands) {
        const number = typeof command === 'string' && /^SELECT (\d+)$/.exec(command)?.[1];
        if (typeof number === 'string') database = Number(number);
      }
    }
    startOffset = segment.endOffset;
    stored.push(segment);
  }
  return stored;
}

async function find(
  log: SampleLog,
  filter: LogSearch['filter'] = {},
  since?: number,
  until?: number,
): Promise<string[]> {
  const { repository, source } = log;
  const logs = await readShardLogs(repository, source);
  const found: string[] = [];
  const window = {
    ...(since !== undefined && { sinceMs: NOON + since }),
    ...(until !== undefined && { untilMs: NOON + until }),
  };
  for await (const event of searchLog({ repository, logs, filter, ...window })) {
    found.push(told(event));
  }
  return found;
}

async function all(search: LogSearch): Promise<LogEvent[]> {
  const events: LogEvent[] = [];
  for await (const event of searchLog(search)) events.push(event);
  return events;
}

function told(event: LogEvent): string {
  if (event.kind === 'gap') return `gap ${event.fromMs - NOON} ${event.toMs - NOON}: ${event.why}`;
  const { atMs, database, args, transaction, sinceMs, isOrphan } = event;
  const text = args.map(({ bytes }) => bytes.toString()).join(' ');
  const notes = [
    transaction === null ? '' : ` multi@${transaction}`,
    sinceMs === null ? '' : ` since ${sinceMs - NOON}`,
    isOrphan ? ' orphan' : '',
  ];
  return `${atMs - NOON} db${database} ${text}${notes.join('')}`;
}

describe('searchLog', () => {
  test('tells commands with time, database and transaction, over segments', async () => {
    const log = await sampleLog(100);
    await store(log, [
      [
        [0, ['SET a 1', 'PING']],
        [10, ['SELECT 3', 'MULTI', 'SET b 2', 'INCR c', 'EXEC']],
      ],
      [[20, ['PING']]],
      [[30, ['DEL b', 'FLUSHDB']]],
    ]);
    const multi = 100 + streamBytes('SET a 1', 'PING', 'SELECT 3').length;
    assert.deepEqual(await find(log), [
      '0 db0 SET a 1',
      `10 db3 SET b 2 multi@${multi}`,
      `10 db3 INCR c multi@${multi}`,
      '30 db3 DEL b',
      '30 db3 FLUSHDB',
    ]);
    assert.deepEqual(await find(log, { keys: [Buffer.from('b')] }), [
      `10 db3 SET b 2 multi@${multi}`,
      '30 db3 DEL b',
      '30 db3 FLUSHDB',
    ]);
    assert.deepEqual(await find(log, { commands: ['PING'] }), ['0 db0 PING', '20 db3 PING']);
    assert.deepEqual(await find(log, { databases: [0] }), ['0 db0 SET a 1']);
  });

  test('begins and ends at times, knowing the database and the transaction there', async () => {
    const log = await sampleLog();
    await store(log, [
      [
        [0, ['SELECT 2', 'SET a 1']],
        [10, ['MULTI', 'SET b 1']],
        [20, ['SET c 1', 'EXEC']],
        [30, ['SET d 1']],
      ],
      [[40, ['SET e 1']]],
      [[50, ['SET f 1']]],
    ]);
    // What a transaction does, it does at its EXEC.
    assert.deepEqual(await find(log, {}, 20, 40), [
      '20 db2 SET b 1 multi@50',
      '20 db2 SET c 1 multi@50',
      '30 db2 SET d 1',
      '40 db2 SET e 1',
    ]);
    assert.deepEqual(await find(log, {}, 25, 35), ['30 db2 SET d 1']);
    assert.deepEqual(await find(log, {}, 51), []);
    assert.deepEqual(await find(log, {}, undefined, -1), []);
  });

  test('reads nothing of segments outside the window, or without commands', async () => {
    const log = await sampleLog();
    const [, idle, wanted] = await store(log, [
      [[0, ['SET a 1']]],
      [[10, ['PING']]],
      [[20, ['SET b 1']]],
      [[30, ['SET c 1']]],
    ]);
    const logs = await readShardLogs(log.repository, log.source);
    const read: string[] = [];
    const storage = Object.create(log.storage) as typeof log.storage;
    storage.read = async (name, ...rest) => {
      read.push(name);
      return await log.storage.read(name, ...rest);
    };
    const repository = { ...log.repository, storage };
    const [sinceMs, untilMs] = [NOON + 5, NOON + 25];
    for await (const event of searchLog({ repository, logs, filter: {}, sinceMs, untilMs })) {
      assert.equal(told(event), '20 db0 SET b 1');
    }
    assert.deepEqual([...new Set(read)], [wanted.name]);
    assert.ok(!read.includes(idle.name));
  });

  test('tells of gaps, holes and orphans between commands', async () => {
    const log = await sampleLog();
    const [, missing] = await store(log, [
      [[0, ['SET a 1']]],
      [[10, ['SET b 1']]],
      [[20, ['SET c 1', 'SET d 1']]],
    ]);
    log.storage.objects.delete(missing.name);
    const end = missing.endOffset + streamBytes('SET c 1').length;
    const { server } = log.lineage;
    const next = await beginLineage(log.repository, log.source, {
      shard: SHARD,
      server,
      databases: 16,
      startedAt: new Date(NOON + 100).toISOString(),
      startOffset: 7000,
      replid: 'b'.repeat(40),
      gap: {
        lineage: log.lineage.lineage,
        endOffset: end,
        endMs: NOON + 20,
        why: 'the backlog did not reach back far enough.',
        orphanFrom: end,
      },
    });
    await store({ ...log, lineage: next }, [[[120, ['SET e 1']]]]);
    assert.deepEqual(await find(log), [
      '0 db0 SET a 1',
      `gap 0 20: a segment is missing or damaged: offsets 27 to 54`,
      '20 db0 SET c 1',
      '20 db0 SET d 1 orphan',
      'gap 20 120: the backlog did not reach back far enough',
      '120 db0 SET e 1',
    ]);
    const outside = await find(log, { keys: [Buffer.from('e')] }, 60);
    assert.deepEqual(outside, [
      'gap 20 120: the backlog did not reach back far enough',
      '120 db0 SET e 1',
    ]);
    assert.deepEqual(await find(log, {}, 130), []);
  });

  test('includes what arrived late and may have run in the window', async () => {
    const log = await sampleLog();
    await store(log, [
      [
        [0, ['SET a 1']],
        [100, ['SET b 1'], 20],
        [110, ['SET c 1']],
      ],
      [[200, ['SET d 1'], 150]],
    ]);
    assert.deepEqual(await find(log, {}, 10, 50), ['100 db0 SET b 1 since 20']);
    assert.deepEqual(await find(log, {}, 105, 120), ['110 db0 SET c 1']);
  });

  test('shows what relays carry, and keeps no long arguments', async () => {
    const log = await sampleLog();
    const inner = streamBytes('SET a 1', 'PING', 'DEL b');
    await store(log, [
      [
        [0, [encodeCommand(['RREPLAY', 'uuid', inner, '4'])]],
        [5, [encodeCommand(['SET', 'long', Buffer.alloc(100_000, 'x')])]],
        [6, [encodeCommand(['RREPLAY', 'uuid', 'garbage'])]],
      ],
    ]);
    assert.deepEqual((await find(log)).slice(0, 2), ['0 db4 SET a 1', '0 db4 DEL b']);
    const { repository, source } = log;
    const logs = await readShardLogs(repository, source);
    const [, , long, garbage] = await all({ repository, logs, filter: {} });
    assert.ok(long.kind === 'command' && garbage.kind === 'command');
    assert.equal(long.args[2].size, 100_000);
    assert.ok(long.args[2].bytes.length < 10_000);
    assert.equal(garbage.name, 'RREPLAY');
  });

  test('merges shards by time', async () => {
    const log = await sampleLog();
    await store(log, [
      [
        [0, ['SET a 1']],
        [20, ['SET c 1']],
      ],
    ]);
    const [one] = await readShardLogs(log.repository, log.source);
    const { repository } = log;
    const shard = '08192';
    const lineages = one.lineages.map((lineage) => ({
      ...lineage,
      record: { ...lineage.record, shard },
    }));
    const logs = [one, { ...one, shard, lineages }];
    const events = await all({ repository, logs, filter: {} });
    assert.deepEqual(
      events.map(({ shard }) => shard),
      [SHARD, '08192', SHARD, '08192'],
    );
    assert.deepEqual(
      events.map((event) => event.kind === 'command' && event.atMs - NOON),
      [0, 0, 20, 20],
    );
  });
});

describe('searchMarks and resolveBound', () => {
  test('find marks by the directories alone, and their times', async () => {
    const log = await sampleLog();
    await store(log, [
      [
        [0, ['SET a 1', 'FLUSHALL']],
        [10, ['SELECT 4', 'FLUSHDB']],
      ],
      [[20, ['SWAPDB 0 1']]],
    ]);
    const { repository, source } = log;
    const logs = await readShardLogs(repository, source);
    const marks = (filter: LogSearch['filter'], sinceMs?: number) =>
      searchMarks({ logs, filter, ...(sinceMs !== undefined && { sinceMs }) }).map((found) =>
        found.kind === 'mark' ? `${found.mark.kind} ${found.mark.ms - NOON}` : 'gap',
      );
    assert.deepEqual(marks({}), ['FLUSHALL 0', 'FLUSHDB 10', 'SWAPDB 20']);
    assert.deepEqual(marks({}, NOON + 5), ['FLUSHDB 10', 'SWAPDB 20']);
    assert.deepEqual(marks({ databases: [0] }), ['FLUSHALL 0', 'SWAPDB 20']);
    assert.deepEqual(marks({ commands: ['SWAPDB'] }), ['SWAPDB 20']);

    const bound = async (text: string) =>
      (await resolveBound(text, repository, logs, { nowMs: NOON + 60_000, zone: 'UTC' })).ms - NOON;
    const [{ id, endOffset }] = logs[0].lineages[0].marks;
    assert.equal(await bound(`mark:${id}`), 0);
    assert.equal(await bound(`offset:${log.lineage.lineage}:${endOffset + 30}`), 10);
    assert.equal(await bound('latest'), 20);
    assert.equal(await bound('12:00:01'), 1000);
    await assert.rejects(bound('mark:000000'), { code: 'MARK_NOT_FOUND' });
    await assert.rejects(bound('offset:1999:4'), { code: 'INSTANT_UNREACHABLE' });
    await assert.rejects(bound('soon'), { code: 'INSTANT_INVALID' });
  });
});
