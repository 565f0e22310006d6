import type { ServerIdentity } from '../redis/index.ts';
import {
  type GapRecord,
  type LineageRecord,
  type Manifest,
  newLineageId,
} from '../repository/index.ts';
import { whereOrphanBegins } from './orphan-tail.ts';

/** A recording that ended, as far as it goes to its last cut. */
export type EndedRecording = {
  readonly lineage: LineageRecord;
  readonly endOffset: number;
  readonly endMs: number;
  /** What the history was called at the end. */
  readonly replid: string;
};

type Beginning = { readonly replid: string; readonly offset: number };

/**
 * Which history is being recorded, under which names, and what was recorded before: makes the
 * record of each new lineage, with the gap in front of it.
 */
export class ShardHistory {
  readonly #shard: string;
  #lineage: LineageRecord | null = null;
  #replids = new Set<string>();
  #before: EndedRecording | null = null;

  constructor(shard: string) {
    this.#shard = shard;
  }

  /** A recording from earlier goes on. */
  resume(lineage: LineageRecord, replid: string): void {
    this.#lineage = lineage;
    this.#replids.add(replid);
  }

  /** The history being recorded bears this name as well. */
  rename(replid: string): void {
    this.#replids.add(replid);
  }

  /** What is recorded may not be gone on with: if another begins, here is the gap. */
  leave(ended: EndedRecording): void {
    this.#before = ended;
  }

  /** Another lineage begins. `identity`: of the node that it is recorded from. */
  begin(start: Beginning, identity: ServerIdentity | null, nowMs: number): LineageRecord {
    const before = this.#before;
    // Ids tell whole seconds, and sort in the order of the lineages.
    const startedMs = Math.max(nowMs, before === null ? 0 : secondBehind(before.lineage));
    this.#before = null;
    this.#replids = new Set([start.replid]);
    this.#lineage = {
      lineage: newLineageId(startedMs, start.replid),
      shard: this.#shard,
      startedAt: new Date(startedMs).toISOString(),
      startOffset: start.offset,
      replid: start.replid,
      server: { family: identity?.family ?? 'unknown', version: identity?.version || null },
      databases: identity?.databases ?? null,
      gap: before === null ? null : gapBehind(before, start, identity?.info ?? {}),
    };
    return this.#lineage;
  }

  /** The lineage that a place of the source's history lies in; null: in none that is recorded. */
  lineageOf({ replid, offset }: Beginning): string | null {
    const lineage = this.#lineage;
    if (lineage === null || !this.#replids.has(replid)) return null;
    return offset < lineage.startOffset ? null : lineage.lineage;
  }

  /** Whether the log can be replayed onto a backup. */
  holds({ shards }: Manifest): boolean {
    const place = shards.find(({ shard }) => shard === this.#shard)?.replication ?? null;
    return place !== null && this.lineageOf(place) !== null;
  }
}

function gapBehind(
  before: EndedRecording,
  start: Beginning,
  info: ServerIdentity['info'],
): GapRecord {
  const { endOffset, endMs, replid } = before;
  const orphanFrom = whereOrphanBegins(info, { replid, offset: endOffset });
  const { lineage } = before.lineage;
  return {
    lineage,
    endOffset,
    endMs,
    why: reason(orphanFrom, start.replid === replid),
    orphanFrom,
  };
}

function reason(orphanFrom: number | null, isSameHistory: boolean): string {
  if (orphanFrom !== null) {
    return `The source went back to offset ${orphanFrom} under a new master`;
  }
  return isSameHistory
    ? 'The source no longer had what came next: its backlog is too small for the break'
    : 'Another history answers: the source was restarted or replaced, or kept no backlog';
}

function secondBehind({ startedAt }: LineageRecord): number {
  return (Math.floor(Date.parse(startedAt) / 1000) + 1) * 1000;
}
