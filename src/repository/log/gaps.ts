import type { LineageLog, ShardLog } from './lineage-log.ts';

/** A stretch of time of which no state can be restored, because the log has no bytes of it. */
export type LogGap = {
  readonly shard: string;
  /**
   * `lineage`: the source did not let recording go on, and a new lineage began. `stored`: bytes
   * that were recorded are missing in the repository.
   */
  readonly kind: 'lineage' | 'stored';
  /** Where the log breaks off, and where it goes on. */
  readonly from: { readonly lineage: string; readonly offset: number; readonly ms: number };
  readonly to: { readonly lineage: string; readonly offset: number; readonly ms: number };
  /** One sentence. */
  readonly why: string;
};

/** Every gap of every shard, oldest first within a shard. Pure. */
export function findGaps(shardLogs: readonly ShardLog[]): LogGap[] {
  return shardLogs.flatMap(({ shard, lineages }) =>
    lineages
      .flatMap((lineage) => [...gapBefore(shard, lineage, lineages), ...holesIn(shard, lineage)])
      .sort((a, b) => a.from.ms - b.from.ms),
  );
}

function gapBefore(shard: string, lineage: LineageLog, all: readonly LineageLog[]): LogGap[] {
  const { gap, lineage: id, startedAt, startOffset } = lineage.record;
  if (gap === null) return [];
  // What was recorded last may have been lost before it was stored.
  const before = all.find((candidate) => candidate.record.lineage === gap.lineage);
  const stored = before?.lastMs ?? null;
  const isShort = before !== undefined && stored !== null && before.lastOffset < gap.endOffset;
  const from = isShort
    ? { lineage: gap.lineage, offset: before.lastOffset, ms: stored }
    : { lineage: gap.lineage, offset: gap.endOffset, ms: gap.endMs };
  const to = { lineage: id, offset: startOffset, ms: Date.parse(startedAt) };
  return [{ shard, kind: 'lineage', from, to, why: gap.why }];
}

function holesIn(shard: string, { record, runs }: LineageLog): LogGap[] {
  const { lineage } = record;
  return runs.slice(1).map((run, i) => ({
    shard,
    kind: 'stored',
    from: { lineage, offset: runs[i].endOffset, ms: runs[i].lastMs },
    to: { lineage, offset: run.startOffset, ms: run.firstMs },
    why: 'Segments that were stored are missing or damaged',
  }));
}
