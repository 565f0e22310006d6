import type { RunControl } from '../base/index.ts';
import {
  type LineageLog,
  type LogFinding,
  readShardLogs,
  type Repository,
  type SegmentRecord,
  type ShardLog,
} from '../repository/index.ts';
import { type Finding, type FindingCode, messageOf } from './findings.ts';
import { Pace } from './pace.ts';
import { verifySegment } from './verify-segment.ts';

export type LogProgress = {
  readonly segmentsDone: number;
  readonly segments: number;
  readonly bytesDone: number;
  readonly bytes: number;
};

export type VerifyLogOptions = {
  readonly onLogProgress?: (progress: LogProgress) => void;
  readonly onFinding?: (finding: Finding) => void;
  readonly control?: RunControl;
};

/** What verification saw of the log of one source. */
export type LogReport = {
  readonly source: string;
  /** Empty: everything is as it was stored. */
  readonly findings: readonly Finding[];
  readonly lineages: number;
  readonly segments: number;
  readonly bytes: number;
};

const CODES: Record<LogFinding['code'], FindingCode> = {
  'segment-damaged': 'segment-corrupt',
  'segment-missing': 'segment-missing',
  'lineage-damaged': 'lineage-corrupt',
  'index-damaged': 'log-index-corrupt',
};

/**
 * Reads every segment of a source's log, also those that longer ones cover, and reports what is
 * wrong with them and between them. Rejects only when aborted, or for our own bugs.
 */
export async function verifyLog(
  repository: Repository,
  source: string,
  options: VerifyLogOptions = {},
  signal?: AbortSignal,
): Promise<LogReport> {
  const findings: Finding[] = [];
  const report = (finding: Finding) => {
    findings.push(finding);
    options.onFinding?.(finding);
  };
  const empty = { source, findings, lineages: 0, segments: 0, bytes: 0 };
  let logs: ShardLog[];
  try {
    logs = await readShardLogs(repository, source, signal);
  } catch (error) {
    signal?.throwIfAborted();
    const object = `sources/${source}/log`;
    report({ code: 'file-unreadable', object, message: messageOf(error) });
    return empty;
  }
  for (const { code, object, message } of logs.flatMap((log) => log.findings)) {
    report({ code: CODES[code], object, message });
  }
  const lineages = logs.flatMap((log) => log.lineages);
  for (const lineage of lineages) checkOrder(lineage, report);
  const all = lineages.flatMap((lineage) => [...lineage.segments, ...lineage.covered]);
  const bytes = all.reduce((sum, segment) => sum + segment.size, 0);
  const pace = new Pace(options.control);
  let bytesDone = 0;
  for (const [index, segment] of all.entries()) {
    await pace.take(segment.size, signal);
    await verifySegment({ repository, source, report, signal }, segment);
    bytesDone += segment.size;
    const segmentsDone = index + 1;
    options.onLogProgress?.({ segmentsDone, segments: all.length, bytesDone, bytes });
  }
  return { ...empty, lineages: lineages.length, segments: all.length, bytes };
}

/** A predecessor that is there must be the one that was seen; one that was merged away need not. */
function checkOrder(lineage: LineageLog, report: (finding: Finding) => void): void {
  const byName = new Map<string, SegmentRecord>();
  const all = [...lineage.segments, ...lineage.covered];
  for (const segment of all) byName.set(segment.name, segment);
  for (const { name, predecessor } of all) {
    if (predecessor === null) continue;
    const before = byName.get(predecessor.name);
    if (before === undefined || before.directoryDigest === predecessor.digest) continue;
    const message = `'${predecessor.name}' is not the segment that '${name}' was stored after`;
    report({ code: 'segment-order', object: predecessor.name, message });
  }
}
