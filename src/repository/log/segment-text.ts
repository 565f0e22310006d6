import { assert, ByteBuilder } from '../../base/index.ts';
import { StreamScanner, type StreamState } from '../../commands/index.ts';
import { BLOCK_BYTES } from '../data-file/block.ts';
import type { ArrivalTime } from './log-records.ts';

/** So many arrival times are told apart in a segment; more are merged two by two. */
const MAX_TIMES = 1 << 20;

/** So many bytes are scanned at a time: how near the end of a block a cut can be seen. */
const SLICE_BYTES = 64 << 10;

/** The text of one block and what the directory says about it. */
export type TextBlock = {
  /** Valid until the next block is asked for. */
  readonly text: Buffer;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly database: number;
  readonly continues: boolean;
  readonly inserted: readonly number[];
};

/**
 * Turns the raw stream of one segment into the text of its blocks: inserts the SELECT at the
 * beginning and `#TS:<unix seconds>` lines, ends a block at the last cut before it would pass
 * BLOCK_BYTES, and remembers when each stretch between cuts was complete. Holds about two blocks,
 * however long a command is: one that is larger than a block becomes several, of which the later
 * ones continue.
 */
export class SegmentText {
  readonly scanner: StreamScanner;
  /** As `SegmentDirectory.times`. */
  times: ArrivalTime[] = [];
  readonly #maxTimes: number;
  readonly #text = new ByteBuilder(SLICE_BYTES);
  /** Bytes behind the last cut, while it is not known when their command will be complete. */
  readonly #pending = new ByteBuilder(SLICE_BYTES);
  #inserted: number[] = [];
  #annotatedSecond = -1;
  #atMs = 0;
  /** The last cut, and where the text ends: beyond the cut only within a long command. */
  #cut: number;
  #cutDatabase: number;
  #moved: number;
  #blockStart: number;
  #blockDatabase: number;
  #continues = false;

  constructor(state: StreamState, maxTimes = MAX_TIMES) {
    this.#maxTimes = maxTimes;
    this.scanner = new StreamScanner(state);
    this.#cut = state.offset;
    this.#moved = state.offset;
    this.#blockStart = state.offset;
    this.#blockDatabase = state.database;
    this.#cutDatabase = state.database;
    this.#insert(selectCommand(state.database));
  }

  /** When the bytes being pushed arrived, Unix milliseconds; never before those pushed before. */
  get atMs(): number {
    return this.#atMs;
  }

  /** Takes the bytes that arrived at `atMs`, which stay the caller's, and gives the blocks done. */
  *push(bytes: Uint8Array, atMs: number): Generator<TextBlock> {
    this.#atMs = Math.max(this.#atMs, atMs);
    for (let start = 0; start < bytes.length; start += SLICE_BYTES) {
      const end = Math.min(bytes.length, start + SLICE_BYTES);
      const before = this.scanner.offset;
      this.scanner.push(bytes, start, end);
      const { cut } = this.scanner;
      let rest = start;
      if (cut > this.#cut) {
        rest = start + (cut - before);
        yield* this.#move(bytes, start, rest, cut);
      }
      this.#pending.append(bytes, rest, end);
      if (this.#pending.length > BLOCK_BYTES) yield* this.#movePart();
    }
  }

  /** The last block, if anything is in it. The stream must have ended at a cut. */
  *end(): Generator<TextBlock> {
    assert(this.scanner.offset === this.#cut, 'a segment that does not end at a cut');
    if (this.#moved > this.#blockStart) yield this.#takeBlock();
  }

  /** What is pending and `[start, end)` lead to `cut`: they are complete and go into the text. */
  *#move(bytes: Uint8Array, start: number, end: number, cut: number): Generator<TextBlock> {
    const size = this.#text.length + (cut - this.#moved);
    const isLong = this.#moved > this.#cut;
    if (!isLong) {
      if (size > BLOCK_BYTES && this.#moved > this.#blockStart) yield this.#takeBlock();
      this.#annotate();
    }
    // A text that grows becomes a whole block: grown once, not by doubling.
    if (size > 4 * SLICE_BYTES) this.#text.reserve(BLOCK_BYTES + SLICE_BYTES - this.#text.length);
    this.#text.append(this.#pending.view());
    this.#text.append(bytes, start, end);
    this.#pending.clear();
    this.#moved = cut;
    const last = this.times.at(-1);
    if (last === undefined || this.#atMs > last.ms) {
      this.times.push({ offset: this.#cut, ms: this.#atMs });
      if (this.times.length > this.#maxTimes) this.times = coarser(this.times);
    }
    this.#cut = cut;
    this.#cutDatabase = this.scanner.cutDatabase;
    if (isLong) yield this.#takeBlock();
  }

  /** A command or transaction larger than a block: what is there of it becomes a block. */
  *#movePart(): Generator<TextBlock> {
    if (this.#moved === this.#cut) {
      if (this.#moved > this.#blockStart) yield this.#takeBlock();
      this.#annotate();
    }
    this.#text.append(this.#pending.view());
    this.#moved += this.#pending.length;
    this.#pending.clear();
    yield this.#takeBlock();
  }

  #takeBlock(): TextBlock {
    const block: TextBlock = {
      text: this.#text.view(),
      startOffset: this.#blockStart,
      endOffset: this.#moved,
      database: this.#blockDatabase,
      continues: this.#continues,
      inserted: this.#inserted,
    };
    this.#text.clear();
    this.#inserted = [];
    this.#blockStart = this.#moved;
    this.#blockDatabase = this.#cutDatabase;
    this.#continues = this.#moved > this.#cut;
    return block;
  }

  #annotate(): void {
    const second = Math.floor(this.#atMs / 1000);
    if (second <= this.#annotatedSecond) return;
    this.#annotatedSecond = second;
    this.#insert(`#TS:${second}\r\n`);
  }

  #insert(text: string): void {
    this.#inserted.push(this.#text.length, text.length);
    this.#text.ascii(text);
  }
}

/** Half as many: of two neighbours the earlier offset and the later time: then both are there. */
function coarser(times: readonly ArrivalTime[]): ArrivalTime[] {
  const merged: ArrivalTime[] = [];
  for (let i = 0; i < times.length; i += 2) {
    merged.push({ offset: times[i].offset, ms: (times[i + 1] ?? times[i]).ms });
  }
  return merged;
}

function selectCommand(database: number): string {
  const digits = String(database);
  return `*2\r\n$6\r\nSELECT\r\n$${digits.length}\r\n${digits}\r\n`;
}
