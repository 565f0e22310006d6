import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  command,
  NOON,
  readSample,
  readText,
  type SampleLog,
  sampleLog,
  storeSample,
} from '../../../test/fakes/sample-log.ts';
import { splitsOf } from '../../../test/support/splits.ts';
import { readLogStream } from './log-stream.ts';
import { readSegmentDirectory } from './read-segment.ts';
import type { SegmentPiece } from './store-segment.ts';

async function readAll(log: SampleLog, from: number, to: number): Promise<[string, number][]> {
  const read: [string, number][] = [];
  const lineage = await readSample(log);
  let at = from;
  for await (const { bytes, offset, atMs } of readLogStream(log.repository, lineage, from, to)) {
    assert.equal(offset, at);
    at += bytes.length;
    read.push([bytes.toString('latin1'), atMs]);
  }
  assert.equal(at, to);
  return read;
}

const SECOND = NOON / 1000;

describe('storeSegment and readLogStream', () => {
  test('give back the stream with its times; the text is annotated AOF', async () => {
    const log = await sampleLog(1000);
    const set = command('SET', 'k', '#TS:1\r\n');
    const flush = command('flushdb');
    const multi = [command('MULTI'), command('SET', 'a', '1'), command('SELECT', '3')];
    const exec = command('EXEC');
    const pieces: SegmentPiece[] = [
      { bytes: set, atMs: NOON },
      { bytes: Buffer.concat(multi.slice(0, 2)), atMs: NOON + 400 },
      { bytes: multi[2], atMs: NOON + 1100 },
      { bytes: Buffer.concat([exec, flush.subarray(0, 5)]), atMs: NOON + 1200 },
      { bytes: flush.subarray(5), atMs: NOON + 2500, sinceMs: NOON + 1300 },
    ];
    const stored = await storeSample(log, { pieces });
    const raw = Buffer.concat(pieces.map((piece) => Buffer.from(piece.bytes)));
    assert.equal(stored.endOffset, 1000 + raw.length);
    const transaction = Buffer.concat([...multi, exec]).toString('latin1');
    assert.deepEqual(await readAll(log, 1000, stored.endOffset), [
      [set.toString('latin1'), NOON],
      [transaction, NOON + 1200],
      [flush.toString('latin1'), NOON + 2500],
    ]);
    assert.equal(
      await readText(log, stored.name),
      `*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n#TS:${SECOND}\r\n${set.toString('latin1')}` +
        `#TS:${SECOND + 1}\r\n${transaction}#TS:${SECOND + 2}\r\n${flush.toString('latin1')}`,
    );
    const [{ id, ...mark }] = stored.marks;
    const startOffset = stored.endOffset - flush.length;
    const ms = NOON + 2500;
    const { endOffset } = stored;
    assert.deepEqual(mark, { kind: 'FLUSHDB', startOffset, endOffset, ms, database: 3 });
    assert.match(id, /^[a-z0-9]{6}$/);
    assert.deepEqual(stored.uncertain, [
      { startOffset: startOffset + 5, endOffset, sinceMs: NOON + 1300 },
    ]);
    assert.equal(stored.commands, 3);
    assert.deepEqual([stored.firstMs, stored.lastMs], [NOON, ms]);
  });

  test('give the same segment however the stream is cut, at one time', async () => {
    const raw = Buffer.concat([
      command('SELECT', '2'),
      command('SET', 'k', Buffer.from([0, 13, 10, 255])),
      command('MULTI'),
      command('FLUSHALL'),
      command('EXEC'),
      Buffer.from('\n'),
      command('SWAPDB', '0', '1'),
    ]);
    let expected: Buffer | undefined;
    for (const cuts of splitsOf(raw.length, 20)) {
      const log = await sampleLog();
      const pieces = [0, ...cuts].map((start, i) => ({
        bytes: raw.subarray(start, cuts[i] ?? raw.length),
        atMs: NOON,
      }));
      const whole = pieces.filter(({ bytes }, i) => i > 0 || bytes.length > 0);
      const { name } = await storeSample(log, { pieces: whole });
      const { bytes } = log.storage.objects.get(name)!;
      expected ??= bytes;
      assert.ok(bytes.equals(expected), `cut at ${cuts.join(', ')}`);
      const read = await readAll(log, 0, raw.length);
      assert.equal(read.map(([text]) => text).join(''), raw.toString('latin1'));
    }
  });

  test('cut blocks at cuts, and what is longer than a block into parts', async () => {
    const log = await sampleLog();
    const small = Buffer.concat(Array.from({ length: 50 }, (_, i) => command('SET', `${i}`, 'x')));
    const huge = command('SET', 'huge', Buffer.alloc(2_500_000, 'h'));
    const wide = [command('MULTI'), command('SELECT', '5')];
    for (let i = 0; i < 20; i++) wide.push(command('SET', `w${i}`, Buffer.alloc(100_000, 'w')));
    wide.push(command('EXEC'));
    const many = Array.from({ length: 30 }, () => command('SET', 'm', Buffer.alloc(70_000, 'm')));
    const raw = Buffer.concat([small, huge, small, ...wide, small, ...many]);
    const pieces: SegmentPiece[] = [];
    for (let at = 0; at < raw.length; at += 100_000) {
      pieces.push({ bytes: raw.subarray(at, at + 100_000), atMs: NOON + at / 100 });
    }
    const { name, endOffset } = await storeSample(log, { pieces });
    const { blocks } = await readSegmentDirectory(log.repository, log.source, name);
    assert.ok(blocks.every((block) => block.rawLength <= (1 << 20) + 200_000));
    const starts = blocks.filter((block) => !block.continues).map((block) => block.startOffset);
    assert.ok(starts.includes(small.length), 'the huge command begins a block');
    const behind = small.length + huge.length;
    const near = starts.some((start) => start >= behind && start <= behind + (64 << 10));
    assert.ok(near, 'and what follows soon another');
    assert.ok(blocks.filter((block) => block.continues).length >= 3);
    assert.equal(blocks.at(-1)?.database, 5);
    const read = await readAll(log, 0, endOffset);
    assert.ok(Buffer.from(read.map(([text]) => text).join(''), 'latin1').equals(raw));
    const [[text]] = await readAll(log, small.length + 7, small.length + 20);
    assert.equal(text, huge.toString('latin1', 7, 20));
  });

  test('store a segment twice as one, and never other bytes in its place', async () => {
    const log = await sampleLog();
    const pieces = [{ bytes: command('SET', 'a', '1'), atMs: NOON }];
    const first = await storeSample(log, { pieces });
    assert.deepEqual(await storeSample(log, { pieces }), first);
    const others = [{ bytes: command('SET', 'a', '2'), atMs: NOON }];
    await assert.rejects(storeSample(log, { pieces: others }), { code: 'OBJECT_EXISTS' });
  });

  test('refuse a stream that ends within a command or transaction, or is none', async () => {
    const log = await sampleLog();
    for (const raw of [
      Buffer.concat([command('MULTI'), command('SET', 'a', '1')]),
      command('SET', 'a', '1').subarray(0, 12),
      Buffer.from('PING\r\n'),
    ]) {
      const stored = storeSample(log, { pieces: [{ bytes: raw, atMs: NOON }] });
      await assert.rejects(stored, { code: 'STREAM_CORRUPT' });
    }
    assert.deepEqual((await readSample(log)).segments, []);
  });

  test('compare what overlapping segments both have', async () => {
    const commands = Array.from({ length: 6 }, (_, i) => command('SET', `k${i}`, 'v'));
    const size = commands[0].length;
    const log = await sampleLog();
    const store = async (from: number, to: number) => {
      const pieces = [{ bytes: Buffer.concat(commands.slice(from, to)), atMs: NOON + from * 10 }];
      await storeSample(log, { startOffset: from * size, pieces });
    };
    await store(0, 3);
    await store(1, 2);
    await store(2, 6);
    const lineage = await readSample(log);
    assert.deepEqual(
      lineage.segments.map((segment) => segment.startOffset / size),
      [0, 2],
    );
    assert.equal(lineage.covered.length, 1);
    assert.equal(lineage.runs.length, 1);
    const read = await readAll(log, 0, 6 * size);
    assert.equal(read.map(([text]) => text).join(''), Buffer.concat(commands).toString('latin1'));
    const within = await readAll(log, 2 * size + 3, 4 * size);
    assert.equal(within.map(([text]) => text).join('').length, 2 * size - 3);

    const differing = await sampleLog();
    commands[2] = command('SET', 'k2', 'w');
    await storeSample(differing, {
      pieces: [{ bytes: Buffer.concat(commands.slice(0, 3)), atMs: NOON }],
    });
    await storeSample(differing, {
      startOffset: 2 * size,
      pieces: [{ bytes: Buffer.concat([command('SET', 'k2', 'v'), commands[3]]), atMs: NOON + 5 }],
    });
    await assert.rejects(readAll(differing, 0, 4 * size), { code: 'OBJECT_CORRUPT' });
    assert.equal((await readAll(differing, 0, 3 * size)).length, 1, 'the first alone is whole');
  });

  test('read nothing that is not stored', async () => {
    const log = await sampleLog(10);
    await storeSample(log, { pieces: [{ bytes: command('PING'), atMs: NOON }] });
    const lineage = await readSample(log);
    for (const [from, to] of [
      [9, 12],
      [12, 25],
      [30, 40],
    ]) {
      const stream = readLogStream(log.repository, lineage, from, to);
      await assert.rejects(stream.next(), { code: 'INSTANT_UNREACHABLE' });
    }
    assert.equal((await readLogStream(log.repository, lineage, 12, 12).next()).done, true);
  });
});
