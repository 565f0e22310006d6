import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LineageRecord } from '../repository/index.ts';
import { encodeCommand } from '../resp/index.ts';
import { LogTail } from './log-tail.ts';
import type { SpoolHeader } from './spool/spool-header.ts';
import type { ShardSpool } from './spool/shard-spool.ts';

const LINEAGE: LineageRecord = {
  lineage: '20261122t123000z-b4c269a4',
  shard: '00000',
  startedAt: '2026-11-22T12:30:00.000Z',
  startOffset: 0,
  replid: 'b4c269a4254990a6b2f3d7850b7b34439fab1167',
  server: { family: 'redis', version: '7.0.15' },
  databases: 16,
  gap: null,
};
const START_MS = Date.parse(LINEAGE.startedAt);

/** A tail over a spool that keeps what it is given, file by file. */
function scene() {
  const files: { header: SpoolHeader; bytes: Buffer[]; atMs: number[]; sinceMs: number[] }[] = [];
  let nowMs = START_MS;
  const clock = { now: () => nowMs, monotonic: () => nowMs };
  const begin = (header: SpoolHeader): void => {
    files.push({ header, bytes: [], atMs: [], sinceMs: [] });
  };
  const spool = {
    begin,
    roll: begin,
    append: (buffer: Buffer, start: number, end: number, atMs: number, sinceMs: number) => {
      const file = files[files.length - 1];
      file.bytes.push(Buffer.from(buffer.subarray(start, end)));
      file.atMs.push(atMs);
      file.sinceMs.push(sinceMs);
    },
    noteReplid: () => {},
    get openBytes() {
      return Buffer.concat(files[files.length - 1].bytes).length;
    },
  };
  const bounds = { segmentBytes: 200, segmentMs: 1000, idleSegmentMs: 5000 };
  const tail = new LogTail(spool as unknown as ShardSpool, clock, bounds);
  tail.beginLineage(LINEAGE, 0);
  const take = (bytes: Buffer): void => tail.take(bytes, 0, bytes.length);
  const pass = (ms: number): void => void (nowMs += ms);
  return { files, tail, take, pass };
}

const command = (...words: string[]): Buffer => encodeCommand(words);

test('LogTail ends files between commands and outside transactions only', () => {
  const { files, tail, take } = scene();
  const stream = Buffer.concat([
    command('SELECT', '4'),
    command('SET', 'a', 'x'.repeat(300)),
    command('MULTI'),
    ...Array.from({ length: 20 }, (_, i) => command('INCR', `n${i}`)),
    command('EXEC'),
    command('SET', 'b', '1'),
    command('SET', 'c', 'y'.repeat(300)),
    command('SET', 'd', '1'),
  ]);
  for (let at = 0; at < stream.length; at += 11) take(stream.subarray(at, at + 11));
  assert.ok(Buffer.concat(files.flatMap(({ bytes }) => bytes)).equals(stream));
  assert.ok(files.length >= 3);
  for (const [index, { header, bytes }] of files.entries()) {
    const text = Buffer.concat(bytes).toString('latin1');
    if (index > 0) assert.equal(header.database, 4);
    assert.ok(text === '' || text.startsWith('*'), `file ${index} begins within a command`);
    assert.equal(text.includes('MULTI'), text.includes('EXEC'), 'a transaction was torn');
  }
  assert.equal(tail.cut, stream.length);
});

test('LogTail closes an old file although nothing arrives, and one of keepalives later', () => {
  const { files, tail, take, pass } = scene();
  take(command('PING'));
  pass(1500);
  tail.rollIfDue();
  assert.equal(files.length, 1, 'keepalives alone are no segment yet');
  take(command('SET', 'a', '1'));
  pass(10);
  tail.rollIfDue();
  assert.equal(files.length, 2);
  take(command('REPLCONF', 'GETACK', '*'));
  assert.equal(tail.wasAsked, true);
  pass(5001);
  tail.rollIfDue();
  assert.equal(files.length, 3);
  tail.rollIfDue();
  assert.equal(files.length, 3, 'an empty file is not closed');
});

test('LogTail marks what comes late until the source has been caught up with', () => {
  const { files, tail, take, pass } = scene();
  take(command('SET', 'a', '1'));
  pass(700);
  tail.arrivals.beginLate(tail.arrivals.lastMs);
  take(command('SET', 'a', '2'));
  tail.arrivals.endLate(tail.offset);
  take(command('SET', 'a', '3'));
  assert.deepEqual(files[0].sinceMs, [0, START_MS, 0]);
  assert.deepEqual(files[0].atMs, [START_MS, START_MS + 700, START_MS + 700]);
});

test('LogTail holds the time when the clock steps back, and says since when', () => {
  const { files, tail, take, pass } = scene();
  take(command('SET', 'a', '1'));
  pass(-60_000);
  take(command('SET', 'a', '2'));
  take(command('SET', 'a', '3'));
  pass(62_001);
  take(command('SET', 'a', '4'));
  const held = START_MS + 2000;
  assert.deepEqual(
    files.flatMap(({ atMs }) => atMs),
    [START_MS, held, held, held + 1],
  );
  assert.deepEqual(
    files.flatMap(({ sinceMs }) => sinceMs),
    [0, START_MS - 60_000, START_MS - 60_000, 0],
  );
  assert.equal(tail.arrivals.steps, 1);
});

test('LogTail holds behind whatever the clock has shown before it stepped back', () => {
  const { files, tail, take, pass } = scene();
  take(command('SET', 'a', '1'));
  pass(5000);
  tail.arrivals.look();
  pass(-60_000);
  take(command('SET', 'a', '2'));
  assert.deepEqual(
    files.flatMap(({ atMs }) => atMs),
    [START_MS, START_MS + 7000],
  );
});

test('LogTail takes nothing of bytes that are no commands', () => {
  const { files, tail, take } = scene();
  take(command('SET', 'a', '1'));
  const before = tail.cut;
  assert.throws(() => take(Buffer.from('HELLO\r\n')), { code: 'STREAM_CORRUPT' });
  assert.equal(Buffer.concat(files[0].bytes).length, before);
});
