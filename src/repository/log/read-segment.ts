import { CodedError, isCoded } from '../../base/index.ts';
import { checkBlockDigest, openBlockAside } from '../data-file/block.ts';
import {
  checkTrailer,
  decodeTrailer,
  headerText,
  TRAILER_FRAME_BYTES,
} from '../data-file/data-file-format.ts';
import { parseLogObject } from '../layout.ts';
import type { Repository } from '../repository.ts';
import type { SegmentBlock, SegmentDirectory, SegmentRecord } from './log-records.ts';
import {
  checkSegmentHeader,
  corrupt,
  decodeSegmentDirectory,
  decodeTimes,
  digestText,
  MAX_DIRECTORY_BYTES,
  type StoredDirectory,
} from './segment-format.ts';

/** What is read of a segment's end at once: the directory of most, with its times. */
const TAIL_BYTES = 64 << 10;

/** A directory, and the bytes in front of it that were read along. */
type ReadEnd = {
  readonly stored: StoredDirectory;
  readonly size: number;
  readonly digest: string;
  /** The end of the object from `from` on. */
  readonly tail: Buffer;
  readonly from: number;
};

/**
 * What a segment says of itself, by one request for most; `size` spares asking for it. The caller's
 * to keep. OBJECT_MISSING, OBJECT_CORRUPT, REPOSITORY_CORRUPT, REPOSITORY_UNSUPPORTED.
 */
export async function readSegmentRecord(
  repository: Repository,
  source: string,
  name: string,
  size?: number,
  signal?: AbortSignal,
): Promise<SegmentRecord> {
  const end = await readEnd(repository, source, name, size, signal);
  const {
    header: _header,
    blocks: _blocks,
    brackets: _brackets,
    times: _times,
    ...facts
  } = end.stored;
  return { ...facts, name, size: end.size, directoryDigest: end.digest };
}

/** The same with blocks, times and brackets. */
export async function readSegmentDirectory(
  repository: Repository,
  source: string,
  name: string,
  size?: number,
  signal?: AbortSignal,
): Promise<SegmentDirectory> {
  const end = await readEnd(repository, source, name, size, signal);
  const { header: _header, ...stored } = end.stored;
  const { offset, length } = stored.times;
  const range = { start: offset, end: offset + length };
  const frame =
    offset >= end.from
      ? end.tail.subarray(offset - end.from, offset - end.from + length)
      : await repository.storage.read(name, range, signal);
  const times = decodeTimes(frame, stored.times, stored, name);
  return { ...stored, times, name, size: end.size, directoryDigest: end.digest };
}

/**
 * Checks what nobody needs in order to read a segment: that its header is the one that was written
 * and names the place where it lies. OBJECT_MISSING, OBJECT_CORRUPT, REPOSITORY_CORRUPT,
 * REPOSITORY_UNSUPPORTED.
 */
export async function checkSegmentStart(
  repository: Repository,
  source: string,
  name: string,
  size?: number,
  signal?: AbortSignal,
): Promise<void> {
  const { stored } = await readEnd(repository, source, name, size, signal);
  const { shard, lineage, startOffset, header } = stored;
  const frame = await repository.storage.read(name, { start: 0, end: header.length }, signal);
  if (digestText(frame) !== header.digest) throw corrupt(name, 'its header has another SHA-256');
  const place = { repository: repository.id, source, shard, lineage, startOffset };
  checkSegmentHeader(headerText(frame, name), place, name);
}

async function readEnd(
  { storage }: Repository,
  source: string,
  name: string,
  knownSize: number | undefined,
  signal?: AbortSignal,
): Promise<ReadEnd> {
  const size = knownSize ?? (await storage.stat(name, signal)).size;
  let from = Math.max(0, size - TAIL_BYTES);
  let tail = await storage.read(name, { start: from, end: size }, signal);
  if (tail.length < TRAILER_FRAME_BYTES) throw corrupt(name, 'it is too short for a segment');
  const trailer = tail.subarray(tail.length - TRAILER_FRAME_BYTES);
  const { directoryOffset, directoryLength } = decodeTrailer(trailer, size, name);
  if (directoryLength > MAX_DIRECTORY_BYTES) throw corrupt(name, 'its directory is too large');
  if (directoryOffset < from) {
    from = directoryOffset;
    tail = await storage.read(name, { start: from, end: size }, signal);
  }
  const frame = tail.subarray(directoryOffset - from, directoryOffset - from + directoryLength);
  checkTrailer(tail.subarray(tail.length - TRAILER_FRAME_BYTES), frame, name);
  const stored = decodeSegmentDirectory(frame, directoryOffset, name);
  const place = parseLogObject(source, name);
  const same =
    place?.kind === 'segment' &&
    place.shard === stored.shard &&
    place.lineage === stored.lineage &&
    place.startOffset === stored.startOffset &&
    place.firstMs === stored.firstMs;
  if (!same) throw corrupt(name, 'its directory belongs to another place');
  return { stored, size, digest: digestText(frame), tail, from };
}

/** The text of one block, its stored bytes checked, opened aside; the caller's to keep. */
export async function openSegmentBlock(
  stored: Uint8Array,
  block: SegmentBlock,
  name: string,
): Promise<Buffer> {
  const digest = Buffer.from(block.digest, 'hex');
  try {
    return await openBlockAside(stored, { rawLength: block.rawLength, digest });
  } catch (error) {
    throw damaged(error, block, name);
  }
}

/** OBJECT_CORRUPT unless the stored bytes of a block are what was written. */
export function checkStoredBlock(stored: Uint8Array, block: SegmentBlock, name: string): void {
  try {
    checkBlockDigest(stored, Buffer.from(block.digest, 'hex'));
  } catch (error) {
    throw damaged(error, block, name);
  }
}

function damaged(error: unknown, { offset }: SegmentBlock, name: string): unknown {
  if (!isCoded(error)) return error;
  const found = `Cannot read '${name}': block at ${offset}: ${error.message}`;
  return new CodedError('OBJECT_CORRUPT', found, { object: name, offset, cause: error });
}

/** A block's text without what was inserted; the text itself where that is nothing. */
export function rawOfText(text: Buffer, inserted: readonly number[]): Buffer {
  if (inserted.length === 0) return text;
  const parts: Buffer[] = [];
  let at = 0;
  for (let i = 0; i < inserted.length; i += 2) {
    parts.push(text.subarray(at, inserted[i]));
    at = inserted[i] + inserted[i + 1];
  }
  parts.push(text.subarray(at));
  return Buffer.concat(parts);
}

/** As `rawOfText`, at the front of `text` itself, which is spent. */
export function stripText(text: Buffer, inserted: readonly number[]): Buffer {
  if (inserted.length === 0) return text;
  let length = inserted[0];
  for (let i = 0; i < inserted.length; i += 2) {
    const from = inserted[i] + inserted[i + 1];
    const to = inserted[i + 2] ?? text.length;
    text.copyWithin(length, from, to);
    length += to - from;
  }
  return text.subarray(0, length);
}
