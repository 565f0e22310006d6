import assert from 'node:assert/strict';
import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../base/index.ts';
import { encodeCommand } from '../../resp/index.ts';
import { ClosedReader } from './read-closed.ts';
import { readFileEnd, settleFile } from './settle-file.ts';
import { ShardSpool } from './shard-spool.ts';
import type { SpoolHeader } from './spool-header.ts';

const HEADER: SpoolHeader = {
  lineage: {
    lineage: '20261122t123000z-b4c269a4',
    shard: '00000',
    startedAt: '2026-11-22T12:30:00.000Z',
    startOffset: 1000,
    replid: 'b4c269a4254990a6b2f3d7850b7b34439fab1167',
    server: { family: 'redis', version: '7.0.15' },
    databases: 16,
    gap: null,
  },
  startOffset: 1000,
  database: 3,
  replid: 'b4c269a4254990a6b2f3d7850b7b34439fab1167',
  lastMs: 5000,
};

/** A SELECT, a SET, and a transaction; `cuts` are the offsets behind which recording can go on. */
const COMMANDS = [
  ['SELECT', '5'],
  ['SET', 'key', 'a value\r\n*1\r\n'],
  ['MULTI'],
  ['INCR', 'n'],
  ['EXEC'],
  ['PING'],
].map((words) => encodeCommand(words));
const STREAM = Buffer.concat(COMMANDS);
const CUTS = (() => {
  const cuts = [1000];
  let at = 1000;
  for (const [index, command] of COMMANDS.entries()) {
    at += command.length;
    if (index !== 2 && index !== 3) cuts.push(at);
  }
  return cuts;
})();

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-spool-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function openSpool(folder: string): { spool: ShardSpool; failures: Error[] } {
  const failures: Error[] = [];
  const spool = new ShardSpool(folder, systemClock, {
    onClosed: () => {},
    onDurable: () => {},
    onFailed: (error) => failures.push(error),
  });
  return { spool, failures };
}

async function contents(spool: ShardSpool): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (const file of spool.closed) {
    const reader = await ClosedReader.open(file);
    for await (const some of reader.pieces()) {
      for (const { bytes } of some) pieces.push(Buffer.from(bytes));
    }
    await reader.close();
  }
  return Buffer.concat(pieces);
}

/** The stream in an open file, byte by byte in records of different times. */
async function writeStream(folder: string): Promise<string> {
  const { spool, failures } = openSpool(folder);
  assert.equal(await spool.recover(), null);
  spool.begin(HEADER);
  for (let at = 0; at < STREAM.length; at += 7) {
    const end = Math.min(STREAM.length, at + 7);
    spool.append(STREAM, at, end, 6000 + Math.floor(at / 14), at < 20 ? 5500 : 0);
  }
  await spool.sync();
  await spool.shut();
  assert.deepEqual(failures, []);
  return join(folder, '0000000001.open');
}

test('settleFile brings a file to its last cut, wherever its end was lost', async (t) => {
  const folder = folderFor(t);
  const path = await writeStream(folder);
  const whole = await readFileEnd(path);
  assert.deepEqual([whole.offset, whole.database], [1000 + STREAM.length, 5]);
  const copy = join(folder, 'copy');
  let seen = 1000;
  for (let size = 500; size <= statSync(path).size; size++) {
    copyFileSync(path, copy);
    truncateSync(copy, size);
    const end = await settleFile(copy);
    assert.ok(CUTS.includes(end.offset) && end.offset >= seen, `offset ${end.offset} at ${size}`);
    assert.equal(end.database, end.offset === 1000 ? 3 : 5);
    seen = end.offset;
    // What is left is whole: settled once more, nothing changes.
    const { size: settledSize } = statSync(copy);
    assert.deepEqual(await settleFile(copy), end);
    assert.equal(statSync(copy).size, settledSize);
  }
  assert.equal(seen, 1000 + STREAM.length);
});

test('settleFile ends before damage in the middle', async (t) => {
  const folder = folderFor(t);
  const path = await writeStream(folder);
  const copy = join(folder, 'copy');
  const bytes = readFileSync(path);
  const from = bytes.indexOf('SELECT');
  for (let at = from; at < bytes.length; at += 5) {
    const damaged = Buffer.from(bytes);
    damaged[at] ^= 0x40;
    writeFileSync(copy, damaged);
    const end = await settleFile(copy);
    assert.ok(CUTS.includes(end.offset) && end.offset < 1000 + STREAM.length);
  }
});

test('ShardSpool gives back what was rolled, in order, with times and names', async (t) => {
  const folder = folderFor(t);
  const { spool, failures } = openSpool(folder);
  await spool.recover();
  spool.begin(HEADER);
  const half = CUTS[2] - 1000;
  spool.append(STREAM, 0, half, 6000, 5500);
  spool.roll({ ...HEADER, startOffset: CUTS[2], database: 5, lastMs: 6000 });
  spool.noteReplid('c'.repeat(40));
  spool.append(STREAM, half, STREAM.length, 7000, 0);
  spool.noteBracket(7100, 1000 + STREAM.length);
  await spool.sync();
  await spool.shut();
  const again = openSpool(folder).spool;
  const state = await again.recover();
  assert.deepEqual(failures, []);
  assert.equal(state?.offset, 1000 + STREAM.length);
  assert.equal(state?.replid, 'c'.repeat(40));
  assert.equal(state?.lastMs, 7000);
  assert.ok((await contents(again)).equals(STREAM));
  const [first, second] = again.closed;
  assert.deepEqual(
    [first.startOffset, first.endOffset, second.endOffset],
    [1000, CUTS[2], 1000 + STREAM.length],
  );
  const reader = await ClosedReader.open(second);
  for await (const pieces of reader.pieces()) assert.ok(pieces.length > 0);
  const { replids, brackets, header } = reader;
  await reader.close();
  assert.equal(header.database, 5);
  assert.deepEqual(replids, [
    { offset: CUTS[2], replid: HEADER.replid },
    { offset: CUTS[2], replid: 'c'.repeat(40) },
  ]);
  assert.deepEqual(brackets, [{ offset: 1000 + STREAM.length, ms: 7100 }]);
  for (const file of again.closed) await again.remove(file);
  assert.deepEqual([again.bytes, readdirSync(folder)], [0, []]);
});

test('ShardSpool remembers where to go on when nothing has arrived yet', async (t) => {
  const folder = folderFor(t);
  for (let round = 0; round < 3; round++) {
    const { spool } = openSpool(folder);
    const state = await spool.recover();
    assert.equal(state?.offset ?? 1000, 1000);
    assert.equal(spool.closed.length, 0);
    spool.begin(HEADER);
    await spool.sync();
    await spool.shut();
  }
  // One file tells it, however often it was begun.
  assert.ok(readdirSync(folder).length <= 2);
  const { spool } = openSpool(folder);
  assert.equal((await spool.recover())?.database, 3);
});

test('ShardSpool ignores a file that was never begun, and what is no file of its', async (t) => {
  const folder = folderFor(t);
  await writeStream(folder);
  appendFileSync(join(folder, '0000000002.open'), 'TMSP');
  appendFileSync(join(folder, 'lock-1'), '{}');
  const { spool } = openSpool(folder);
  assert.equal((await spool.recover())?.offset, 1000 + STREAM.length);
  assert.ok((await contents(spool)).equals(STREAM));
});

test('ShardSpool ends a lineage at its last cut when another begins', async (t) => {
  const folder = folderFor(t);
  const { spool, failures } = openSpool(folder);
  await spool.recover();
  spool.begin(HEADER);
  spool.append(STREAM, 0, CUTS[3] - 1000 - 3, 6000, 0);
  const lineage = { ...HEADER.lineage, lineage: '20261122t123001z-cccccccc', startOffset: 9 };
  spool.begin({ ...HEADER, lineage, startOffset: 9 });
  await spool.sync();
  assert.deepEqual(failures, []);
  assert.equal(spool.closed.length, 1);
  assert.equal(spool.closed[0].endOffset, CUTS[2]);
  await spool.shut();
});

test('ShardSpool says that its disk fails, once, and takes nothing more', async (t) => {
  const folder = folderFor(t);
  const { spool, failures } = openSpool(folder);
  await spool.recover();
  rmSync(folder, { recursive: true });
  spool.begin(HEADER);
  spool.append(STREAM, 0, STREAM.length, 6000, 0);
  await spool.sync();
  await spool.sync();
  assert.equal(failures.length, 1);
  await spool.shut();
});
