import { CommandReader, isControl } from '../commands/index.ts';
import {
  type LineageLog,
  readLogStream,
  readSegmentDirectory,
  type Repository,
  type SegmentBlock,
} from '../repository/index.ts';

/** A command that changes data. */
export type LastCommand = {
  /** Upper case. */
  readonly name: string;
  readonly offset: number;
  readonly database: number;
  /** Its arrival, Unix milliseconds. */
  readonly atMs: number;
};

/** So far back it is looked for; behind a longer stretch of PINGs it is not worth the reading. */
const MAX_BLOCKS = 8;

/** The last command before a cut that is no PING or SELECT, not further back than `fromOffset`. */
export async function findLastCommand(
  repository: Repository,
  lineage: LineageLog,
  fromOffset: number,
  cut: number,
  signal?: AbortSignal,
): Promise<LastCommand | null> {
  let end = cut;
  let looked = 0;
  for (const segment of lineage.segments.toReversed()) {
    if (segment.startOffset >= end) continue;
    if (segment.endOffset <= fromOffset) return null;
    const { name, size } = segment;
    const { blocks } = await readSegmentDirectory(repository, lineage.source, name, size, signal);
    for (const block of blocks.toReversed()) {
      if (block.startOffset >= end || block.continues) continue;
      if (end <= fromOffset || looked++ === MAX_BLOCKS) return null;
      const found = await lastIn(repository, lineage, block, end, signal);
      if (found !== null) return found.offset >= fromOffset ? found : null;
      end = block.startOffset;
    }
  }
  return null;
}

async function lastIn(
  repository: Repository,
  lineage: LineageLog,
  { startOffset, database }: SegmentBlock,
  end: number,
  signal: AbortSignal | undefined,
): Promise<LastCommand | null> {
  const reader = new CommandReader({ offset: startOffset, database });
  let last: LastCommand | null = null;
  for await (const { bytes, atMs } of readLogStream(
    repository,
    lineage,
    startOffset,
    end,
    signal,
  )) {
    reader.push(bytes, 0, bytes.length, ({ name, offset, database }) => {
      if (!isControl(name)) last = { name, offset, database, atMs };
    });
  }
  return last;
}
