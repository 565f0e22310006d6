import { isCoded } from '../../base/index.ts';
import { isShardId, logFolder, parseLogObject, shardLogFolder } from '../layout.ts';
import type { Repository } from '../repository.ts';
import type { ObjectInfo } from '../../storage/index.ts';
import { readDayIndex } from './day-index.ts';
import { type LineageLog, lineageLog, type LogFinding, type ShardLog } from './lineage-log.ts';
import { readLineage } from './lineage-record.ts';
import type { LineageRecord, SegmentRecord } from './log-records.ts';
import { readSegmentRecord } from './read-segment.ts';

/** So many directories are read at a time. */
const PARALLEL = 8;

/** Objects come and go while we look; so often we look again. */
const ATTEMPTS = 3;

/** Segments by the name of their object. What was read once is not read again. */
type KnownSegments = Map<string, SegmentRecord>;

/**
 * Everything recorded of a source, shard by shard, computed from the stored objects alone. Reads
 * the directory of every segment, or of whole days by their index. Damage is reported in
 * `findings`, never thrown. What a capture stores meanwhile may be in it or not, but a segment that
 * is there is never taken for missing.
 */
export async function readShardLogs(
  repository: Repository,
  source: string,
  signal?: AbortSignal,
): Promise<ShardLog[]> {
  const shards = await repository.storage.folders(logFolder(source), signal);
  const logs: ShardLog[] = [];
  for (const shard of shards.filter(isShardId)) {
    logs.push(await readShardLog(repository, source, shard, signal));
  }
  return logs;
}

/** The same of one shard. */
export async function readShardLog(
  repository: Repository,
  source: string,
  shard: string,
  signal?: AbortSignal,
): Promise<ShardLog> {
  const known: KnownSegments = new Map();
  for (let attempt = 1; ; attempt++) {
    const listed = await listLog(repository, source, shard, signal);
    const { log, vanished } = await readListed(repository, source, shard, listed, known, signal);
    const holes = log.lineages.some((lineage) => lineage.runs.length > 1);
    // Segments are stored in order. One that seems to be missing may have come between the listing
    // of its place and that of a later one; then it is in the next listing.
    if ((!vanished && (!holes || attempt > 1)) || attempt === ATTEMPTS) return log;
  }
}

type ListedLineage = {
  readonly id: string;
  readonly days: Map<string, { segments: ObjectInfo[]; index: ObjectInfo | undefined }>;
};

async function listLog(
  { storage }: Repository,
  source: string,
  shard: string,
  signal?: AbortSignal,
): Promise<ListedLineage[]> {
  const lineages = new Map<string, ListedLineage>();
  for await (const info of storage.list(shardLogFolder(source, shard), signal)) {
    const name = parseLogObject(source, info.name);
    if (name === undefined) continue;
    let lineage = lineages.get(name.lineage);
    if (lineage === undefined) {
      lineage = { id: name.lineage, days: new Map() };
      lineages.set(name.lineage, lineage);
    }
    if (name.kind === 'lineage') continue;
    let day = lineage.days.get(name.day);
    if (day === undefined) {
      day = { segments: [], index: undefined };
      lineage.days.set(name.day, day);
    }
    if (name.kind === 'index') day.index = info;
    else day.segments.push(info);
  }
  return [...lineages.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

async function readListed(
  repository: Repository,
  source: string,
  shard: string,
  listed: readonly ListedLineage[],
  known: KnownSegments,
  signal?: AbortSignal,
): Promise<{ log: ShardLog; vanished: boolean }> {
  const findings: LogFinding[] = [];
  const read: { record: LineageRecord; segments: SegmentRecord[] }[] = [];
  let vanished = false;
  for (const { id, days } of listed) {
    let record: LineageRecord;
    try {
      record = await readLineage(repository, source, shard, id, signal);
    } catch (error) {
      const object = `${shardLogFolder(source, shard)}${id}/lineage.json`;
      findings.push({ code: 'lineage-damaged', object, message: findingOf(error) });
      continue;
    }
    const segments: SegmentRecord[] = [];
    for (const [day, { segments: infos, index }] of days) {
      const missing = infos.filter((info) => !known.has(info.name));
      if (index !== undefined && missing.length > 1) {
        const place = { shard, lineage: id, day };
        const records = await indexed(repository, source, place, index, infos, findings, signal);
        for (const segment of records) known.set(segment.name, segment);
      }
      const gone = await readDirectories(repository, source, infos, known, findings, signal);
      vanished ||= gone;
      for (const { name } of infos) {
        const segment = known.get(name);
        if (segment !== undefined) segments.push(segment);
      }
    }
    read.push({ record, segments });
  }
  const orphans = new Map<string, number>();
  for (const { record } of read) {
    const { lineage, orphanFrom } = record.gap ?? { lineage: '', orphanFrom: null };
    if (orphanFrom === null) continue;
    orphans.set(lineage, Math.min(orphanFrom, orphans.get(lineage) ?? Infinity));
  }
  const lineages = read.map(({ record, segments }) =>
    lineageLog(source, record, segments, orphans.get(record.lineage) ?? null),
  );
  for (const lineage of lineages) findings.push(...holesOf(lineage));
  return { log: { shard, lineages, findings }, vanished };
}

/** The segments of a day as its index has them, if it names exactly those that are there. */
async function indexed(
  repository: Repository,
  source: string,
  place: { shard: string; lineage: string; day: string },
  index: ObjectInfo,
  infos: readonly ObjectInfo[],
  findings: LogFinding[],
  signal?: AbortSignal,
): Promise<readonly SegmentRecord[]> {
  try {
    const records = await readDayIndex(repository, source, place, signal);
    const sizes = new Map(infos.map((info) => [info.name, info.size]));
    const same =
      records.length === infos.length &&
      records.every((record) => sizes.get(record.name) === record.size);
    return same ? records : [];
  } catch (error) {
    if (!isCoded(error, 'OBJECT_MISSING')) {
      findings.push({ code: 'index-damaged', object: index.name, message: findingOf(error) });
    }
    return [];
  }
}

/** Reads those that are not known. True: one is gone that was listed. */
async function readDirectories(
  repository: Repository,
  source: string,
  infos: readonly ObjectInfo[],
  known: KnownSegments,
  findings: LogFinding[],
  signal?: AbortSignal,
): Promise<boolean> {
  const wanted = infos.filter((info) => !known.has(info.name)).values();
  let vanished = false;
  const work = async (): Promise<void> => {
    for (const { name, size } of wanted) {
      try {
        known.set(name, await readSegmentRecord(repository, source, name, size, signal));
      } catch (error) {
        if (isCoded(error, 'OBJECT_MISSING')) vanished = true;
        else findings.push({ code: 'segment-damaged', object: name, message: findingOf(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return vanished;
}

function holesOf({ source, record, runs, segments }: LineageLog): LogFinding[] {
  const findings: LogFinding[] = [];
  for (let i = 1; i < runs.length; i++) {
    const { endOffset } = runs[i - 1];
    const after = segments.find((segment) => segment.startOffset === runs[i].startOffset);
    const object = after?.predecessor?.name ?? logFolder(source);
    const message =
      `Offsets ${endOffset} to ${runs[i].startOffset} of lineage ${record.lineage} are not ` +
      'stored: a segment is missing or damaged';
    findings.push({ code: 'segment-missing', object, message });
  }
  return findings;
}

/** The message of what the world did; a bug or an aborted signal goes on its way. */
function findingOf(error: unknown): string {
  const damage = isCoded(
    error,
    'OBJECT_CORRUPT',
    'OBJECT_MISSING',
    'REPOSITORY_CORRUPT',
    'REPOSITORY_UNSUPPORTED',
  );
  if (damage) return error.message;
  throw error;
}
