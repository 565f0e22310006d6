import { StreamScanner } from '../commands/index.ts';
import type { LogMark, SegmentBlock, SegmentDirectory } from '../repository/index.ts';
import type { FindingCode } from './findings.ts';

type Wrong = { readonly code: FindingCode; readonly block?: number; readonly message: string };

const ANNOTATION = /^#TS:([0-9]{1,12})\r\n$/;

/**
 * Compares the text of a segment, block after block, with what its directory says: where something
 * was inserted, what, and which commands there are. `check` throws STREAM_CORRUPT where the raw
 * bytes are no commands.
 */
export class SegmentTextChecker {
  readonly wrong: Wrong[] = [];
  readonly #directory: SegmentDirectory;
  readonly #scanner: StreamScanner;
  readonly #marks: Omit<LogMark, 'id' | 'ms'>[] = [];
  #index = 0;
  #second = -1;

  constructor(directory: SegmentDirectory) {
    this.#directory = directory;
    const { startOffset: offset, database } = directory;
    this.#scanner = new StreamScanner({ offset, database });
    this.#scanner.onNotable = ({ mark, startOffset, endOffset, database: db }) => {
      if (mark === null) return;
      this.#marks.push({ kind: mark, startOffset, endOffset, database: db });
    };
  }

  /** `text`: as it is stored; `raw`: without what was inserted. */
  check(text: Buffer, raw: Buffer, block: SegmentBlock): void {
    const scanner = this.#scanner;
    const atCut = scanner.cut === block.startOffset;
    if (atCut === block.continues || scanner.cutDatabase !== block.database) {
      this.#say('segment-facts', 'it does not begin where and as the directory says');
    }
    const { inserted } = block;
    let scanned = 0;
    let taken = 0;
    for (let i = 0; i < inserted.length; i += 2) {
      const position = inserted[i] - taken;
      scanner.push(raw, scanned, position);
      scanned = position;
      taken += inserted[i + 1];
      const isFirst = i === 0 && this.#index === 0;
      this.#checkInserted(
        text.toString('latin1', inserted[i], inserted[i] + inserted[i + 1]),
        isFirst,
      );
    }
    if (this.#index === 0 && inserted[0] !== 0) this.#say('segment-text', 'no SELECT begins it');
    scanner.push(raw, scanned, raw.length);
    this.#index++;
  }

  /** After the last block. */
  end(): void {
    const { endOffset, commands, verbatimScripts, marks } = this.#directory;
    const scanner = this.#scanner;
    if (scanner.cut !== endOffset) this.#say('segment-facts', 'it ends within a command');
    if (scanner.commands !== commands || scanner.verbatimScripts !== verbatimScripts) {
      this.#say('segment-facts', `it holds ${scanner.commands} commands, not ${commands}`);
    }
    const same =
      marks.length === this.#marks.length &&
      marks.every((mark, i) => {
        const found = this.#marks[i];
        return (
          mark.kind === found.kind &&
          mark.startOffset === found.startOffset &&
          mark.endOffset === found.endOffset &&
          mark.database === found.database
        );
      });
    if (!same) this.#say('segment-facts', 'it holds other marks');
  }

  #checkInserted(text: string, isFirst: boolean): void {
    const { database, firstMs, lastMs } = this.#directory;
    if (this.#scanner.cut !== this.#scanner.offset) {
      this.#say('segment-text', 'something is inserted within a command or transaction');
    }
    if (isFirst) {
      const digits = String(database);
      const expected = `*2\r\n$6\r\nSELECT\r\n$${digits.length}\r\n${digits}\r\n`;
      if (text !== expected) this.#say('segment-text', 'it does not begin with its SELECT');
      return;
    }
    const second = Number(ANNOTATION.exec(text)?.[1] ?? NaN);
    const inRange = second >= Math.floor(firstMs / 1000) && second <= Math.floor(lastMs / 1000);
    if (!inRange || second <= this.#second) {
      this.#say('segment-text', 'an inserted line is no time, or one that does not rise');
    }
    this.#second = second;
  }

  #say(code: FindingCode, found: string): void {
    const block = this.#index;
    const isBlock = block < this.#directory.blocks.length;
    const message = isBlock ? `block ${block}: ${found}` : found;
    this.wrong.push({ code, message, ...(isBlock && { block }) });
  }
}
