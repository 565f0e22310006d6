import { FastTranscoder } from '../../src/backup/fast-transcoder.ts';
import { Transcoder, type TranscoderOptions } from '../../src/backup/transcoder.ts';
import { CodedError } from '../../src/base/index.ts';
import type { EntrySelection } from '../../src/entries/index.ts';
import { type RdbBatch, RdbBatcher } from '../../src/rdb/index.ts';
import { type DataBlock, openBlock } from '../../src/repository/index.ts';

/** What became of a dump: its blocks with their lines, the counts, and how it ended. */
export type Transcoded = {
  readonly blocks: readonly ReadableBlock[];
  readonly counts: readonly string[];
  readonly error: string | null;
};

type ReadableBlock = {
  readonly db: number;
  readonly range: number;
  readonly entries: number;
  readonly parts: string;
  readonly filter: string | null;
  readonly lines: string;
};

export type TranscodeOptions = {
  readonly slotRanges?: number;
  readonly batchBytes?: number;
  readonly selection?: EntrySelection;
};

/** Transcodes a dump in this thread, by the kernel as far as it goes or without it. */
export function transcodeDump(
  by: 'kernel' | 'typescript',
  rdb: Uint8Array,
  options: TranscodeOptions = {},
): Transcoded {
  const { slotRanges = 1, batchBytes = 1 << 20, selection = {} } = options;
  const blocks: ReadableBlock[] = [];
  const counts: string[] = [];
  const settings: TranscoderOptions = { slotRanges, selection, snapshotAtMs: 1_700_000_000_000 };
  const keep = (block: DataBlock): void => {
    blocks.push(readable(block));
  };
  const transcoder =
    by === 'kernel' ? new FastTranscoder(settings, keep) : new Transcoder(settings, keep);
  let held: RdbBatch[] = [];
  const batcher = new RdbBatcher({
    batchBytes,
    side: {
      aux() {},
      functionLibrary() {},
      moduleAux() {},
      hashTemplate: (record) => transcoder.addTemplates([record]),
    },
    onBatch: (batch) => {
      held.push(batch);
      if (batch.part === 'first' || batch.part === 'middle') return;
      const [first, ...rest] = held as [RdbBatch, ...RdbBatch[]];
      held = [];
      const refill = () => rest.shift()?.bytes;
      const done = transcoder.transcode({ ...first, ...(first.part === 'first' && { refill }) });
      counts.push(describeCounts(done));
    },
  });
  try {
    batcher.push(rdb, 0, rdb.length);
    batcher.finish();
    transcoder.flush();
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return { blocks, counts, error: `${error.code}: ${error.message} (${error.offset})` };
  }
  return { blocks, counts, error: null };
}

function readable(block: DataBlock): ReadableBlock {
  const { db, range, entries, firstPart = false, continues = false, filter } = block;
  return {
    db,
    range,
    entries,
    parts: `${firstPart} ${continues}`,
    filter: filter && `${filter.keys} ${Buffer.from(filter.bits).toString('hex')}`,
    lines: openBlock(block.stored, block).toString('latin1'),
  };
}

function describeCounts(counts: ReturnType<Transcoder['transcode']>): string {
  const databases = counts.databases.map(({ types, ...others }) => [
    ...Object.entries(others),
    ...Object.entries(types).sort(([a], [b]) => (a < b ? -1 : 1)),
  ]);
  return JSON.stringify([counts.scanned, databases]);
}
