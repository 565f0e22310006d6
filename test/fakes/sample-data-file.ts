import { type DataBlock, DataFileWriter } from '../../src/repository/data-file/data-file-writer.ts';
import { MemoryStorage } from './memory-storage.ts';

export const NAME = 'sources/s-abc123/data/20261122t123000z-7f3a2c/00000/00001.jsonl.zst';
export const HEADER = {
  repository: '0'.repeat(32),
  source: 's-abc123',
  backup: '20261122t123000z-7f3a2c',
  shard: '00000',
  sequence: 1,
  kind: 'entries',
} as const;

/** A data file of these blocks, alone in a storage. */
export async function writeDataFile(blocks: readonly DataBlock[], slotRanges = 1) {
  const storage = new MemoryStorage();
  const writer = await DataFileWriter.begin(storage, NAME, HEADER, slotRanges);
  for (const block of blocks) await writer.append(block);
  const record = await writer.close();
  return { storage, record, bytes: await storage.read(NAME) };
}
