import type { Manifest } from '../records/manifest.ts';
import { type LineageLog, runAt, type ShardLog } from './lineage-log.ts';

/**
 * A stretch of a shard's log that can be restored to at any of its cuts: a base and every byte from
 * it on.
 */
export type RestorableRange = {
  readonly shard: string;
  readonly lineage: string;
  /** The earliest base's own place, up to the end of the stored run. */
  readonly fromOffset: number;
  readonly toOffset: number;
  /** The base's snapshot, and the arrival of the last byte. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Usable bases, by rising offset: ids of backups. */
  readonly bases: readonly RangeBase[];
  /** From here on it is a tail that the next master did not know; null for none. */
  readonly orphanFrom: number | null;
};

export type RangeBase = { readonly backup: string; readonly offset: number };

/** Every range that the backups and the log make together, by shard, lineage and offset. Pure. */
export function restorableRanges(
  manifests: readonly Manifest[],
  shardLogs: readonly ShardLog[],
): RestorableRange[] {
  const ranges: RestorableRange[] = [];
  for (const { lineages } of shardLogs) {
    for (const lineage of lineages) ranges.push(...rangesOf(lineage, manifests));
  }
  return ranges;
}

function rangesOf(lineage: LineageLog, manifests: readonly Manifest[]): RestorableRange[] {
  const { shard, lineage: id } = lineage.record;
  const ranges: RestorableRange[] = [];
  for (const run of lineage.runs) {
    const bases = manifests
      .map((manifest) => ({ manifest, offset: baseOffset(manifest, lineage) }))
      .filter(({ offset }) => offset !== undefined && runAt(lineage, offset) === run)
      .map(({ manifest, offset }) => ({ manifest, offset: offset as number }))
      .sort((a, b) => a.offset - b.offset || (a.manifest.id < b.manifest.id ? -1 : 1));
    const [first] = bases;
    if (first === undefined) continue;
    const { orphanFrom } = lineage;
    ranges.push({
      shard,
      lineage: id,
      fromOffset: first.offset,
      toOffset: run.endOffset,
      fromMs: Math.min(snapshotMs(first.manifest, shard), run.lastMs),
      toMs: run.lastMs,
      bases: bases.map(({ manifest, offset }) => ({ backup: manifest.id, offset })),
      orphanFrom: orphanFrom !== null && orphanFrom < run.endOffset ? orphanFrom : null,
    });
  }
  return ranges;
}

/** Where in a lineage a backup stands, or undefined: not in this history, or no base at all. */
export function baseOffset(manifest: Manifest, lineage: LineageLog): number | undefined {
  if (baseRefusal(manifest) !== null) return undefined;
  const facts = manifest.shards.find(({ shard }) => shard === lineage.record.shard);
  if (facts === undefined || facts.replication === null) return undefined;
  const { replid, offset } = facts.replication;
  const { replids } = lineage;
  const isKnown = replids.some(
    (id, i) =>
      id.replid === replid &&
      offset >= id.offset &&
      offset <= (replids[i + 1]?.offset ?? Number.MAX_SAFE_INTEGER),
  );
  return isKnown ? offset : undefined;
}

/** Why the log cannot be replayed onto a backup, one phrase; null: it can. */
export function baseRefusal(manifest: Manifest): string | null {
  if (manifest.parents.length > 0) return 'it is not a full backup';
  if (manifest.consistency !== 'point-in-time') return 'it is not of one instant';
  if (Object.values(manifest.selection).some((part) => part !== null)) {
    return 'it holds a selection of the data only';
  }
  if (Object.keys(manifest.lossy).length > 0) return 'parts of it could not be expressed exactly';
  return null;
}

function snapshotMs(manifest: Manifest, shard: string): number {
  const facts = manifest.shards.find((candidate) => candidate.shard === shard);
  return Date.parse(facts?.snapshotAt ?? manifest.snapshotAt);
}
