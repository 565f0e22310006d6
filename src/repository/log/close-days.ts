import { dayIndexObject, segmentDay } from '../layout.ts';
import type { Repository } from '../repository.ts';
import { writeDayIndex } from './day-index.ts';
import type { SegmentRecord } from './log-records.ts';
import { readShardLog } from './shard-logs.ts';

/**
 * Writes the index of every day of a shard that has none and to which no segment can come any more,
 * because its lineage has one of a later day or has ended. For whoever stores segments, when a day
 * has changed. Gives the number of indexes written.
 */
export async function closeDays(
  repository: Repository,
  source: string,
  shard: string,
  signal?: AbortSignal,
): Promise<number> {
  const { lineages } = await readShardLog(repository, source, shard, signal);
  let written = 0;
  for (const [index, { record, segments, covered }] of lineages.entries()) {
    const days = new Map<string, SegmentRecord[]>();
    for (const segment of [...segments, ...covered]) {
      const day = segmentDay(segment.firstMs);
      const same = days.get(day);
      if (same === undefined) days.set(day, [segment]);
      else same.push(segment);
    }
    const newest = [...days.keys()].sort().at(-1);
    const isLast = index === lineages.length - 1;
    for (const [day, records] of days) {
      if (records.length < 2 || (isLast && day === newest)) continue;
      const { lineage } = record;
      const name = dayIndexObject(source, shard, lineage, day);
      if (await repository.storage.exists(name, signal)) continue;
      await writeDayIndex(repository, source, { shard, lineage, day }, records, signal);
      written++;
    }
  }
  return written;
}
