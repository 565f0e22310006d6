import { createHash, type Hash } from 'node:crypto';
import { CodedError } from '../../base/index.ts';
import type { Repository } from '../repository.ts';
import { type LineageLog, runAt } from './lineage-log.ts';
import type { ArrivalTime, SegmentBlock, SegmentDirectory, SegmentRecord } from './log-records.ts';
import { openSegmentBlock, rawOfText, readSegmentDirectory, stripText } from './read-segment.ts';
import { corrupt } from './segment-format.ts';

/** Neighbouring blocks are read together up to so many stored bytes. */
const READ_BYTES = 4 << 20;

/** A piece of the recorded stream, as it came from the source. */
export type LogPiece = {
  /** At most a block (1 MiB and little more); the consumer's to keep. */
  readonly bytes: Buffer;
  /** Of its first byte. */
  readonly offset: number;
  /** When the commands that end in it were complete, Unix milliseconds. */
  readonly atMs: number;
};

/**
 * The raw bytes `[fromOffset, toOffset)` of a lineage, which must lie in one run; a new piece
 * begins whenever the arrival time changes. Blocks are checked by their digests, segments that are
 * read whole by their rawDigest as well, and where two segments overlap their bytes must be equal:
 * OBJECT_CORRUPT. INSTANT_UNREACHABLE where bytes of the range are not stored.
 */
export async function* readLogStream(
  repository: Repository,
  lineage: LineageLog,
  fromOffset: number,
  toOffset: number,
  signal?: AbortSignal,
): AsyncGenerator<LogPiece> {
  if (fromOffset === toOffset) return;
  checkReachable(lineage, fromOffset, toOffset);
  let at = fromOffset;
  let overlap = createHash('sha256');
  for (const [index, segment] of lineage.segments.entries()) {
    if (at === toOffset) return;
    if (segment.endOffset <= at) continue;
    // What the segment before it gave as well is read once more, to be compared.
    const from = Math.max(segment.startOffset, fromOffset);
    const nextStart = lineage.segments[index + 1]?.startOffset ?? Infinity;
    const before = overlap;
    const again = createHash('sha256');
    overlap = createHash('sha256');
    const to = Math.min(segment.endOffset, toOffset);
    const known = at;
    for await (const piece of readSegmentStream(
      repository,
      lineage.source,
      segment,
      from,
      to,
      signal,
    )) {
      const { bytes, offset, atMs } = piece;
      const end = offset + bytes.length;
      if (end > nextStart) overlap.update(bytes.subarray(Math.max(0, nextStart - offset)));
      if (offset < known) again.update(bytes.subarray(0, known - offset));
      if (end >= known && offset < known) compareOverlap(before, again, segment.name);
      if (end <= known) continue;
      const fresh = Math.max(0, known - offset);
      yield { bytes: bytes.subarray(fresh), offset: offset + fresh, atMs };
      at = end;
    }
  }
}

/** INSTANT_UNREACHABLE unless the range lies in one run. */
export function checkReachable(lineage: LineageLog, fromOffset: number, toOffset: number): void {
  const run = runAt(lineage, fromOffset);
  if (run !== undefined && toOffset <= run.endOffset && fromOffset <= toOffset) return;
  throw new CodedError(
    'INSTANT_UNREACHABLE',
    `Cannot read offsets ${fromOffset} to ${toOffset} of lineage ${lineage.record.lineage}: ` +
      'they are not all stored',
  );
}

function compareOverlap(before: Hash, again: Hash, object: string): void {
  if (before.digest().equals(again.digest())) return;
  throw corrupt(object, 'where it overlaps the segment before it, its bytes are others');
}

/** `[from, to)` of one segment, by what it says itself; the same checks. */
export async function* readSegmentStream(
  repository: Repository,
  source: string,
  segment: SegmentRecord,
  from: number,
  to: number,
  signal?: AbortSignal,
): AsyncGenerator<LogPiece> {
  const { name, size } = segment;
  const directory = await readSegmentDirectory(repository, source, name, size, signal);
  if (directory.directoryDigest !== segment.directoryDigest) {
    throw corrupt(name, 'it is not the segment that was listed');
  }
  const hash = createHash('sha256');
  const blocks = directory.blocks.filter((b) => b.endOffset > from && b.startOffset < to);
  const times = new TimeCursor(directory);
  for await (const { text, block } of readTexts(repository, directory, blocks, signal)) {
    const raw = stripText(text, block.inserted);
    hash.update(raw);
    const end = Math.min(block.endOffset, to);
    for (let at = Math.max(block.startOffset, from); at < end; ) {
      const { ms, until } = times.at(at);
      const pieceEnd = Math.min(until, end);
      const bytes = raw.subarray(at - block.startOffset, pieceEnd - block.startOffset);
      yield { bytes, offset: at, atMs: ms };
      at = pieceEnd;
    }
  }
  const isWhole = from <= segment.startOffset && to >= segment.endOffset;
  if (isWhole && `sha256:${hash.digest('hex')}` !== segment.rawDigest) {
    throw corrupt(name, 'its stream has another SHA-256');
  }
}

/** The raw bytes of blocks of one segment, in order. */
export async function* readBlocks(
  repository: Repository,
  directory: SegmentDirectory,
  blocks: readonly SegmentBlock[],
  signal?: AbortSignal,
): AsyncGenerator<{ readonly raw: Buffer; readonly text: Buffer; readonly block: SegmentBlock }> {
  for await (const { text, block } of readTexts(repository, directory, blocks, signal)) {
    yield { raw: rawOfText(text, block.inserted), text, block };
  }
}

/**
 * The texts of blocks of one segment, in order, the consumer's to change; neighbours by one
 * request, one ahead. The next block is opened on another thread while this one is consumed.
 */
async function* readTexts(
  repository: Repository,
  directory: SegmentDirectory,
  blocks: readonly SegmentBlock[],
  signal?: AbortSignal,
): AsyncGenerator<{ readonly text: Buffer; readonly block: SegmentBlock }> {
  const { name } = directory;
  let opening: { readonly text: Promise<Buffer>; readonly block: SegmentBlock } | undefined;
  for await (const { stored, block } of readStored(repository, directory, blocks, signal)) {
    const text = openSegmentBlock(stored, block, name);
    // Where the reader stops early, nobody waits for it.
    text.catch(() => {});
    if (opening !== undefined) yield { text: await opening.text, block: opening.block };
    opening = { text, block };
  }
  if (opening !== undefined) yield { text: await opening.text, block: opening.block };
}

async function* readStored(
  repository: Repository,
  { name }: SegmentDirectory,
  blocks: readonly SegmentBlock[],
  signal?: AbortSignal,
): AsyncGenerator<{ readonly stored: Buffer; readonly block: SegmentBlock }> {
  const groups = groupBlocks(blocks);
  let ahead = readGroup(repository, name, groups[0], signal);
  for (const [index, group] of groups.entries()) {
    const bytes = await ahead;
    ahead = readGroup(repository, name, groups[index + 1] ?? [], signal);
    ahead.catch(() => {});
    for (const block of group) {
      const at = block.offset - group[0].offset;
      yield { stored: bytes.subarray(at, at + block.storedLength), block };
    }
  }
}

/** The stored bytes of a group of neighbours. */
export async function readGroup(
  { storage }: Repository,
  name: string,
  group: readonly SegmentBlock[],
  signal?: AbortSignal,
): Promise<Buffer> {
  const last = group.at(-1);
  if (last === undefined) return Buffer.alloc(0);
  const range = { start: group[0].offset, end: last.offset + last.storedLength };
  return await storage.read(name, range, signal);
}

/** Neighbours that are read by one request. */
export function groupBlocks(blocks: readonly SegmentBlock[]): SegmentBlock[][] {
  const groups: SegmentBlock[][] = [];
  for (const block of blocks) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    const joins =
      group !== undefined &&
      last !== undefined &&
      last.offset + last.storedLength === block.offset &&
      block.offset + block.storedLength - group[0].offset <= READ_BYTES;
    if (joins) group.push(block);
    else groups.push([block]);
  }
  return groups;
}

/** Finds the arrival time of rising offsets. */
class TimeCursor {
  readonly #times: readonly ArrivalTime[];
  readonly #end: number;
  #index = 0;

  constructor({ times, endOffset }: SegmentDirectory) {
    this.#times = times;
    this.#end = endOffset;
  }

  /** The time at an offset, and up to where it is the same. */
  at(offset: number): { ms: number; until: number } {
    const times = this.#times;
    while (this.#index + 1 < times.length && times[this.#index + 1].offset <= offset) this.#index++;
    return { ms: times[this.#index].ms, until: times[this.#index + 1]?.offset ?? this.#end };
  }
}
