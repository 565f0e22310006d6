import { type EntrySelection, EntrySelector } from '../entries/index.ts';
import type { BlockRecord } from './data-file/data-file-format.ts';
import { type DataFileReader, openDataFile } from './data-file/data-file-reader.ts';
import { keySlot, murmur3, slotRange } from './data-file/key-hash.ts';
import type { Manifest } from './records/manifest.ts';
import type { Repository } from './repository.ts';

/** A block that may hold wanted keys, and the parts of its last key that lie in further blocks. */
export type PlannedBlock = {
  readonly file: DataFileReader;
  readonly index: number;
  readonly block: BlockRecord;
};

/**
 * The blocks of a backup in which selected keys can lie, in the order in which they were written:
 * the databases are known by the directories, single keys by slot range and filter. Reads the
 * directory of each file when its turn comes.
 */
export async function* planBlocks(
  repository: Repository,
  manifest: Manifest,
  selection: EntrySelection,
  signal?: AbortSignal,
): AsyncGenerator<PlannedBlock> {
  const selector = new EntrySelector(selection);
  for (const record of manifest.files) {
    if (record.kind !== 'entries') continue;
    const file = await openDataFile(repository.storage, record, signal);
    const wanted = await wantedByKey(file, selection, signal);
    for (const [index, block] of file.blocks.entries()) {
      if (!selector.wantsDatabase(block.database)) continue;
      if (wanted !== undefined && !wanted.has(index)) continue;
      yield { file, index, block };
    }
  }
}

/** Where only exact keys are wanted: the blocks that may hold one. */
async function wantedByKey(
  file: DataFileReader,
  selection: EntrySelection,
  signal?: AbortSignal,
): Promise<ReadonlySet<number> | undefined> {
  if (selection.keys === undefined || selection.match !== undefined) return undefined;
  const wanted = new Set<number>();
  for (const key of selection.keys) {
    const range = slotRange(keySlot(key, 0, key.length), file.slotRanges);
    const hash = murmur3(key, 0, key.length);
    for (const index of await file.candidateBlocks(hash, range, signal)) wanted.add(index);
  }
  return wanted;
}
