import type { Repository } from '../repository.ts';
import type { LineageLog } from './lineage-log.ts';
import { checkReachable, groupBlocks, readGroup } from './log-stream.ts';
import { checkStoredBlock, readSegmentDirectory } from './read-segment.ts';
import { corrupt } from './segment-format.ts';

/**
 * Whether the bytes `[fromOffset, toOffset)` of a lineage are all there as they were stored:
 * directories, and every block's digest; nothing is decompressed. `onOffset` is told how far it is.
 * Throws what `readLogStream` throws, but for what only the text shows.
 */
export async function checkLogStored(
  repository: Repository,
  lineage: LineageLog,
  fromOffset: number,
  toOffset: number,
  onOffset: (offset: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  if (fromOffset === toOffset) return;
  checkReachable(lineage, fromOffset, toOffset);
  for (const { name, size, directoryDigest, startOffset, endOffset } of lineage.segments) {
    if (endOffset <= fromOffset || startOffset >= toOffset) continue;
    const directory = await readSegmentDirectory(repository, lineage.source, name, size, signal);
    if (directory.directoryDigest !== directoryDigest) {
      throw corrupt(name, 'it is not the segment that was listed');
    }
    const wanted = directory.blocks.filter(
      (block) => block.endOffset > fromOffset && block.startOffset < toOffset,
    );
    for (const group of groupBlocks(wanted)) {
      signal?.throwIfAborted();
      const bytes = await readGroup(repository, name, group, signal);
      for (const block of group) {
        const at = block.offset - group[0].offset;
        checkStoredBlock(bytes.subarray(at, at + block.storedLength), block, name);
        onOffset(Math.min(block.endOffset, toOffset));
      }
    }
  }
}
