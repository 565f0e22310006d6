import { CodedError } from '../../base/index.ts';
import type { ArrivalTime, ReplicationId, SegmentPiece } from '../../repository/index.ts';
import type { ClosedFile } from './shard-spool.ts';
import type { SpoolHeader } from './spool-header.ts';
import { SpoolReader, type SpoolRecord } from './spool-reader.ts';
import { RECORD } from './spool-record.ts';

/** Reads a closed file once, as a segment is made of it; holds it open until `close`. */
export class ClosedReader {
  readonly header: SpoolHeader;
  /** These two are whole when the last piece has been given. */
  readonly replids: ReplicationId[];
  readonly brackets: ArrivalTime[] = [];
  readonly #file: ClosedFile;
  readonly #reader: SpoolReader;
  #offset: number;

  private constructor(file: ClosedFile, reader: SpoolReader) {
    const { header } = reader;
    this.header = header;
    this.replids = [{ offset: header.startOffset, replid: header.replid }];
    this.#file = file;
    this.#reader = reader;
    this.#offset = header.startOffset;
  }

  /** SPOOL_CORRUPT when it has no head. */
  static async open(file: ClosedFile): Promise<ClosedReader> {
    return new ClosedReader(file, await SpoolReader.open(file.path));
  }

  /**
   * The bytes, in order, several pieces at a time, valid until the next are asked for. Once.
   * SPOOL_CORRUPT where the file ends elsewhere than it was closed.
   */
  async *pieces(): AsyncGenerator<readonly SegmentPiece[]> {
    const reader = this.#reader;
    for (let record = await reader.next(); record !== null; record = await reader.next()) {
      const pieces: SegmentPiece[] = [];
      for (let held: SpoolRecord | null = record; held !== null; held = reader.nextHeld()) {
        this.#take(held, pieces);
      }
      if (pieces.length > 0) yield pieces;
    }
    if (this.#offset !== this.#file.endOffset) throw damaged(this.#file, this.#offset);
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }

  #take(record: SpoolRecord, pieces: SegmentPiece[]): void {
    const { type, offset, atMs, sinceMs, payload: bytes } = record;
    if (type === RECORD.data) {
      if (offset !== this.#offset) throw damaged(this.#file, this.#offset);
      this.#offset += bytes.length;
      pieces.push(sinceMs === 0 ? { bytes, atMs } : { bytes, atMs, sinceMs });
    } else if (type === RECORD.replid) {
      this.replids.push({ offset, replid: bytes.toString('latin1') });
    } else if (type === RECORD.bracket) this.#takeBracket({ offset, ms: atMs });
  }

  /** Of the file's own stretch, and rising. */
  #takeBracket(pair: ArrivalTime): void {
    const last = this.brackets.at(-1);
    if (pair.offset < this.header.startOffset || pair.offset > this.#file.endOffset) return;
    if (last !== undefined && (pair.offset < last.offset || pair.ms < last.ms)) return;
    this.brackets.push(pair);
  }
}

function damaged(file: ClosedFile, offset: number): CodedError {
  const message =
    `The spool file ${file.path} is damaged: it should reach offset ${file.endOffset} and ` +
    `ends at ${offset}`;
  return new CodedError('SPOOL_CORRUPT', message, { offset });
}
