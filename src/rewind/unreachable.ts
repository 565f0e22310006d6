import { CodedError } from '../base/index.ts';
import type { LineageLog, RestorableRange } from '../repository/index.ts';

type Wanted = { readonly atMs: number } | { readonly lineage: LineageLog; readonly offset: number };

/**
 * INSTANT_UNREACHABLE with the reason, where the log tells it, and the nearest instants on both
 * sides that can be reached.
 */
export function unreachable(
  what: string,
  wanted: Wanted,
  ranges: readonly RestorableRange[],
  lineages: readonly LineageLog[],
): CodedError {
  const message = `Cannot restore ${what}: ${reasonOf(wanted, ranges, lineages)}`;
  const near = 'atMs' in wanted ? nearTime(wanted.atMs, ranges) : nearOffset(wanted, ranges);
  const hint =
    near.length === 0
      ? 'tidemark list shows what can be reached'
      : `Nearest: ${near.join(', or ')}`;
  return new CodedError('INSTANT_UNREACHABLE', message, { hint });
}

function reasonOf(
  wanted: Wanted,
  ranges: readonly RestorableRange[],
  lineages: readonly LineageLog[],
): string {
  if (!('atMs' in wanted)) {
    const { lineage, offset } = wanted;
    if (offset > lineage.lastOffset) return `the log ends at offset ${lineage.lastOffset}`;
    const isStored = lineage.runs.some(
      (run) => offset >= run.startOffset && offset <= run.endOffset,
    );
    return isStored ? 'no backup stands before it in this stretch of the log' : 'it is not stored';
  }
  const { atMs } = wanted;
  const gap = lineages.find(({ record }) => {
    const { gap, startedAt } = record;
    return gap !== null && gap.endMs < atMs && atMs < Date.parse(startedAt);
  })?.record.gap;
  if (gap) return `it lies in a gap of the log (${gap.why})`;
  if (atMs > Math.max(...ranges.map(({ toMs }) => toMs))) {
    return 'what happened until then is not stored yet';
  }
  if (atMs < Math.min(...ranges.map(({ fromMs }) => fromMs))) {
    return 'the log with a backup before it begins later';
  }
  return 'the log has no backup to begin with, or a hole, there';
}

function nearTime(atMs: number, ranges: readonly RestorableRange[]): string[] {
  const before = ranges.filter(({ toMs }) => toMs < atMs).map(({ toMs }) => toMs);
  const after = ranges.filter(({ fromMs }) => fromMs > atMs).map(({ fromMs }) => fromMs);
  return [
    ...(before.length > 0 ? [`--at ${new Date(Math.max(...before)).toISOString()}`] : []),
    ...(after.length > 0 ? [`--at ${new Date(Math.min(...after)).toISOString()}`] : []),
  ];
}

function nearOffset(
  { lineage, offset }: { readonly lineage: LineageLog; readonly offset: number },
  ranges: readonly RestorableRange[],
): string[] {
  const own = ranges.filter((range) => range.lineage === lineage.record.lineage);
  const before = own.filter(({ toOffset }) => toOffset < offset).map(({ toOffset }) => toOffset);
  const after = own.filter(({ fromOffset }) => fromOffset > offset);
  const at = (place: number): string => `--at offset:${lineage.record.lineage}:${place}`;
  return [
    ...(before.length > 0 ? [at(Math.max(...before))] : []),
    ...(after.length > 0 ? [at(Math.min(...after.map(({ fromOffset }) => fromOffset)))] : []),
  ];
}
