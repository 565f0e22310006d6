import type {
  LineageRecord,
  LogMark,
  ReplicationId,
  SegmentRecord,
  UncertainSpan,
} from './log-records.ts';

/** An unbroken stretch of a lineage: every byte of it is stored. */
export type LogRun = {
  readonly startOffset: number;
  readonly endOffset: number;
  /** Arrival of its first and last byte. */
  readonly firstMs: number;
  readonly lastMs: number;
};

/** One lineage as far as it is stored. */
export type LineageLog = {
  readonly source: string;
  readonly record: LineageRecord;
  /** The chosen cover in order: each begins where the one before ends, or before that. */
  readonly segments: readonly SegmentRecord[];
  /** Stored as well, and not needed: what longer ones cover. */
  readonly covered: readonly SegmentRecord[];
  /** In order; more than one where a segment is missing or damaged. */
  readonly runs: readonly LogRun[];
  /** Where the stored log ends; the record's start where nothing is stored yet. */
  readonly lastOffset: number;
  /** Arrival of its last byte; null where nothing is stored. */
  readonly lastMs: number | null;
  /** Every id that the history bore, from its offset on. */
  readonly replids: readonly ReplicationId[];
  readonly marks: readonly LogMark[];
  readonly uncertain: readonly UncertainSpan[];
  /** From here on it is an orphan tail: the next lineage's master does not know it. */
  readonly orphanFrom: number | null;
};

/** Something about a log that is not as it should be; the rest is as usable as ever. */
export type LogFinding = {
  readonly code: 'segment-damaged' | 'segment-missing' | 'lineage-damaged' | 'index-damaged';
  readonly object: string;
  readonly message: string;
};

/** Everything recorded of one shard, the oldest lineage first. */
export type ShardLog = {
  readonly shard: string;
  readonly lineages: readonly LineageLog[];
  readonly findings: readonly LogFinding[];
};

/**
 * Makes a lineage of the segments found, in any order: of those that overlap the longest are
 * chosen, and where none begins in time a run ends. Pure.
 */
export function lineageLog(
  source: string,
  record: LineageRecord,
  found: readonly SegmentRecord[],
  orphanFrom: number | null,
): LineageLog {
  const segments = chooseCover(found);
  const chosen = new Set(segments);
  const last = segments.at(-1);
  return {
    source,
    record,
    segments,
    covered: found.filter((segment) => !chosen.has(segment)),
    runs: runsOf(segments),
    lastOffset: last?.endOffset ?? record.startOffset,
    lastMs: last?.lastMs ?? null,
    replids: timelineOf(record, segments),
    marks: inOrder(segments.flatMap((segment) => segment.marks)),
    uncertain: joined(inOrder(segments.flatMap((segment) => segment.uncertain))),
    orphanFrom,
  };
}

/** Longest first: at each place the segment that leads furthest. */
export function chooseCover(found: readonly SegmentRecord[]): SegmentRecord[] {
  const sorted = found.toSorted(
    (a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset || a.firstMs - b.firstMs,
  );
  const cover: SegmentRecord[] = [];
  let end = 0;
  for (let i = 0; i < sorted.length; ) {
    let best: SegmentRecord | undefined;
    if (cover.length === 0 || sorted[i].startOffset > end) {
      best = sorted[i];
      i++;
    } else {
      for (; i < sorted.length && sorted[i].startOffset <= end; i++) {
        if (sorted[i].endOffset > (best?.endOffset ?? end)) best = sorted[i];
      }
    }
    if (best === undefined) continue;
    cover.push(best);
    end = best.endOffset;
  }
  return cover;
}

function runsOf(segments: readonly SegmentRecord[]): LogRun[] {
  const runs: LogRun[] = [];
  for (const { startOffset, endOffset, firstMs, lastMs } of segments) {
    const last = runs.at(-1);
    if (last === undefined || startOffset > last.endOffset) {
      runs.push({ startOffset, endOffset, firstMs, lastMs });
    } else {
      runs[runs.length - 1] = { ...last, endOffset, lastMs: Math.max(last.lastMs, lastMs) };
    }
  }
  return runs;
}

/** A change is told by the segment it falls into, and again as the first id of all later ones. */
function timelineOf(record: LineageRecord, segments: readonly SegmentRecord[]): ReplicationId[] {
  const timeline: ReplicationId[] = [{ offset: record.startOffset, replid: record.replid }];
  for (const { offset, replid } of segments.flatMap((segment) => segment.replids)) {
    const last = timeline[timeline.length - 1];
    if (replid !== last.replid && offset >= last.offset) timeline.push({ offset, replid });
  }
  return timeline;
}

/** Those of overlapping segments come twice. */
function inOrder<T extends { startOffset: number; endOffset: number }>(all: readonly T[]): T[] {
  const sorted = all.toSorted((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  let end = -1;
  return sorted.filter((item) => {
    if (item.endOffset <= end) return false;
    end = item.endOffset;
    return true;
  });
}

/** What came late in one go, and was divided between segments, is one span. */
function joined(spans: readonly UncertainSpan[]): UncertainSpan[] {
  const all: UncertainSpan[] = [];
  for (const span of spans) {
    const last = all.at(-1);
    if (last !== undefined && last.endOffset >= span.startOffset && last.sinceMs === span.sinceMs) {
      all[all.length - 1] = { ...last, endOffset: span.endOffset };
    } else {
      all.push(span);
    }
  }
  return all;
}

/** The run that holds the state at this offset, if one does. */
export function runAt(lineage: LineageLog, offset: number): LogRun | undefined {
  return lineage.runs.findLast((run) => offset >= run.startOffset && offset <= run.endOffset);
}
