import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../src/base/index.ts';
import {
  beginLineage,
  ensureSource,
  openRepository,
  type SegmentDirectory,
  storeSegment,
} from '../../src/repository/index.ts';
import { DirectoryStorage } from '../../src/storage/index.ts';
import { encodeCommand, streamBytes } from '../support/stream-bytes.ts';
import { runHere } from './fake-terminal.ts';

const NOON = Date.parse('2026-11-22T12:00:00.000Z');
const REPLID = 'c'.repeat(40);

let folder = '';
let segment: SegmentDirectory;

/** Runs a command on the repository, whose machine has it one hour past noon. */
async function run(...args: readonly string[]) {
  const clock = { ...systemClock, now: () => NOON + 3_600_000 };
  return await runHere([...args, '--repo', folder], { clock });
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-log-'));
  const storage = new DirectoryStorage(folder);
  const repository = await openRepository(storage, { mode: 'write' });
  const { id } = await ensureSource(repository, { name: 'shop', kind: 'standalone', marks: [] });
  const place = { shard: '00000', startOffset: 1000 };
  const { lineage } = await beginLineage(repository, id, {
    ...place,
    startedAt: new Date(NOON).toISOString(),
    replid: REPLID,
    server: { family: 'valkey', version: '9.1.0' },
    databases: 16,
    gap: null,
  });
  async function* pieces() {
    const esc = Buffer.from('\u001b[31m');
    yield { bytes: streamBytes('SET user:1 Ann', 'PING'), atMs: NOON };
    yield { bytes: streamBytes('MULTI', 'INCR n', 'DEL cart:7', 'EXEC'), atMs: NOON + 1500 };
    yield { bytes: encodeCommand(['SET', 'esc', esc]), atMs: NOON + 2000 };
    yield { bytes: streamBytes('SELECT 2', 'FLUSHDB', 'SELECT 0', 'FLUSHALL'), atMs: NOON + 3000 };
    yield { bytes: encodeCommand(['SET', 'big', 'x'.repeat(5000)]), atMs: NOON + 4000 };
  }
  segment = await storeSegment(repository, id, {
    ...place,
    lineage,
    database: 0,
    replids: [{ offset: 1000, replid: REPLID }],
    predecessor: null,
    pieces: pieces(),
  });
});

after(() => rmSync(folder, { recursive: true, force: true }));

describe('tidemark log', () => {
  test('prints the recorded commands, those of a transaction together', async () => {
    const { status, stdout, stderr } = await run('log');
    assert.equal(status, 0, stderr);
    const lines = stdout.split('\n');
    assert.match(lines[0], /^shop \(shop-\w+\)$/);
    const commands = lines.slice(1).map((line) => /db\d+ {2}(.*)$/.exec(line)?.[1] ?? line);
    const [{ id: flushdb }, { id: flushall }] = segment.marks;
    assert.deepEqual(commands, [
      'SET user:1 Ann',
      'MULTI',
      '  INCR n',
      '  DEL cart:7',
      String.raw`SET esc "\u001b[31m"`,
      `FLUSHDB   (mark:${flushdb})`,
      `FLUSHALL   (mark:${flushall})`,
      `SET big "${'x'.repeat(100)}"… (5,000 bytes)`,
      '7 commands',
      '',
    ]);
    assert.match(lines[1], /:00\.000 +1000 {2}db0 {2}SET/);
    assert.match(lines[3], /:01\.500 +1063 {2}db0 {4}INCR/);
  });

  test('filters by time, key, command and database, and stops at a limit', async () => {
    const found = async (...args: readonly string[]) => {
      const { status, stdout, stderr } = await run('log', '--json', ...args);
      assert.equal(status, 0, stderr);
      const lines = stdout.split('\n').filter((line) => line !== '');
      return lines.map((line) => (JSON.parse(line) as { command: string }).command).join(' ');
    };
    assert.equal(await found('--match', 'cart:*'), 'DEL FLUSHDB FLUSHALL');
    assert.equal(await found('--match', 'cart:*', '--db', '0'), 'DEL FLUSHALL');
    assert.equal(await found('--command', 'del,incr'), 'INCR DEL');
    assert.equal(await found('--since', '2026-11-22T12:00:02Z', '--limit', '2'), 'SET FLUSHDB');
    assert.equal(
      await found('--since', '-59m59s', '--until', '2026-11-22T12:00:02Z'),
      'INCR DEL SET',
    );
    assert.equal(await found('--since', `mark:${segment.marks[1].id}`), 'FLUSHDB FLUSHALL SET');
    assert.match((await run('log', '--limit', '1')).stdout, /1 command, and more: stopped by/);
    assert.equal((await run('log', '--since', 'soon')).status, 2);
    assert.equal((await run('log', '--source', 'nobody')).status, 1);
  });

  test('prints JSON Lines with everything that is known', async () => {
    const { stdout } = await run('log', '--json', '--command', 'DEL');
    const { shard, lineage } = segment;
    assert.deepEqual(JSON.parse(stdout), {
      kind: 'command',
      at: '2026-11-22T12:00:01.500Z',
      since: null,
      shard,
      lineage,
      offset: 1084,
      endOffset: 1109,
      db: 0,
      command: 'DEL',
      argc: 2,
      args: ['DEL', 'cart:7'],
      transaction: 1048,
      mark: null,
      touches: 'named',
      orphan: false,
    });
  });

  test('lists marks with the way back before them', async () => {
    const { stdout } = await run('log', '--marks');
    const [flushdb, flushall] = segment.marks;
    assert.match(
      stdout,
      new RegExp(`${flushdb.id} .*:03\\.000 +2 +FLUSHDB +${flushdb.startOffset}`),
    );
    assert.match(stdout, new RegExp(`${flushall.id} .* +FLUSHALL +${flushall.startOffset}`));
    assert.match(stdout, new RegExp(`restore --before mark:${flushall.id} --to`));
    const json = await run('log', '--marks', '--json', '--limit', '1');
    assert.equal((JSON.parse(json.stdout) as { id: string }).id, flushdb.id);
  });

  test("says aloud when a time of day is yesterday's", async () => {
    const { stdout, stderr } = await run('log', '--since', '23:59:59');
    assert.match(stderr, /yesterday/);
    assert.match(stdout, /since 2026-11-2\d 23:59:59 local time/);
  });
});

describe('tidemark find --history', () => {
  test('prints the recorded commands that touch the key', async () => {
    const { status, stdout, stderr } = await run('find', 'cart:7', '--history');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /recorded commands:\n.*MULTI\n.*DEL cart:7\n.*FLUSHDB.*\n.*FLUSHALL.*\n/);
    assert.doesNotMatch(stdout, /INCR/);
    const none = await run('find', 'cart:8', '--db', '9', '--history', '--until', '-60m');
    assert.match(none.stdout, /recorded commands:\n {4}none\n/);
    const json = JSON.parse((await run('find', 'user:1', '--history', '--json')).stdout) as {
      sources: { history: { command: string }[]; historyCut: boolean }[];
    };
    const [{ history, historyCut }] = json.sources;
    assert.deepEqual(
      history.map(({ command }) => command),
      ['SET', 'FLUSHDB', 'FLUSHALL'],
    );
    assert.equal(historyCut, false);
  });

  test('looks at no log without the option', async () => {
    assert.doesNotMatch((await run('find', 'cart:7')).stdout, /recorded/);
  });
});
