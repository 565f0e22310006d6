import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { command, NOON, readText, sampleLog, storeSample } from '../../../test/fakes/sample-log.ts';
import { markId } from './mark-id.ts';
import { readLogStream } from './log-stream.ts';
import { readSegmentDirectory } from './read-segment.ts';
import { readShardLogs } from './shard-logs.ts';

const DOCUMENT = new URL('../../../docs/formats/segment.md', import.meta.url);
const FILE = '2026-11-22/00000000000000001000_00000001795348800000.aof.zst';

test('the segment of docs/formats/segment.md is read, for as long as there is version 1', async () => {
  const page = readFileSync(DOCUMENT, 'utf8');
  const [, base64] = /```base64\n([^`]+)```/.exec(page) as RegExpExecArray;
  const bytes = Buffer.from(base64, 'base64');
  const log = await sampleLog(1000);
  const name = `sources/${log.source}/log/00000/${log.lineage.lineage}/${FILE}`;
  log.storage.objects.set(name, { bytes, modifiedAtMs: NOON });
  const [{ lineages, findings }] = await readShardLogs(log.repository, log.source);
  assert.deepEqual(findings, []);
  const [lineage] = lineages;
  const pieces: [string, number][] = [];
  for await (const piece of readLogStream(log.repository, lineage, 1000, 1119)) {
    pieces.push([piece.bytes.toString('latin1'), piece.atMs - NOON]);
  }
  const transaction = [
    command('MULTI'),
    command('SELECT', '3'),
    command('FLUSHDB'),
    command('EXEC'),
  ];
  assert.deepEqual(pieces, [
    [command('SET', 'a', '1').toString('latin1'), 0],
    [Buffer.concat(transaction).toString('latin1'), 1100],
    [command('MY.CMD', 'x').toString('latin1'), 2500],
  ]);
  const [segment] = lineage.segments;
  assert.equal(segment.commands, 3);
  assert.deepEqual(segment.unknownCommands, ['MY.CMD']);
  assert.deepEqual(
    segment.marks.map(({ id, kind, database }) => [id, kind, database]),
    [['612lsn', 'FLUSHDB', 3]],
  );
  const sinceMs = NOON + 1200;
  assert.deepEqual(segment.uncertain, [{ startOffset: 1096, endOffset: 1119, sinceMs }]);
  const directory = await readSegmentDirectory(log.repository, log.source, name);
  assert.deepEqual(directory.brackets, [{ offset: 1031, ms: NOON + 300 }]);
  const shown = page.slice(page.indexOf('Its text is')).split('```')[1];
  const blanks = (await readText(log, name)).replaceAll('\r\n', ' ').trim();
  assert.equal(blanks, shown.replace(/[|\s]+/g, ' ').trim());
});

test('a directory larger than what is read at first, and odd names of commands', async () => {
  const log = await sampleLog();
  const commands = Array.from({ length: 3000 }, () => command('SWAPDB', '0', '1'));
  commands.push(command('XGROUP', 'wh\0at'), command('MY.MODULE', 'x'));
  const pieces = commands.map((bytes, i) => ({ bytes, atMs: NOON + i * 7 }));
  const stored = await storeSample(log, { pieces });
  assert.equal(stored.marks.length, 3000);
  assert.equal(stored.times.length, commands.length);
  assert.deepEqual(stored.unknownCommands, ['XGROUP WH\\x00AT', 'MY.MODULE']);
  assert.equal(new Set(stored.marks.map(({ id }) => id)).size, 3000);
});

test('markId depends on where the mark is, and on nothing else', () => {
  assert.equal(markId('00000', '20261122t120000z-aaaaaaaa', 1065), '612lsn');
  assert.notEqual(markId('00001', '20261122t120000z-aaaaaaaa', 1065), '612lsn');
});
