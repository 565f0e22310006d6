import { ByteBuilder } from '../base/index.ts';
import { findName, formatName, type KnownName } from './name-table.ts';
import type { StreamCommand, StreamState } from './stream-command.ts';
import {
  checkArguments,
  checkArgumentSize,
  checkDatabaseSize,
  checkNameSize,
  corruptStream,
  readDatabase,
} from './stream-limits.ts';

/** An unfinished command's own buffer is given back when it has grown beyond this. */
const KEPT_BUFFER_BYTES = 1024 * 1024;
const MANY_PLACES = 16_384;

/**
 * Cuts a replication stream into whole commands. A command that lies in one piece is handed over
 * where it lies; one that is cut by pieces is put together first, in a buffer of the reader's own.
 * Both see the same commands as `StreamScanner`, and fail at the same places.
 */
export class CommandReader {
  readonly #command: ReadCommand;
  /** Of the next command. */
  #database: number;
  #inTransaction = false;
  /** Bytes of the history before the command under way. */
  #offset: number;
  /** The beginning of a command that the last piece cut. */
  #held = new ByteBuilder(256);

  constructor(state: StreamState) {
    this.#offset = state.offset;
    this.#database = state.database;
    this.#command = new ReadCommand();
  }

  /** Bytes of the history before the next whole command. */
  get offset(): number {
    return this.#offset;
  }

  /** In force there. */
  get database(): number {
    return this.#database;
  }

  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  /** Whether bytes of an unfinished command wait for more. */
  get isWithinCommand(): boolean {
    return this.#held.length > 0;
  }

  /**
   * Reads `[start, end)` of `buffer`. The command handed to `onCommand` is valid during that call.
   * Throws STREAM_CORRUPT with its offset, after handing over every whole command before it.
   */
  push(
    buffer: Uint8Array,
    start: number,
    end: number,
    onCommand: (command: StreamCommand) => void,
  ): void {
    let at = start;
    if (this.#held.length > 0) {
      at = this.#complete(buffer, start, end, onCommand);
      if (this.#held.length > 0) return;
    }
    const command = this.#command;
    const bytes = asBuffer(buffer);
    while (at < end) {
      if (bytes[at] === 10) {
        at++;
        this.#offset++;
        continue;
      }
      command.begin(bytes, at, this.#offset);
      const missing = command.parse(end);
      if (missing > 0) {
        this.#held.append(bytes, at, end);
        return;
      }
      at = command.end;
      this.#hand(onCommand);
    }
  }

  /** Adds to the held command no more than it needs; where it stopped. */
  #complete(
    buffer: Uint8Array,
    start: number,
    end: number,
    onCommand: (command: StreamCommand) => void,
  ): number {
    const command = this.#command;
    const held = this.#held;
    let at = start;
    for (;;) {
      command.move(held.bytes);
      const missing = command.parse(held.length);
      if (missing === 0) break;
      if (at === end) return at;
      const size = Math.min(missing, end - at);
      held.append(buffer, at, at + size);
      at += size;
    }
    this.#hand(onCommand);
    if (held.bytes.length > KEPT_BUFFER_BYTES) this.#held = new ByteBuilder(256);
    else held.clear();
    return at;
  }

  #hand(onCommand: (command: StreamCommand) => void): void {
    const command = this.#command;
    const { name } = command;
    if (name === 'MULTI') this.#inTransaction = true;
    command.database = this.#database;
    command.inTransaction = this.#inTransaction;
    this.#offset = command.offset + (command.end - command.start);
    if (command.selects >= 0) this.#database = command.selects;
    if (name === 'EXEC') this.#inTransaction = false;
    onCommand(command);
  }
}

/** The one command that a reader hands out, again and again, and the parser of its bytes. */
class ReadCommand implements StreamCommand {
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  offset = 0;
  database = 0;
  inTransaction = false;
  name = '';
  argc = 0;
  /** The database of a SELECT; -1 for any other command. */
  selects = -1;

  /** From `start`: where each argument begins, and its size. */
  #places: number[] = [];
  /** Arguments read. */
  #read = 0;
  #number = 0;
  #subcommands: KnownName['subcommands'] = null;
  /** From `start`: what has been parsed. */
  #parsed = 0;

  begin(bytes: Buffer, start: number, offset: number): void {
    this.bytes = bytes;
    this.start = start;
    this.offset = offset;
    this.argc = 0;
    this.#read = 0;
    this.#parsed = 0;
    this.#subcommands = null;
    this.name = '';
    this.selects = -1;
    if (this.#places.length > MANY_PLACES) this.#places = [];
  }

  /** The same command, its beginning copied to the front of `bytes`. */
  move(bytes: Buffer): void {
    this.bytes = bytes;
    this.start = 0;
  }

  arg(index: number): Buffer {
    const from = this.start + this.#places[2 * index];
    return this.bytes.subarray(from, from + this.#places[2 * index + 1]);
  }

  /** Goes on up to `end`; 0 when the command is whole, otherwise the bytes it lacks at least. */
  parse(end: number): number {
    const have = end - this.start;
    if (this.argc === 0) {
      const next = this.#header(have, 42, 'a command');
      if (next < 0) return 1;
      this.argc = this.#number;
      this.#parsed = next;
    }
    while (this.#read < this.argc) {
      const from = this.#header(have, 36, 'an argument');
      if (from < 0) return 1;
      const size = this.#number;
      if (this.#read < 2) this.#checkSize(size, this.offset + from);
      const behind = from + size;
      if (have > behind) this.#expect(behind, 13, 'a line end');
      if (have < behind + 2) return behind + 2 - have;
      this.#expect(behind + 1, 10, 'a line end');
      this.#places[2 * this.#read] = from;
      this.#places[2 * this.#read + 1] = size;
      this.#read++;
      this.#parsed = behind + 2;
      if (this.#read <= 2) this.#recognise();
    }
    this.end = this.start + this.#parsed;
    if (this.name === '') this.name = formatArgument(this.arg(0));
    return 0;
  }

  /** Reads `*12` or `$12` and its line end; where it ends, or -1 when it is not whole yet. */
  #header(have: number, kind: number, wanted: string): number {
    const { bytes, start } = this;
    let at = this.#parsed;
    if (at >= have) return -1;
    this.#expect(at, kind, wanted);
    at++;
    const digitsFrom = at;
    let number = 0;
    for (; at < have; at++) {
      const digit = bytes[start + at] - 48;
      if (digit < 0 || digit > 9) break;
      if (at - digitsFrom > 9 || (number === 0 && at > digitsFrom)) {
        throw corruptStream(this.offset + at, 'the end of a number', bytes[start + at]);
      }
      number = number * 10 + digit;
    }
    if (at === have) return -1;
    this.#expect(at, at === digitsFrom ? -1 : 13, 'a digit');
    at++;
    if (kind === 42) checkArguments(number, this.offset + at);
    else checkArgumentSize(number, this.offset + at);
    if (at === have) return -1;
    this.#expect(at, 10, 'a line end');
    this.#number = number;
    return at + 1;
  }

  #expect(at: number, byte: number, wanted: string): void {
    const found = this.bytes[this.start + at];
    if (found !== byte) throw corruptStream(this.offset + at, wanted, found);
  }

  #checkSize(size: number, offset: number): void {
    if (this.#read === 0 || this.#subcommands !== null) checkNameSize(size, offset);
    else if (this.name === 'SELECT') checkDatabaseSize(size, offset);
  }

  /** Names the command from its first argument, and a container's from the second too. */
  #recognise(): void {
    const from = this.start + this.#places[2 * this.#read - 2];
    const to = from + this.#places[2 * this.#read - 1];
    if (this.#read === 1) {
      const known = findName(this.bytes, from, to);
      this.#subcommands = known?.subcommands ?? null;
      this.name = known?.facts?.name ?? '';
    } else if (this.#subcommands !== null) {
      const facts = this.#subcommands.find(this.bytes, from, to);
      this.name = facts?.name ?? `${formatArgument(this.arg(0))} ${formatArgument(this.arg(1))}`;
    } else if (this.name === 'SELECT') {
      const behind = this.offset + this.#parsed;
      this.selects = readDatabase(this.arg(1), to - from, behind);
    }
  }
}

function formatArgument(argument: Buffer): string {
  return formatName(argument, 0, argument.length);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
