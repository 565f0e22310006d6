import { zstdDecompressSync } from 'node:zlib';
import {
  BackupWriter,
  beginLineage,
  ensureSource,
  type LineageLog,
  type LineageRecord,
  type Manifest,
  type NewLineage,
  openRepository,
  readSegmentDirectory,
  readShardLogs,
  type Repository,
  type SegmentInput,
  type SegmentPiece,
  type SegmentDirectory,
  storeSegment,
} from '../../src/repository/index.ts';
import type { Storage } from '../../src/storage/index.ts';
import { MemoryStorage } from './memory-storage.ts';
import { sampleFacts, smallBlock } from './sample-backup.ts';

export const REPLID = 'a'.repeat(40);
export const SHARD = '00000';
export const NOON = Date.parse('2026-11-22T12:00:00.000Z');

/** One command as it is sent. */
export function command(...args: (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = Buffer.from(arg);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

export async function* piecesOf(pieces: readonly SegmentPiece[]): AsyncGenerator<SegmentPiece> {
  for (const piece of pieces) yield piece;
}

/** A repository with one source and a lineage in it. */
export type LogPlace = {
  readonly repository: Repository;
  readonly source: string;
  readonly lineage: LineageRecord;
};

export type SampleLog = LogPlace & { readonly storage: MemoryStorage };

/** An empty repository in memory with one source and the beginning of one lineage. */
export async function sampleLog(startOffset = 0): Promise<SampleLog> {
  const storage = new MemoryStorage();
  return { storage, ...(await beginSample(storage, startOffset)) };
}

/** The same in any storage. What it writes is always the same. */
export async function beginSample(storage: Storage, startOffset = 0): Promise<LogPlace> {
  const clock = { now: () => NOON, monotonic: () => 0 };
  const random = (count: number) => Buffer.alloc(count, 7);
  const repository = await openRepository(storage, { mode: 'write', clock, random });
  const description = { name: 'orders', kind: 'standalone', marks: [] } as const;
  const source = (await ensureSource(repository, description)).id;
  const lineage = await beginLineage(repository, source, sampleLineage(startOffset));
  return { repository, source, lineage };
}

export function sampleLineage(startOffset = 0, atMs = NOON): NewLineage {
  return {
    shard: SHARD,
    startedAt: new Date(atMs).toISOString(),
    startOffset,
    replid: REPLID,
    server: { family: 'redis', version: '7.0.15' },
    databases: 16,
    gap: null,
  };
}

/** A backup of one key that stands at an offset of the sample's history. */
export async function storeBase(
  { repository, source }: LogPlace,
  offset: number,
  atMs = NOON,
  replid = REPLID,
): Promise<Manifest> {
  const keys = [{ db: 0, key: 'base' }];
  const writer = await BackupWriter.begin(repository, source, { slotRanges: 1 });
  await writer.shard(SHARD).append(smallBlock(keys));
  const facts = sampleFacts(keys, [SHARD]);
  const snapshotAt = new Date(atMs).toISOString();
  const shards = facts.shards.map((shard) => ({
    ...shard,
    replication: { replid, offset },
    snapshotAt,
  }));
  return await writer.commit({
    ...facts,
    startedAt: snapshotAt,
    snapshotAt,
    endedAt: snapshotAt,
    shards,
  });
}

/** Stores one segment of the sample. */
export async function storeSample(
  { repository, source, lineage }: LogPlace,
  input: Partial<Omit<SegmentInput, 'pieces'>> & { pieces: readonly SegmentPiece[] },
): Promise<SegmentDirectory> {
  return await storeSegment(repository, source, {
    shard: SHARD,
    lineage: lineage.lineage,
    startOffset: lineage.startOffset,
    database: 0,
    replids: [{ offset: lineage.startOffset, replid: REPLID }],
    predecessor: null,
    ...input,
    pieces: piecesOf(input.pieces),
  });
}

/** The first lineage as it is stored. */
export async function readSample({ repository, source }: LogPlace): Promise<LineageLog> {
  const [shard] = await readShardLogs(repository, source);
  return shard.lineages[0];
}

/** What `zstd -dc` gives of a stored segment. */
export async function readText(log: SampleLog, name: string): Promise<string> {
  const { blocks } = await readSegmentDirectory(log.repository, log.source, name);
  const { bytes } = log.storage.objects.get(name)!;
  const texts = blocks.map(({ offset, storedLength }) =>
    zstdDecompressSync(bytes.subarray(offset, offset + storedLength)).toString('latin1'),
  );
  return texts.join('');
}
