import { createHash } from 'node:crypto';
import { assert, CodedError, isCoded } from '../../base/index.ts';
import type { NotableEvent } from '../../commands/index.ts';
import type { ObjectWriter } from '../../storage/index.ts';
import { sealBlockAside } from '../data-file/block.ts';
import { encodeTrailer } from '../data-file/data-file-format.ts';
import { FrameEncoder } from '../data-file/zstd-frame.ts';
import { segmentObject } from '../layout.ts';
import type { Repository } from '../repository.ts';
import type {
  ArrivalTime,
  LogMark,
  ReplicationId,
  SegmentBlock,
  SegmentDirectory,
  SegmentRecord,
  UncertainSpan,
} from './log-records.ts';
import { markId } from './mark-id.ts';
import { readSegmentDirectory } from './read-segment.ts';
import {
  digestText,
  encodeSegmentDirectory,
  encodeSegmentHeader,
  encodeTimes,
  type HeaderPlace,
  type SegmentPlace,
} from './segment-format.ts';
import { SegmentText, type TextBlock } from './segment-text.ts';

/** A stretch of the recorded stream that is to become one segment. */
export type SegmentInput = {
  readonly shard: string;
  readonly lineage: string;
  /** It begins at a cut, with this database in force, and must end at one. */
  readonly startOffset: number;
  readonly database: number;
  /**
   * The ids that the history bore; the first is in force at the start. Looked at, as are the
   * brackets, when all pieces were taken.
   */
  readonly replids: readonly ReplicationId[];
  /** The segment before it in the lineage, as its record says; null for the first. */
  readonly predecessor: SegmentRecord['predecessor'];
  /** One at a time, or several. */
  readonly pieces: AsyncIterable<SegmentPiece | readonly SegmentPiece[]>;
  readonly brackets?: readonly ArrivalTime[];
};

export type SegmentPiece = {
  /** The giver's again when the next one or ones are asked for. */
  readonly bytes: Uint8Array;
  /** Arrival, Unix milliseconds; one that goes back counts as the one before. */
  readonly atMs: number;
  /** The bytes are older than their arrival: from between this and it. */
  readonly sinceMs?: number;
};

/** Names of unknown commands that one directory lists. */
const MAX_UNKNOWN = 1000;

/**
 * Stores one segment and reads its directory back. Durable when resolved. Idempotent: where a
 * segment of this name with the same bytes is there already, gives that one's record; with other
 * bytes OBJECT_EXISTS. STREAM_CORRUPT where the bytes are no commands or end within one.
 */
export async function storeSegment(
  repository: Repository,
  source: string,
  input: SegmentInput,
  signal?: AbortSignal,
): Promise<SegmentDirectory> {
  const pieces = input.pieces[Symbol.asyncIterator]();
  try {
    const first = await pieces.next();
    const head = first.done === true ? undefined : asList(first.value).at(0);
    assert(head !== undefined && head.bytes.length > 0, 'a segment without bytes');
    const { shard, lineage, startOffset } = input;
    const firstMs = head.atMs;
    const name = segmentObject(source, { shard, lineage, startOffset, firstMs });
    const place = { repository: repository.id, source, shard, lineage, startOffset };
    const writer = await repository.storage.create(name, signal);
    const segment = new SegmentWriter(writer, input, firstMs);
    try {
      await segment.begin(place, signal);
      let next: IteratorResult<SegmentPiece | readonly SegmentPiece[]> = first;
      while (next.done !== true) {
        signal?.throwIfAborted();
        for (const piece of asList(next.value)) {
          for (const block of segment.append(piece)) await segment.seal(block, signal);
        }
        next = await pieces.next();
      }
      return await segment.close(repository, source, signal);
    } catch (error) {
      await writer.abort();
      throw error;
    } finally {
      segment.dispose();
    }
  } finally {
    await pieces.return?.();
  }
}

function asList(pieces: SegmentPiece | readonly SegmentPiece[]): readonly SegmentPiece[] {
  return 'bytes' in pieces ? [pieces] : pieces;
}

class SegmentWriter {
  readonly #object: ObjectWriter;
  readonly #input: SegmentInput;
  readonly #firstMs: number;
  readonly #text: SegmentText;
  readonly #encoder = new FrameEncoder();
  readonly #rawHash = createHash('sha256');
  readonly #blocks: SegmentBlock[] = [];
  readonly #marks: LogMark[] = [];
  readonly #uncertain: UncertainSpan[] = [];
  readonly #unknown = new Set<string>();
  #header: HeaderPlace | undefined;

  constructor(object: ObjectWriter, input: SegmentInput, firstMs: number) {
    this.#object = object;
    this.#input = input;
    this.#firstMs = firstMs;
    this.#text = new SegmentText({ offset: input.startOffset, database: input.database });
    this.#text.scanner.onNotable = (event) => this.#note(event);
  }

  async begin(place: SegmentPlace, signal?: AbortSignal): Promise<void> {
    const header = encodeSegmentHeader(place);
    this.#header = { length: header.length, digest: digestText(header) };
    await this.#object.write(header, signal);
  }

  /** The blocks that are done, each to be sealed before the next is asked for. */
  *append({ bytes, atMs, sinceMs }: SegmentPiece): Generator<TextBlock> {
    assert(Number.isSafeInteger(atMs), 'a time that is no whole number');
    const from = this.#text.scanner.offset;
    this.#rawHash.update(bytes);
    yield* this.#text.push(bytes, atMs);
    if (sinceMs === undefined || bytes.length === 0 || sinceMs >= this.#text.atMs) return;
    const endOffset = from + bytes.length;
    const last = this.#uncertain.at(-1);
    if (last !== undefined && last.endOffset === from && last.sinceMs === sinceMs) {
      this.#uncertain[this.#uncertain.length - 1] = { ...last, endOffset };
    } else {
      this.#uncertain.push({ startOffset: from, endOffset, sinceMs });
    }
  }

  async close(
    repository: Repository,
    source: string,
    signal?: AbortSignal,
  ): Promise<SegmentDirectory> {
    const { scanner } = this.#text;
    if (scanner.cut !== scanner.offset) {
      throw new CodedError(
        'STREAM_CORRUPT',
        `Cannot store a segment: it ends at ${scanner.offset}, within a command or transaction ` +
          `that begins at ${scanner.cut}`,
        { offset: scanner.cut },
      );
    }
    for (const block of this.#text.end()) await this.seal(block, signal);
    const wanted = await this.#writeEnd(signal);
    const { name } = this.#object;
    try {
      await this.#object.commit(signal);
    } catch (error) {
      if (!isCoded(error, 'OBJECT_EXISTS')) throw error;
      const there = await readSegmentDirectory(repository, source, name, undefined, signal);
      const same =
        there.rawDigest === wanted.rawDigest && there.endOffset === this.#text.scanner.offset;
      if (!same) throw error;
      return there;
    }
    const stored = await readSegmentDirectory(repository, source, name, undefined, signal);
    if (stored.directoryDigest === wanted.digest) return stored;
    throw new CodedError('OBJECT_CORRUPT', `Cannot trust '${name}': it reads back otherwise`, {
      object: name,
    });
  }

  /** Times, directory and trailer. */
  async #writeEnd(signal?: AbortSignal): Promise<{ rawDigest: string; digest: string }> {
    const { shard, lineage, startOffset, database, replids, predecessor } = this.#input;
    const { times, scanner, atMs } = this.#text;
    assert(this.#header !== undefined, 'a segment without a header');
    const timesFrame = encodeTimes(times, startOffset, this.#firstMs);
    const rawDigest = `sha256:${this.#rawHash.digest('hex')}`;
    const directory = encodeSegmentDirectory({
      shard,
      lineage,
      startOffset,
      endOffset: scanner.offset,
      firstMs: this.#firstMs,
      lastMs: times.at(-1)?.ms ?? atMs,
      database,
      rawDigest,
      predecessor,
      replids,
      commands: scanner.commands,
      verbatimScripts: scanner.verbatimScripts,
      unknownCommands: [...this.#unknown],
      uncertain: this.#uncertain,
      marks: this.#marks,
      brackets: this.#input.brackets ?? [],
      header: this.#header,
      times: {
        offset: this.#object.size,
        length: timesFrame.frame.length,
        rawLength: timesFrame.rawLength,
        digest: digestText(timesFrame.frame),
      },
      blocks: this.#blocks,
    });
    await this.#object.write(timesFrame.frame, signal);
    const offset = this.#object.size;
    await this.#object.write(directory, signal);
    await this.#object.write(encodeTrailer(offset, directory), signal);
    return { rawDigest, digest: digestText(directory) };
  }

  dispose(): void {
    this.#encoder.close();
  }

  async seal(block: TextBlock, signal?: AbortSignal): Promise<void> {
    const sealed = await sealBlockAside(block.text, this.#encoder);
    const { parts, storedLength, rawLength, digest } = sealed;
    this.#blocks.push({
      offset: this.#object.size,
      storedLength,
      rawLength,
      startOffset: block.startOffset,
      endOffset: block.endOffset,
      database: block.database,
      continues: block.continues,
      inserted: block.inserted,
      digest: Buffer.from(digest).toString('hex'),
    });
    for (const part of parts) await this.#object.write(part, signal);
  }

  #note({ kind, mark, name, startOffset, endOffset, database }: NotableEvent): void {
    if (kind === 'unknown' && this.#unknown.size < MAX_UNKNOWN) this.#unknown.add(name);
    if (kind !== 'mark' || mark === null) return;
    const { shard, lineage } = this.#input;
    const id = markId(shard, lineage, startOffset);
    this.#marks.push({ id, kind: mark, startOffset, endOffset, ms: this.#text.atMs, database });
  }
}
