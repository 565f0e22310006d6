import type { PlannedBlock } from '../../repository/index.ts';

/** A block of keys of one line each, or the blocks of one key that takes several. */
export type PlannedKeys =
  | { readonly kind: 'block'; readonly planned: PlannedBlock }
  | { readonly kind: 'long'; readonly parts: readonly PlannedBlock[] };

/**
 * Puts the blocks of one key together again. What goes on from a key whose beginning is not among
 * the blocks is left out: that key is not wanted.
 */
export async function* planKeys(blocks: AsyncIterable<PlannedBlock>): AsyncGenerator<PlannedKeys> {
  let parts: PlannedBlock[] = [];
  for await (const planned of blocks) {
    const last = parts.at(-1);
    if (last !== undefined) {
      if (isNextPart(last, planned)) {
        parts.push(planned);
        continue;
      }
      yield { kind: 'long', parts };
      parts = [];
    }
    if (planned.block.firstPart) parts = [planned];
    else if (!planned.block.continues) yield { kind: 'block', planned };
  }
  if (parts.length > 0) yield { kind: 'long', parts };
}

/** Whether a block goes on where another ends: blocks between them may have been left out. */
function isNextPart(last: PlannedBlock, next: PlannedBlock): boolean {
  if (!next.block.continues) return false;
  if (next.file === last.file) return next.index === last.index + 1;
  return next.index === 0 && last.index === last.file.blocks.length - 1;
}
