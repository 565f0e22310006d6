import { isCoded } from '../../base/index.ts';
import { dayIndexObject, parseLogObject } from '../layout.ts';
import { encodeDocument, MAX_DOCUMENT_BYTES, parseDocument } from '../records/document.ts';
import type { Repository } from '../repository.ts';
import type { SegmentRecord } from './log-records.ts';
import { encodeFacts, readFacts } from './segment-format.ts';

const FORMAT = 'tidemark-log-index';
const MAX_INDEX_BYTES = 64 * MAX_DOCUMENT_BYTES;

export type LogDay = {
  readonly shard: string;
  readonly lineage: string;
  /** `2026-11-22`, in UTC. */
  readonly day: string;
};

/**
 * Stores what the directories of a closed day say, so that months of log need few requests. Derived
 * and optional: it counts only while it names exactly the segments that are there. Best called when
 * no more segments of the day can come; one that exists already is left as it is.
 */
export async function writeDayIndex(
  repository: Repository,
  source: string,
  day: LogDay,
  segments: readonly SegmentRecord[],
  signal?: AbortSignal,
): Promise<void> {
  const name = dayIndexObject(source, day.shard, day.lineage, day.day);
  const members = {
    ...day,
    segments: segments.map((segment) => ({
      name: segment.name,
      size: segment.size,
      directoryDigest: segment.directoryDigest,
      ...encodeFacts(segment),
    })),
  };
  try {
    await repository.storage.put(name, encodeDocument(FORMAT, members), signal);
  } catch (error) {
    if (!isCoded(error, 'OBJECT_EXISTS')) throw error;
  }
}

/** OBJECT_MISSING, OBJECT_CORRUPT, REPOSITORY_CORRUPT, REPOSITORY_UNSUPPORTED. */
export async function readDayIndex(
  { storage }: Repository,
  source: string,
  day: LogDay,
  signal?: AbortSignal,
): Promise<SegmentRecord[]> {
  const object = dayIndexObject(source, day.shard, day.lineage, day.day);
  const bytes = await storage.read(object, { maxBytes: MAX_INDEX_BYTES }, signal);
  const fields = parseDocument(bytes, FORMAT, object);
  const segments = fields.items('segments', (item) => ({
    ...readFacts(item),
    name: item.text('name'),
    size: item.integer('size', 1),
    directoryDigest: item.text('directoryDigest', /^sha256:[0-9a-f]{64}$/),
  }));
  for (const segment of segments) {
    const name = parseLogObject(source, segment.name);
    const same =
      name?.kind === 'segment' &&
      name.shard === day.shard &&
      name.lineage === day.lineage &&
      name.day === day.day &&
      name.startOffset === segment.startOffset &&
      name.firstMs === segment.firstMs &&
      segment.lineage === day.lineage &&
      segment.shard === day.shard;
    if (!same) throw fields.inconsistent(`it has a segment of another place`);
  }
  return segments;
}
