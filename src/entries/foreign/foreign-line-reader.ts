import { isUtf8 } from 'node:buffer';
import { CodedError, isCoded } from '../../base/index.ts';
import type { RdbFormat, ValueSink } from '../../rdb/index.ts';
import type { LineHeader } from '../json-reader.ts';
import type { RecordSpill } from './distinct-texts.ts';
import { ForeignValues } from './foreign-values.ts';
import { isSpace, JsonTokens } from './json-tokens.ts';
import { differingMember, LineMembers } from './line-members.ts';

/** Where a line stands, for messages. */
export type LinePlace = {
  /** From 1. */
  readonly number: number;
  /** Of the first byte of the line in its input. */
  readonly offset: number;
};

/**
 * Reads JSON Lines as people and other programs write them (docs/formats/entries.md, section 9):
 * everything that the schema allows, in any JSON notation, and nothing else. Each line is read
 * twice: once for where its members are, once for what they say. Every value is handed to a
 * ValueSink as JsonLineReader does; the lines of a long key are read as one value.
 *
 * For each line: `begin`, then, when it says true, `readValue`; at the very end `finish`. What the
 * sink throws passes through. Throws JSONL_INVALID with the line's number, the byte in it, and as
 * `offset` the byte in the input.
 */
export class ForeignLineReader {
  /** Of the inputs that follow: a file's name. */
  input: string;
  readonly #tokens = new JsonTokens();
  readonly #members = new LineMembers(this.#tokens);
  readonly #values: ForeignValues;
  /** The first line of the key that goes on; `#part` is the part that must come next. */
  #open: LineHeader | undefined;
  #openPlace: LinePlace = NOWHERE;
  #part = 0;
  #place: LinePlace = NOWHERE;
  #start = 0;

  /** `spill` takes what is remembered of a key's members where these are too many for memory. */
  constructor(input: string, spill?: RecordSpill) {
    this.input = input;
    this.#values = new ForeignValues(this.#tokens, this.#members, spill);
  }

  /** The members of the line; valid until the next `begin`, its `rdbType` after `readValue`. */
  get header(): LineHeader {
    return this.#members.header;
  }

  /** In which `header.keyMeta` is written. */
  get keyMetaFormat(): RdbFormat {
    return this.#members.keyMetaFormat;
  }

  /** Reads the members of one line, `[start, end)` without its line feed; false: it is blank. */
  begin(bytes: Uint8Array, start: number, end: number, place: LinePlace): boolean {
    let from = start;
    while (from < end && isSpace(bytes[from])) from++;
    if (from === end) return false;
    this.#place = place;
    this.#start = start;
    this.#guard(() => {
      const tokens = this.#tokens;
      tokens.openLine(bytes, from, end);
      if (!isUtf8(bytes.subarray(from, end))) {
        throw tokens.wrong(
          'bytes that are not UTF-8',
          from + validBytes(bytes.subarray(from, end)),
        );
      }
      this.#members.read();
      this.#join();
    });
    return true;
  }

  /** Whether this line belongs to the key that the line before began. */
  #join(): void {
    const tokens = this.#tokens;
    const { header } = this.#members;
    const open = this.#open;
    if (open === undefined) {
      if (header.part !== 0) throw tokens.wrong(`part ${header.part} of a key without part 0`);
    } else {
      const differing = differingMember(open, header);
      if (differing !== undefined) {
        const { number } = this.#openPlace;
        throw tokens.wrong(
          `the key that began in line ${number} is not complete, and "${differing}" differs`,
        );
      }
      if (header.part !== this.#part) {
        throw tokens.wrong(`part ${header.part} where part ${this.#part} should be`);
      }
    }
    this.#part = header.part + 1;
  }

  /** Hands the value of this line on. */
  readValue(sink: ValueSink): void {
    this.#guard(() => {
      this.#members.findValue();
      const { header } = this.#members;
      if (!header.more) this.#open = undefined;
      else if (this.#open === undefined) {
        this.#openPlace = this.#place;
        const key = Uint8Array.from(header.key.subarray(0, header.keyEnd));
        this.#open = { ...header, key };
      }
      this.#values.read(sink, this.#place.number);
    });
  }

  /** Call behind the last line: throws when it left a key unfinished. */
  finish(): void {
    if (this.#open === undefined) return;
    const { number, offset } = this.#openPlace;
    throw new CodedError(
      'JSONL_INVALID',
      `Cannot read ${this.input} to its end: the key that begins in line ${number} is not complete`,
      { offset },
    );
  }

  #guard(read: () => void): void {
    try {
      read();
    } catch (error) {
      throw isCoded(error, 'JSONL_INVALID') ? this.#located(error) : error;
    }
  }

  #located(error: CodedError): CodedError {
    const { number, offset } = this.#place;
    const at = (error.offset ?? this.#tokens.pos) - this.#start;
    const message = `Cannot read line ${number} of ${this.input}: ${error.message} (byte ${at})`;
    return new CodedError('JSONL_INVALID', message, { offset: offset + at, cause: error });
  }
}

/** How many bytes are UTF-8 before the first that is not. */
function validBytes(bytes: Uint8Array): number {
  const again = Buffer.from(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
  let i = 0;
  while (i < bytes.length && bytes[i] === again[i]) i++;
  return i;
}

const NOWHERE: LinePlace = { number: 0, offset: 0 };
