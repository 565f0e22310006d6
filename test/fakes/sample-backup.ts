import {
  type BackupFacts,
  BackupWriter,
  type DataBlock,
  ensureSource,
  EVERYTHING,
  filterOf,
  keySlot,
  type Manifest,
  murmur3,
  type Repository,
  sealBlock,
  shardId,
  slotRange,
} from '../../src/repository/index.ts';

/** A key of a sample: `parts` above 1 makes it a big one, a block per part. */
export type SampleKey = { readonly db: number; readonly key: string; readonly parts?: number };

export const SAMPLE_KEYS: readonly SampleKey[] = [
  { db: 0, key: 'user:1' },
  { db: 0, key: 'user:2' },
  { db: 0, key: 'with "quotes" and \\' },
  { db: 0, key: 'base64:no' },
  { db: 0, key: 'big', parts: 3 },
  { db: 0, key: 'last' },
  { db: 3, key: 'ключ' },
];

/** The lines of one key as the format has them: `text:` in front of what looks like a prefix. */
function linesOf({ db, key, parts = 1 }: SampleKey): string[] {
  const text = JSON.stringify(/^(base64|text):/.test(key) ? `text:${key}` : key);
  const head = `{"db":${db},"key":${text},"type":"string"`;
  if (parts === 1) return [`${head},"value":"v"}\n`];
  return Array.from({ length: parts }, (_, part) => {
    const more = part < parts - 1 ? ',"more":true' : '';
    const size = part === 0 ? `,"bytes":${parts}` : '';
    return `${head},"part":${part}${more}${size},"value":"v"}\n`;
  });
}

/** A block of whole small keys of one database and range. */
export function smallBlock(keys: readonly SampleKey[], slotRanges = 1): DataBlock {
  const bytes = keys.map(({ key }) => Buffer.from(key));
  const raw = Buffer.from(keys.flatMap(linesOf).join(''));
  const slot = keySlot(bytes[0], 0, bytes[0].length);
  return {
    ...sealBlock(raw),
    db: keys[0].db,
    range: slotRange(slot, slotRanges),
    entries: keys.length,
    filter: filterOf(Uint32Array.from(bytes, (key) => murmur3(key, 0, key.length))),
  };
}

/** The blocks of one big key, one per part. */
export function bigBlocks(key: SampleKey, slotRanges = 1): DataBlock[] {
  const lines = linesOf(key);
  const model = smallBlock([{ db: key.db, key: key.key }], slotRanges);
  return lines.map((line, part) => ({
    ...model,
    ...sealBlock(Buffer.from(line)),
    entries: part === 0 ? 1 : 0,
    filter: part === 0 ? model.filter : null,
    firstPart: part === 0,
    continues: part > 0,
  }));
}

/** One block per key, or several for a big one. */
export function sampleBlocks(keys: readonly SampleKey[], slotRanges = 1): DataBlock[] {
  return keys.flatMap((key) =>
    key.parts === undefined ? [smallBlock([key], slotRanges)] : bigBlocks(key, slotRanges),
  );
}

export function sampleFacts(keys: readonly SampleKey[], shards: readonly string[]): BackupFacts {
  const time = '2026-11-22T12:30:00.000Z';
  const databases = [...new Set(keys.map((key) => key.db))].sort((a, b) => a - b);
  return {
    consistency: 'point-in-time',
    startedAt: time,
    snapshotAt: time,
    endedAt: time,
    labels: { purpose: 'test' },
    selection: EVERYTHING,
    topology: null,
    shards: shards.map((shard) => ({
      shard,
      slots: [[0, 16383]],
      address: 'db.example:6379',
      role: 'master',
      server: { family: 'redis', version: '7.0.15', runId: 'f'.repeat(40) },
      replication: { replid: 'a'.repeat(40), offset: 12345 },
      lineage: null,
      rdb: { version: 10, checksum: 'verified', bytes: 1000 },
      snapshotAt: time,
    })),
    databases: databases.map((db) => {
      const count = keys.filter((key) => key.db === db).length;
      return { db, keys: count, expiring: 0, expired: 0, types: { string: count } };
    }),
    lossy: {},
  };
}

/** Writes a whole small backup: two shards, an instance record, a big key, two databases. */
export async function writeSampleBackup(
  repository: Repository,
  name = 'sample',
): Promise<Manifest> {
  const source = await ensureSource(repository, { name, kind: 'cluster', marks: ['run:1'] });
  const slotRanges = 4;
  const writer = await BackupWriter.begin(repository, source.id, { slotRanges });
  try {
    const shards = [shardId(0), shardId(8192)];
    const [first, second] = shards;
    for (const block of sampleBlocks(SAMPLE_KEYS, slotRanges)) {
      await writer.shard(first).append(block);
    }
    await writer.shard(second).append(smallBlock([{ db: 0, key: 'other' }], slotRanges));
    await writer.writeInstance(first, [{ type: 'info', value: '# Server' }]);
    const keys = [...SAMPLE_KEYS, { db: 0, key: 'other' }];
    return await writer.commit(sampleFacts(keys, shards));
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
