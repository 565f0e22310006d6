import { CodedError } from '../../base/index.ts';
import type { CaptureStatus } from '../../capture/index.ts';
import {
  baseOffset,
  type LineageLog,
  type LogGap,
  type Manifest,
  type RestorableRange,
  type ShardLog,
  type StoredReport,
} from '../../repository/index.ts';
import { formatDuration } from '../output/format.ts';
import type { ListedBackup } from './listed-backups.ts';
import type { LogOverview } from './list-log.ts';

/** Everything that `status` looks at, of one source. */
export type ProtectionFacts = {
  readonly nowMs: number;
  readonly backups: readonly ListedBackup[];
  readonly log: LogOverview;
  /** Newest first. */
  readonly reports: readonly StoredReport[];
  /** What captures on this machine said last. */
  readonly captures: readonly CaptureStatus[];
};

export type ProtectionLimits = {
  /** Of what would be lost now, where a log is recorded. */
  readonly rpoMs: number;
  /** Of the age of the newest backup. */
  readonly backupAgeMs: number;
};

export type Attention = {
  readonly code:
    | 'no-backup'
    | 'backup-unreadable'
    | 'backup-old'
    | 'rpo'
    | 'gap'
    | 'log-damaged'
    | 'log-without-base'
    | 'capture-stopped'
    | 'capture-failed'
    | 'full-failed'
    | 'drill-failed';
  /** One sentence. */
  readonly text: string;
};

export type Protection = {
  readonly lastFull: Manifest | null;
  /** The newest, of each shard. */
  readonly ranges: readonly RestorableRange[];
  /** What would be lost if the source were lost now; null where nothing could be brought back. */
  readonly rpoMs: number | null;
  /** The same, if this machine were lost with it. */
  readonly storedRpoMs: number | null;
  /** Those that ended in the last day. */
  readonly recentGaps: readonly LogGap[];
  readonly lastDrill: { readonly storedAt: string; readonly passed: boolean } | null;
  readonly lastFailure: { readonly storedAt: string; readonly task: string } | null;
  /** Empty: protected. */
  readonly attention: readonly Attention[];
};

const DAY_MS = 86_400_000;

/** A capture says something every second; one that is silent for so long does not run. */
const SILENT_MS = 60_000;

/** Decides whether a source is protected. Pure. */
export function judgeProtection(facts: ProtectionFacts, limits: ProtectionLimits): Protection {
  const { nowMs, log, reports } = facts;
  const manifests = facts.backups.flatMap(({ manifest }) =>
    manifest instanceof CodedError ? [] : [manifest],
  );
  const lastFull = manifests.toSorted((a, b) => snapshot(b) - snapshot(a)).at(0) ?? null;
  const ends = log.shards.map((shard) => endOf(shard, log.ranges, manifests));
  const storedRpoMs = lossOf(nowMs, lastFull, ends, () => null);
  const rpoMs = lossOf(nowMs, lastFull, ends, ({ shard }) => durableUntil(facts, shard));
  const drill = reports.find(({ report }) => isDrill(report));
  const failure = reports.find(({ report }) => hasFailed(report));
  const recentGaps = log.gaps.filter((gap) => gap.to.ms > nowMs - DAY_MS);
  const lastDrill =
    drill === undefined ? null : { storedAt: drill.storedAt, passed: !hasFailed(drill.report) };
  const partial = {
    lastFull,
    ranges: ends.map(({ range }) => range).filter((range) => range !== undefined),
    rpoMs,
    storedRpoMs,
    recentGaps,
    lastDrill,
    lastFailure: failure === undefined ? null : { storedAt: failure.storedAt, task: failure.task },
  };
  const attention = [
    ...backupReasons(facts, partial, limits),
    ...logReasons(facts, partial, limits),
    ...ends.flatMap(baseReasons),
    ...captureReasons(facts),
    ...(lastDrill?.passed === false
      ? [{ code: 'drill-failed', text: 'The last drill failed' } as const]
      : []),
  ];
  return { ...partial, attention };
}

type Partial = Omit<Protection, 'attention'>;

function backupReasons(
  { backups, nowMs, log }: ProtectionFacts,
  { lastFull }: Partial,
  { backupAgeMs }: ProtectionLimits,
): Attention[] {
  const reasons: Attention[] = [];
  if (lastFull === null) reasons.push({ code: 'no-backup', text: 'There is no backup' });
  const damaged = backups.filter(({ manifest }) => manifest instanceof CodedError);
  for (const { id } of damaged) {
    reasons.push({ code: 'backup-unreadable', text: `Backup ${id} cannot be read` });
  }
  const ageMs = lastFull === null ? 0 : nowMs - snapshot(lastFull);
  if (ageMs > backupAgeMs && log.ranges.length === 0) {
    const text = `The newest backup is ${formatDuration(ageMs)} old (more than ${formatDuration(backupAgeMs)})`;
    reasons.push({ code: 'backup-old', text });
  }
  return reasons;
}

function logReasons(
  { log }: ProtectionFacts,
  { rpoMs, recentGaps }: Partial,
  limits: ProtectionLimits,
): Attention[] {
  const reasons: Attention[] = [];
  const hasLog = log.shards.some(({ lineages }) => lineages.length > 0);
  if (hasLog && rpoMs !== null && rpoMs > limits.rpoMs) {
    const bound = formatDuration(limits.rpoMs);
    const text = `${formatDuration(rpoMs)} of changes would be lost now (more than ${bound})`;
    reasons.push({ code: 'rpo', text });
  }
  for (const { why } of recentGaps) {
    reasons.push({ code: 'gap', text: `A gap in the log within the last day: ${why}` });
  }
  for (const { findings } of log.shards) {
    for (const { message } of findings) reasons.push({ code: 'log-damaged', text: message });
  }
  return reasons;
}

function captureReasons({ captures, nowMs }: ProtectionFacts): Attention[] {
  const reasons: Attention[] = [];
  for (const status of captures) {
    const { phase, shard, text, updatedAtMs, storeFailure, full } = status;
    if (phase === 'failed' || phase === 'full') {
      reasons.push({ code: 'capture-failed', text: `Capture of shard ${shard}: ${text}` });
    } else if (phase === 'stopped' || nowMs - updatedAtMs > SILENT_MS) {
      const since = formatDuration(Math.max(0, nowMs - updatedAtMs));
      const told = `Capture of shard ${shard} does not run: last heard of ${since} ago`;
      reasons.push({ code: 'capture-stopped', text: told });
    } else if (storeFailure !== null) {
      const told = `Capture of shard ${shard} cannot store segments: ${storeFailure}`;
      reasons.push({ code: 'capture-failed', text: told });
    }
    if (full.failure !== null) {
      const told = `The last full backup of shard ${shard} failed: ${full.failure}`;
      reasons.push({ code: 'full-failed', text: told });
    }
  }
  return reasons;
}

/** The end of what is recorded of a shard. */
type LogEnd = {
  readonly shard: string;
  readonly lineage: LineageLog | undefined;
  /** Ends where the newest lineage does; undefined: that cannot be restored to from the log. */
  readonly range: RestorableRange | undefined;
  /** A base is in the newest part of the log, or just behind what is stored of it. */
  readonly hasBase: boolean;
};

function endOf(
  { shard, lineages }: ShardLog,
  ranges: readonly RestorableRange[],
  manifests: readonly Manifest[],
): LogEnd {
  const lineage = lineages.at(-1);
  if (lineage === undefined) return { shard, lineage, range: undefined, hasBase: false };
  const range = ranges.find(
    (candidate) =>
      candidate.shard === shard &&
      candidate.lineage === lineage.record.lineage &&
      candidate.toOffset === lineage.lastOffset,
  );
  const from = lineage.runs.at(-1)?.startOffset ?? lineage.record.startOffset;
  const hasBase = manifests.some((manifest) => (baseOffset(manifest, lineage) ?? -1) >= from);
  return { shard, lineage, range, hasBase };
}

function baseReasons({ lineage, hasBase }: LogEnd): Attention[] {
  if (lineage === undefined || hasBase) return [];
  const id = lineage.record.lineage;
  const text = `No backup lies within the newest part of lineage ${id}: it cannot be restored to`;
  return [{ code: 'log-without-base', text }];
}

/** From the newest restorable moment of the shard that is worst off to now. */
function lossOf(
  nowMs: number,
  lastFull: Manifest | null,
  ends: readonly LogEnd[],
  until: (end: LogEnd) => number | null,
): number | null {
  const fromBackup = lastFull === null ? null : snapshot(lastFull);
  const reached = ends.map((end) => {
    const places = [fromBackup, end.range?.toMs ?? null, end.hasBase ? until(end) : null];
    const known = places.filter((ms) => ms !== null);
    return known.length === 0 ? null : Math.max(...known);
  });
  if (reached.length === 0) reached.push(fromBackup);
  const known = reached.filter((ms) => ms !== null);
  return known.length < reached.length ? null : Math.max(0, nowMs - Math.min(...known));
}

/** What a capture that runs here has on its disk counts as well. */
function durableUntil({ captures, nowMs }: ProtectionFacts, shard: string): number | null {
  const status = captures.find((capture) => capture.shard === shard);
  if (status === undefined || nowMs - status.updatedAtMs > SILENT_MS) return null;
  return status.durableUntilMs;
}

/** A drill that did not end in equality, or a restore that could not write every key. */
function hasFailed(report: unknown): boolean {
  if (isDrill(report)) return member(report, 'outcome') !== 'equal';
  const failed = member(report, 'failed');
  return typeof failed === 'number' && failed > 0;
}

function isDrill(report: unknown): boolean {
  return member(report, 'kind') === 'drill';
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

function snapshot(manifest: Manifest): number {
  return Date.parse(manifest.snapshotAt);
}
