import {
  findGaps,
  type LineageLog,
  type LogGap,
  type Manifest,
  type RestorableRange,
  restorableRanges,
  type ShardLog,
} from '../../repository/index.ts';
import {
  formatAmount,
  formatBytes,
  formatCount,
  formatDuration,
  formatLocalTime,
  formatUtc,
  printable,
} from '../output/format.ts';
import { formatTable } from '../output/text-table.ts';

/** What `list` and `status` say about the recorded log of one source. */
export type LogOverview = {
  readonly shards: readonly ShardLog[];
  readonly ranges: readonly RestorableRange[];
  readonly gaps: readonly LogGap[];
};

export function logOverview(
  shards: readonly ShardLog[],
  manifests: readonly Manifest[],
): LogOverview {
  return { shards, ranges: restorableRanges(manifests, shards), gaps: findGaps(shards) };
}

/** The lines below a source's backups; none where nothing was recorded. */
export function formatLog(overview: LogOverview): string {
  const lineages = overview.shards.flatMap(({ lineages: all }) => all);
  const damage = overview.shards.flatMap(({ findings }) => findings);
  if (lineages.length === 0 && damage.length === 0) return '';
  const lines = [
    'recorded log',
    ...indented(formatLineages(lineages)),
    ...overview.ranges.map((range) => `  restorable  ${formatRange(range, overview)}`),
    ...overview.gaps.map((gap) => `  gap         ${formatGap(gap, overview)}`),
    ...lineages.flatMap(formatOrphan),
    ...damage.map(({ message }) => `  damaged     ${printable(message)}`),
  ];
  if (overview.ranges.length === 0) {
    lines.push('  restorable  nothing yet: no backup lies within what was recorded');
  }
  return lines.map((line) => `  ${line}\n`).join('');
}

function indented(table: string): string[] {
  const lines = table.split('\n').slice(0, -1);
  return lines.map((line) => `  ${line}`);
}

function formatLineages(lineages: readonly LineageLog[]): string {
  const rows = lineages.map(({ record, segments, runs, lastMs }) => {
    const stored = segments.reduce((sum, segment) => sum + segment.size, 0);
    const commands = segments.reduce((sum, segment) => sum + segment.commands, 0);
    const firstMs = runs[0]?.firstMs ?? null;
    return [
      record.lineage,
      record.shard,
      firstMs === null ? 'nothing stored' : formatLocalTime(firstMs),
      lastMs === null ? '' : formatLocalTime(lastMs),
      lastMs === null ? '' : formatUtc(lastMs),
      formatCount(segments.length),
      formatCount(commands),
      formatBytes(stored),
    ];
  });
  const columns = [
    { title: 'LINEAGE' },
    { title: 'SHARD' },
    { title: 'FROM (LOCAL)' },
    { title: 'UNTIL (LOCAL)' },
    { title: 'UNTIL (UTC)' },
    { title: 'SEGMENTS', align: 'right' as const },
    { title: 'COMMANDS', align: 'right' as const },
    { title: 'STORED', align: 'right' as const },
  ];
  return formatTable(columns, rows);
}

/** `2026-11-22 14:00:00 to 2026-11-22 15:30:00 (12:00:00Z to …, 1 h 30 min)`. */
export function formatSpan(fromMs: number, toMs: number): string {
  const local = `${formatLocalTime(fromMs)} to ${formatLocalTime(toMs)}`;
  const utc = `${formatUtc(fromMs)} to ${formatUtc(toMs)}`;
  return `${local} (${utc}, ${formatDuration(Math.max(0, toMs - fromMs))})`;
}

function formatRange(range: RestorableRange, overview: LogOverview): string {
  const { fromMs, toMs, fromOffset, toOffset, bases, orphanFrom } = range;
  const orphan = orphanFrom === null ? '' : `; an orphan tail from offset ${orphanFrom} on`;
  const offsets = `offsets ${fromOffset} to ${toOffset}`;
  const from = formatAmount(bases.length, 'base');
  return `${formatSpan(fromMs, toMs)}  ${offsets}, ${from}${ofShard(range, overview)}${orphan}`;
}

function formatGap(gap: LogGap, overview: LogOverview): string {
  const { from, to, why } = gap;
  return `${formatSpan(from.ms, to.ms)}${ofShard(gap, overview)}: ${printable(why)}`;
}

function formatOrphan({ record, orphanFrom, lastOffset }: LineageLog): string[] {
  if (orphanFrom === null || lastOffset <= orphanFrom) return [];
  const bytes = formatBytes(lastOffset - orphanFrom);
  const what = `${bytes} from offset ${orphanFrom} on of lineage ${record.lineage}`;
  return [`  orphan      ${what}: written to a master whose successor does not know them`];
}

function ofShard({ shard }: { readonly shard: string }, { shards }: LogOverview): string {
  return shards.length > 1 ? ` (shard ${shard})` : '';
}

/** The same for `--json`, complete. */
export function logDocument({ shards, ranges, gaps }: LogOverview): object {
  return {
    lineages: shards.flatMap(({ lineages }) => lineages.map(lineageDocument)),
    ranges: ranges.map(rangeDocument),
    gaps: gaps.map(gapDocument),
    findings: shards.flatMap(({ findings }) => findings),
  };
}

function lineageDocument(lineage: LineageLog): object {
  const { record, segments, covered, runs, replids, marks, uncertain, orphanFrom } = lineage;
  const { lineage: id, shard, startedAt, startOffset, server, databases } = record;
  const sum = (of: (segment: LineageLog['segments'][number]) => number) =>
    segments.reduce((total, segment) => total + of(segment), 0);
  return {
    lineage: id,
    shard,
    startedAt,
    startOffset,
    server,
    databases,
    replids,
    runs: runs.map(({ startOffset: from, endOffset, firstMs, lastMs }) => ({
      startOffset: from,
      endOffset,
      from: time(firstMs),
      until: time(lastMs),
    })),
    segments: segments.length,
    coveredSegments: covered.length,
    storedBytes: sum(({ size }) => size),
    rawBytes: runs.reduce((total, run) => total + run.endOffset - run.startOffset, 0),
    commands: sum((segment) => segment.commands),
    verbatimScripts: sum((segment) => segment.verbatimScripts),
    unknownCommands: [...new Set(segments.flatMap((segment) => segment.unknownCommands))],
    marks: marks.length,
    uncertain: uncertain.map(({ startOffset: from, endOffset, sinceMs }) => ({
      startOffset: from,
      endOffset,
      since: time(sinceMs),
    })),
    orphanFrom,
  };
}

export function rangeDocument(range: RestorableRange): object {
  const { shard, lineage, fromOffset, toOffset, fromMs, toMs, bases, orphanFrom } = range;
  const span = { from: time(fromMs), until: time(toMs), fromOffset, toOffset };
  return { shard, lineage, ...span, bases, orphanFrom };
}

export function gapDocument({ shard, kind, from, to, why }: LogGap): object {
  const place = (at: LogGap['from']) => ({
    lineage: at.lineage,
    offset: at.offset,
    at: time(at.ms),
  });
  return { shard, kind, from: place(from), to: place(to), why };
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
