import { CodedError } from '../../base/index.ts';
import { StreamScanner, type StreamState } from '../../commands/index.ts';
import type { Repository } from '../repository.ts';
import { type LineageLog, runAt } from './lineage-log.ts';
import { readBlocks } from './log-stream.ts';
import type { SegmentDirectory, SegmentRecord, UncertainSpan } from './log-records.ts';
import { readSegmentDirectory } from './read-segment.ts';

/** A place between commands and outside MULTI … EXEC: the log can be replayed to here. */
export type LogCut = {
  readonly offset: number;
  /** In force there. */
  readonly database: number;
  /** Arrival of the last byte before it; null at the start of a run, where nothing is before. */
  readonly atMs: number | null;
  /** The bytes just before it (or, asked by time, just behind it) whose time is not exact. */
  readonly uncertain: UncertainSpan | null;
};

/** By offset: the last cut at or before it. By time: the last whose bytes all arrived by then. */
export type WantedCut = { readonly offset: number } | { readonly atMs: number };

/**
 * Finds a cut by reading one directory and at most a few blocks. Undefined where the log holds
 * none: before the first run, within a hole, or (by offset) behind the end. By time, the end of a
 * run stands for all later times: compare `lastMs` of the run.
 */
export async function cutAtOrBefore(
  repository: Repository,
  lineage: LineageLog,
  wanted: WantedCut,
  signal?: AbortSignal,
): Promise<LogCut | undefined> {
  return 'offset' in wanted
    ? await cutByOffset(repository, lineage, wanted.offset, signal)
    : await cutByTime(repository, lineage, wanted.atMs, signal);
}

async function cutByOffset(
  repository: Repository,
  lineage: LineageLog,
  offset: number,
  signal?: AbortSignal,
): Promise<LogCut | undefined> {
  const run = runAt(lineage, offset);
  if (run === undefined) return undefined;
  // At a seam the earlier segment knows when the bytes before it came.
  const segment = lineage.segments.find(
    (candidate) =>
      (candidate.startOffset < offset || candidate.startOffset === run.startOffset) &&
      offset <= candidate.endOffset,
  );
  if (segment === undefined) return undefined;
  const directory = await open(repository, lineage, segment, signal);
  const state = await lastCutIn(repository, directory, offset, signal);
  const isStart = state.offset === run.startOffset;
  return {
    offset: state.offset,
    database: state.database,
    atMs: isStart ? null : await arrivalOf(repository, lineage, directory, state.offset, signal),
    uncertain: spanBefore(lineage, state.offset),
  };
}

async function cutByTime(
  repository: Repository,
  lineage: LineageLog,
  atMs: number,
  signal?: AbortSignal,
): Promise<LogCut | undefined> {
  const segment = lineage.segments.findLast((candidate) => candidate.firstMs <= atMs);
  if (segment === undefined) return undefined;
  const directory = await open(repository, lineage, segment, signal);
  const { times, startOffset, endOffset } = directory;
  const later = firstLater(times, atMs);
  const offset = later === 0 ? startOffset : (times[later]?.offset ?? endOffset);
  const cut = await cutByOffset(repository, lineage, offset, signal);
  if (cut === undefined) return undefined;
  const late = lineage.uncertain.find((span) => span.endOffset > cut.offset && span.sinceMs < atMs);
  if (late === undefined) return { ...cut, uncertain: null };
  // It counts if it has bytes of what comes next: of the stretch that was complete too late.
  const isHere = later < times.length;
  const holder = isHere ? directory : await openNext(repository, lineage, segment, signal);
  if (holder === undefined) return { ...cut, uncertain: null };
  const end = holder.times[isHere ? later + 1 : 1]?.offset ?? holder.endOffset;
  return { ...cut, uncertain: late.startOffset < end ? late : null };
}

async function openNext(
  repository: Repository,
  lineage: LineageLog,
  segment: SegmentRecord,
  signal?: AbortSignal,
): Promise<SegmentDirectory | undefined> {
  const next = lineage.segments[lineage.segments.indexOf(segment) + 1];
  if (next === undefined || next.startOffset > segment.endOffset) return undefined;
  return await open(repository, lineage, next, signal);
}

/** Index of the first pair that came after `atMs`; `times.length` for none. */
function firstLater(times: SegmentDirectory['times'], atMs: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle].ms <= atMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The last cut at or before `offset` in a segment that holds it. */
async function lastCutIn(
  repository: Repository,
  directory: SegmentDirectory,
  offset: number,
  signal?: AbortSignal,
): Promise<StreamState> {
  const { blocks, startOffset, database } = directory;
  let first = blocks.findLastIndex((block) => block.startOffset <= offset);
  while (first > 0 && blocks[first].continues) first--;
  const last = blocks.findIndex((block) => block.endOffset >= offset);
  if (blocks[first].startOffset === offset) return { offset, database: blocks[first].database };
  const scanner = new StreamScanner({
    offset: blocks[first].startOffset,
    database: first === 0 ? database : blocks[first].database,
  });
  const wanted = blocks.slice(first, last + 1);
  for await (const { raw, block } of readBlocks(repository, directory, wanted, signal)) {
    scanner.push(raw, 0, Math.min(raw.length, offset - block.startOffset));
  }
  if (scanner.cut >= startOffset) return { offset: scanner.cut, database: scanner.cutDatabase };
  throw new CodedError('OBJECT_CORRUPT', `Cannot find a cut in '${directory.name}'`);
}

/**
 * The state that the stream is in at a cut: the database that the next command finds. `offset` must
 * be a cut of the stored log: INSTANT_UNREACHABLE otherwise.
 */
export async function stateAt(
  repository: Repository,
  lineage: LineageLog,
  offset: number,
  signal?: AbortSignal,
): Promise<StreamState> {
  const cut = await cutByOffset(repository, lineage, offset, signal);
  if (cut?.offset === offset) return { offset, database: cut.database };
  throw new CodedError(
    'INSTANT_UNREACHABLE',
    `Cannot continue at offset ${offset} of lineage ${lineage.record.lineage}: ` +
      (cut === undefined ? 'it is not stored' : 'it is within a command or transaction'),
  );
}

/** Arrival of the byte before `offset`, Unix milliseconds; null where that is not stored. */
export async function timeOf(
  repository: Repository,
  lineage: LineageLog,
  offset: number,
  signal?: AbortSignal,
): Promise<number | null> {
  const segment = segmentBefore(lineage, offset);
  if (segment === undefined) return null;
  return timeIn(await open(repository, lineage, segment, signal), offset);
}

async function arrivalOf(
  repository: Repository,
  lineage: LineageLog,
  directory: SegmentDirectory,
  offset: number,
  signal?: AbortSignal,
): Promise<number | null> {
  const isInside = directory.startOffset < offset && offset <= directory.endOffset;
  return isInside ? timeIn(directory, offset) : await timeOf(repository, lineage, offset, signal);
}

function timeIn({ times }: SegmentDirectory, offset: number): number | null {
  return times.findLast((pair) => pair.offset < offset)?.ms ?? null;
}

function segmentBefore(lineage: LineageLog, offset: number): SegmentRecord | undefined {
  return lineage.segments.find(
    (segment) => segment.startOffset < offset && offset <= segment.endOffset,
  );
}

/** The uncertain span that holds the byte before `offset`. */
function spanBefore({ uncertain }: LineageLog, offset: number): UncertainSpan | null {
  const holds = (span: UncertainSpan) => span.startOffset < offset && offset <= span.endOffset;
  return uncertain.find(holds) ?? null;
}

async function open(
  repository: Repository,
  { source }: LineageLog,
  { name, size }: SegmentRecord,
  signal?: AbortSignal,
): Promise<SegmentDirectory> {
  return await readSegmentDirectory(repository, source, name, size, signal);
}
