import assert from 'node:assert/strict';
import {
  findSource,
  type LineageLog,
  readLogStream,
  readShardLogs,
  type Repository,
} from '../../src/repository/index.ts';
import type { RawReplica } from '../support/raw-replica.ts';
import type { RespPipe } from '../support/resp-pipe.ts';

/** What the repository holds of the log of the source `it`, oldest lineage first. */
export async function storedLineages(repository: Repository): Promise<readonly LineageLog[]> {
  const source = await findSource(repository, 'it');
  const logs = await readShardLogs(repository, source.id);
  assert.deepEqual(
    logs.flatMap(({ findings }) => findings),
    [],
  );
  return logs.flatMap(({ lineages }) => lineages);
}

export async function storedBytes(
  repository: Repository,
  lineage: LineageLog,
  from: number,
  to: number,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const { bytes } of readLogStream(repository, lineage, from, to)) {
    pieces.push(Buffer.from(bytes));
  }
  return Buffer.concat(pieces);
}

/**
 * The one run of a lineage holds, byte for byte, what an independent replica received, from where
 * both begin up to `end`; gives how many bytes that were.
 */
export async function proveSame(
  repository: Repository,
  lineage: LineageLog,
  replica: RawReplica,
  end: number,
): Promise<number> {
  assert.equal(lineage.runs.length, 1, 'the lineage has a hole');
  assert.ok(lineage.lastOffset >= end, `recorded to ${lineage.lastOffset} of ${end}`);
  await replica.reached(end);
  const from = Math.max(lineage.record.startOffset, replica.startOffset);
  const stored = await storedBytes(repository, lineage, from, end);
  const received = Buffer.concat(replica.pieces.map(({ bytes }) => bytes));
  const expected = received.subarray(from - replica.startOffset, end - replica.startOffset);
  assert.ok(stored.equals(expected), `other bytes than the replica received from ${from} on`);
  return end - from;
}

/** The offset of a server, now. */
export async function offsetOf(pipe: RespPipe): Promise<number> {
  const info = String(await pipe.call('INFO', 'replication'));
  return Number(/master_repl_offset:(\d+)/.exec(info)?.[1]);
}

/** Writes of several kinds, databases and sizes; resolves when they are answered. */
export async function writeSome(
  pipe: RespPipe,
  count: number,
  seed = 1,
  expiring = true,
): Promise<void> {
  for (let i = 0; i < count; i++) {
    const n = seed * 100_000 + i;
    if (i % 50 === 0) pipe.pipe('SELECT', n % 16);
    if (i % 7 === 0) {
      pipe.pipe('MULTI');
      pipe.pipe('INCR', `counter:${n % 9}`);
      pipe.pipe('RPUSH', `list:${n % 5}`, `\r\n*3\r\n$3\r\nSET${n}`);
      pipe.pipe('EXEC');
    } else if (i % 97 === 0) pipe.pipe('SET', `big:${n}`, Buffer.alloc(20_000, n & 255));
    else if (expiring) pipe.pipe('SET', `key:${n}`, `value ${n}`, 'PX', 1000 + (n % 1000));
    else pipe.pipe('SET', `key:${n}`, `value ${n}`);
  }
  await pipe.done();
}
