import { createHash } from 'node:crypto';
import type { EntrySelection } from '../../entries/index.ts';
import {
  type DataFileReader,
  type Manifest,
  type PlannedBlock,
  planBlocks,
  type Repository,
} from '../../repository/index.ts';

/** A backup that is compared, and where it is. */
export type DiffSide = {
  readonly repository: Repository;
  readonly manifest: Manifest;
  /** It holds all that the comparison's selection wants, whatever selection it was made with. */
  readonly isComplete?: boolean;
};

/** What can be compared as a whole: a block of whole keys, or all the blocks of one long key. */
export type Unit = { readonly blocks: readonly PlannedBlock[]; readonly isLong: boolean };

/** The selected units of a backup, in the order in which they were written. */
export async function* unitsOf(
  { repository, manifest }: DiffSide,
  selection: EntrySelection,
  signal?: AbortSignal,
): AsyncGenerator<Unit> {
  let long: PlannedBlock[] = [];
  for await (const planned of planBlocks(repository, manifest, selection, signal)) {
    if (long.length > 0) {
      if (isNextPart(long[long.length - 1], planned)) {
        long.push(planned);
        continue;
      }
      yield { blocks: long, isLong: true };
      long = [];
    }
    if (planned.block.firstPart) long.push(planned);
    // The rest of a key whose first part was not wanted is passed over.
    else if (!planned.block.continues) yield { blocks: [planned], isLong: false };
  }
  if (long.length > 0) yield { blocks: long, isLong: true };
}

/** Whether a block goes on where another ends: blocks between them may have been left out. */
function isNextPart(last: PlannedBlock, next: PlannedBlock): boolean {
  if (!next.block.continues) return false;
  if (next.file === last.file) return next.index === last.index + 1;
  return next.index === 0 && last.index === last.file.blocks.length - 1;
}

/** Units of the same name hold the same bytes: by SHA-256, cut to 128 bits. */
export function nameOfUnit({ blocks }: Unit): string {
  if (blocks.length === 1) return shortName(blocks[0].block.digest);
  const hash = createHash('sha256');
  for (const { block } of blocks) hash.update(block.digest);
  return shortName(hash.digest());
}

function shortName(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, 16).toString('latin1');
}

/** Whether no key of a file begins before it or goes on behind it, as far as the file tells. */
export function standsAlone({ blocks }: DataFileReader): boolean {
  if (blocks.length === 0) return true;
  const last = blocks[blocks.length - 1];
  return !blocks[0].continues && !last.firstPart && !last.continues;
}
