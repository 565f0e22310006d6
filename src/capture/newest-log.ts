import {
  baseOffset,
  baseRefusal,
  type LineageLog,
  type LineageRecord,
  listBackups,
  readManifest,
  readShardLog,
  type Repository,
  type SegmentRecord,
  stateAt,
} from '../repository/index.ts';
import type { SpoolState } from './spool/settle-file.ts';

/** What the repository knows of a shard's log when a capture begins. */
export type NewestLog = {
  /** Where recording can go on when this machine knows nothing newer. */
  readonly state: SpoolState | null;
  /** The newest lineage, recorded or only begun. */
  readonly lineage: LineageLog | null;
  readonly last: SegmentRecord | null;
};

export async function readNewestLog(
  repository: Repository,
  source: string,
  shard: string,
  signal: AbortSignal,
): Promise<NewestLog> {
  const { lineages } = await readShardLog(repository, source, shard, signal);
  const lineage = lineages.at(-1) ?? null;
  const last = lineage?.segments.at(-1) ?? null;
  if (lineage === null || last === null) return { state: null, lineage, last: null };
  const { database } = await stateAt(repository, lineage, last.endOffset, signal);
  const replid = lineage.replids.at(-1)?.replid ?? lineage.record.replid;
  const { endOffset: offset, lastMs } = last;
  return { state: { lineage: lineage.record, replid, offset, database, lastMs }, lineage, last };
}

/**
 * When the newest backup was made that a lineage can be replayed onto, Unix milliseconds; null when
 * there is none. `log` is the lineage as the repository has it, where it does.
 */
export async function newestBaseMs(
  repository: Repository,
  source: string,
  lineage: LineageRecord,
  log: LineageLog | null,
  signal: AbortSignal,
): Promise<number | null> {
  const listed = await listBackups(repository, source, signal);
  const startedMs = Date.parse(lineage.startedAt);
  for (const { id } of listed.toReversed()) {
    const manifest = await readManifest(repository, source, id, signal);
    const facts = manifest.shards.find(({ shard }) => shard === lineage.shard);
    const isOurs = facts?.lineage === lineage.lineage && baseRefusal(manifest) === null;
    if (isOurs || (log !== null && baseOffset(manifest, log) !== undefined)) {
      return Date.parse(manifest.snapshotAt);
    }
    // A base is made in the course of its lineage.
    if (Date.parse(manifest.endedAt) < startedMs) return null;
  }
  return null;
}
