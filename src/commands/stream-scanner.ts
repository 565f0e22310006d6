import { CodedError } from '../base/index.ts';
import { type CommandFacts, type CommandMark } from './command-table.ts';
import { findName, formatName, type KnownName } from './name-table.ts';
import type { StreamState } from './stream-command.ts';
import {
  checkArguments,
  checkArgumentSize,
  checkDatabaseSize,
  checkNameSize,
  corruptStream,
  MAX_DATABASE_BYTES,
  MAX_NAME_BYTES,
  readDatabase,
} from './stream-limits.ts';

/** A command that somebody wants to know of; it lies in `[startOffset, endOffset)`. */
export type NotableEvent = {
  readonly kind: 'getack' | 'mark' | 'script' | 'unknown';
  /** Set when `kind` is "mark". */
  readonly mark: CommandMark | null;
  /** Upper case, with its subcommand. */
  readonly name: string;
  readonly startOffset: number;
  readonly endOffset: number;
  /** In force when it runs. */
  readonly database: number;
  /** Within MULTI … EXEC: the last cut lies before its MULTI. */
  readonly inTransaction: boolean;
};

/** How deep KeyDB may wrap commands in commands before we stop looking into them. */
const MAX_RELAYS = 4;

// What the next byte should be.
const AT_COMMAND = 0;
const AT_COUNT = 1;
const AT_COUNT_LF = 2;
const AT_DOLLAR = 3;
const AT_LENGTH = 4;
const AT_LENGTH_LF = 5;
const AT_BODY = 6;
const AT_BODY_CR = 7;
const AT_BODY_LF = 8;

// What is done with the argument's bytes besides passing over them.
const PASS = 0;
const KEEP = 1;
const RELAY = 2;

/**
 * Follows a replication stream without decoding it: where commands end, which database is in force,
 * whether a transaction is open, and which commands are notable. It takes the stream cut anywhere,
 * passes over the bodies of arguments, and allocates nothing for an ordinary command, so that it
 * may look at every byte of a capture.
 *
 * `push` throws STREAM_CORRUPT, with the offset, on anything that is no array of bulk strings; the
 * scanner is of no more use then, but its last boundary and cut stay true.
 */
export class StreamScanner {
  /** Called at the end of the command. */
  onNotable: ((event: NotableEvent) => void) | undefined;

  /** Behind the last whole command (or keepalive newline). */
  boundary: number;
  /** In force at the boundary. */
  boundaryDatabase: number;
  /** The last boundary outside MULTI … EXEC: here the stream may be cut, and continued. */
  cut: number;
  /** In force at the cut. */
  cutDatabase: number;
  /** Whether the boundary lies within MULTI … EXEC. */
  inTransaction = false;

  /** Commands seen, of every kind. */
  total = 0;
  /** Those of PING, REPLPING and REPLCONF: they alone come from an idle master. */
  keepalives = 0;
  /** Those that are data: no PING, SELECT, REPLCONF, MULTI, EXEC. */
  commands = 0;
  /** EVAL, EVALSHA and their like. */
  verbatimScripts = 0;

  #offset: number;
  #state = AT_COMMAND;
  /** Arguments that have not begun. */
  #left = 0;
  /** The number being read, then the bytes left of the argument's body. */
  #number = 0;
  #digits = 0;
  #mode = PASS;
  #argument = 0;
  /** Arguments that are looked at: the name and, of a few commands, what comes next. */
  #watched = 1;
  #start = 0;

  /** The argument kept, behind the container's name and a blank for a subcommand. */
  readonly #kept = Buffer.alloc(2 * MAX_NAME_BYTES + 1);
  #keptLength = 0;
  #nameLength = 0;
  #known: KnownName | undefined;
  #facts: CommandFacts | undefined;
  #isGetAck = false;
  /** Of a SELECT, or of what a relay carries. */
  #nextDatabase = 0;

  readonly #depth: number;
  #relayed: StreamScanner | undefined;
  #relayedEvents: NotableEvent[] = [];

  constructor(state: StreamState, depth = 0) {
    this.#offset = state.offset;
    this.boundary = state.offset;
    this.boundaryDatabase = state.database;
    this.cut = state.offset;
    this.cutDatabase = state.database;
    this.#depth = depth;
  }

  /** Bytes of the history seen, the beginning of an unfinished command included. */
  get offset(): number {
    return this.#offset;
  }

  /** Reads `[start, end)` of `buffer`, which stays the caller's and is not kept. */
  push(buffer: Uint8Array, start: number, end: number): void {
    const base = this.#offset - start;
    let at = start;
    let state = this.#state;
    let number = this.#number;
    while (at < end) {
      switch (state) {
        case AT_COMMAND: {
          const byte = buffer[at];
          if (byte === 42) {
            this.#start = base + at;
            this.#argument = 0;
            this.#watched = 1;
            number = 0;
            this.#digits = 0;
            state = AT_COUNT;
          } else if (byte === 10) {
            this.#endKeepalive(base + at + 1);
          } else {
            throw corruptStream(base + at, 'a command', byte);
          }
          at++;
          break;
        }
        case AT_COUNT:
        case AT_LENGTH: {
          let digits = this.#digits;
          while (at < end) {
            const digit = buffer[at] - 48;
            if (digit < 0 || digit > 9) break;
            if (digits > 9 || (number === 0 && digits > 0)) {
              throw corruptStream(base + at, 'the end of a number', buffer[at]);
            }
            number = number * 10 + digit;
            digits++;
            at++;
          }
          this.#digits = digits;
          if (at === end) break;
          if (buffer[at] !== 13 || digits === 0) {
            throw corruptStream(base + at, 'a digit', buffer[at]);
          }
          at++;
          if (state === AT_COUNT) {
            checkArguments(number, base + at);
            this.#left = number;
          } else {
            checkArgumentSize(number, base + at);
          }
          state++;
          break;
        }
        case AT_COUNT_LF:
          if (buffer[at] !== 10) throw corruptStream(base + at, 'a line end', buffer[at]);
          at++;
          state = AT_DOLLAR;
          break;
        case AT_DOLLAR:
          if (buffer[at] !== 36) throw corruptStream(base + at, 'an argument', buffer[at]);
          at++;
          number = 0;
          this.#digits = 0;
          state = AT_LENGTH;
          break;
        case AT_LENGTH_LF:
          if (buffer[at] !== 10) throw corruptStream(base + at, 'a line end', buffer[at]);
          at++;
          this.#mode =
            this.#argument < this.#watched ? this.#beginArgument(number, base + at) : PASS;
          state = number === 0 ? AT_BODY_CR : AT_BODY;
          break;
        case AT_BODY: {
          const size = number < end - at ? number : end - at;
          if (this.#mode !== PASS) this.#readBody(buffer, at, at + size);
          at += size;
          number -= size;
          if (number === 0) state = AT_BODY_CR;
          break;
        }
        case AT_BODY_CR:
          if (buffer[at] !== 13) throw corruptStream(base + at, 'a line end', buffer[at]);
          at++;
          state = AT_BODY_LF;
          break;
        default:
          if (buffer[at] !== 10) throw corruptStream(base + at, 'a line end', buffer[at]);
          at++;
          if (this.#mode !== PASS) this.#endArgument(base + at);
          this.#argument++;
          if (--this.#left > 0) {
            state = AT_DOLLAR;
          } else {
            this.#endCommand(base + at);
            state = AT_COMMAND;
          }
      }
    }
    this.#offset = base + end;
    this.#state = state;
    this.#number = number;
  }

  #endKeepalive(end: number): void {
    this.boundary = end;
    if (this.inTransaction) return;
    this.cut = end;
    this.cutDatabase = this.boundaryDatabase;
  }

  /** Says what is to be done with an argument of `size` bytes, one of those watched. */
  #beginArgument(size: number, offset: number): number {
    if (this.#argument === 0) {
      checkNameSize(size, offset);
      this.#keptLength = 0;
      return KEEP;
    }
    const facts = this.#facts;
    if (this.#argument === 1) {
      if (this.#known !== undefined && this.#known.subcommands !== null) {
        checkNameSize(size, offset);
        return KEEP;
      }
      this.#keptLength = 0;
      if (facts?.name === 'SELECT') checkDatabaseSize(size, offset);
      else if (facts?.name !== 'REPLCONF' || size > MAX_DATABASE_BYTES) return PASS;
      return KEEP;
    }
    this.#keptLength = 0;
    if (this.#argument === 3) return size <= MAX_DATABASE_BYTES ? KEEP : PASS;
    return this.#depth < MAX_RELAYS ? this.#beginRelay() : PASS;
  }

  /** What a relay carries is scanned by a scanner of its own; it knows its database afterwards. */
  #beginRelay(): number {
    this.#relayed = new StreamScanner({ offset: this.#start, database: -1 }, this.#depth + 1);
    this.#relayedEvents = [];
    this.#relayed.onNotable = (event) => this.#relayedEvents.push(event);
    return RELAY;
  }

  #readBody(buffer: Uint8Array, from: number, to: number): void {
    if (this.#mode === RELAY) {
      try {
        this.#relayed?.push(buffer, from, to);
      } catch (error) {
        if (!(error instanceof CodedError)) throw error;
        // What a relay carries is checked by nobody on the way: unknown, but no reason to stop.
        this.#relayed = undefined;
        this.#mode = PASS;
      }
      return;
    }
    const kept = this.#kept;
    let length = this.#keptLength;
    for (let at = from; at < to; at++) kept[length++] = buffer[at];
    this.#keptLength = length;
  }

  #endArgument(offset: number): void {
    if (this.#mode === RELAY) return;
    const kept = this.#kept;
    if (this.#argument === 0) {
      this.#nameLength = this.#keptLength;
      this.#known = findName(kept, 0, this.#keptLength);
      this.#facts = this.#known?.facts ?? undefined;
      this.#isGetAck = false;
      this.#nextDatabase = this.boundaryDatabase;
      if (this.#known === undefined) return;
      this.#watched = this.#known.watched;
      if (this.#known.subcommands !== null) kept[this.#keptLength++] = 32;
      return;
    }
    const subcommands = this.#known?.subcommands;
    if (subcommands !== undefined && subcommands !== null) {
      this.#facts = subcommands.find(kept, this.#nameLength + 1, this.#keptLength);
      this.#nameLength = this.#keptLength;
    } else if (this.#facts?.name === 'SELECT') {
      this.#nextDatabase = readDatabase(kept, this.#keptLength, offset);
    } else if (this.#argument === 3) {
      const database = Number(kept.toString('latin1', 0, this.#keptLength));
      if (Number.isSafeInteger(database) && database >= 0) this.#nextDatabase = database;
    } else {
      this.#isGetAck = kept.toString('latin1', 0, this.#keptLength).toUpperCase() === 'GETACK';
    }
  }

  #endCommand(end: number): void {
    this.total++;
    const facts = this.#facts;
    if (facts === undefined || facts.isControl) {
      this.#endRareCommand(facts, end);
    } else {
      this.commands++;
      if (facts.mark !== null) this.#notify('mark', facts.name, facts.mark, end);
      else if (facts.isScript) {
        this.verbatimScripts++;
        this.#notify('script', facts.name, null, end);
      } else if (facts.keys.rule === 'rreplay') this.#endRelay(end);
    }
    this.boundary = end;
    if (this.inTransaction) return;
    this.cut = end;
    this.cutDatabase = this.boundaryDatabase;
  }

  #endRareCommand(facts: CommandFacts | undefined, end: number): void {
    switch (facts?.name) {
      case undefined:
        this.commands++;
        this.#notify('unknown', formatName(this.#kept, 0, this.#nameLength), null, end);
        break;
      case 'MULTI':
        this.inTransaction = true;
        break;
      case 'EXEC':
        this.inTransaction = false;
        break;
      case 'SELECT':
        this.boundaryDatabase = this.#nextDatabase;
        break;
      default:
        this.keepalives++;
        if (this.#isGetAck) this.#notify('getack', 'REPLCONF', null, end);
    }
  }

  #endRelay(end: number): void {
    const relayed = this.#relayed;
    this.#relayed = undefined;
    if (relayed === undefined || relayed.boundary !== relayed.offset) {
      this.#notify('unknown', 'RREPLAY', null, end);
      return;
    }
    this.verbatimScripts += relayed.verbatimScripts;
    for (const event of this.#relayedEvents) {
      if (event.kind === 'getack') continue;
      const database = event.database === -1 ? this.#nextDatabase : event.database;
      this.#notify(event.kind, event.name, event.mark, end, database);
    }
  }

  #notify(
    kind: NotableEvent['kind'],
    name: string,
    mark: CommandMark | null,
    endOffset: number,
    database = this.boundaryDatabase,
  ): void {
    const { inTransaction } = this;
    const startOffset = this.#start;
    this.onNotable?.({ kind, mark, name, startOffset, endOffset, database, inTransaction });
  }
}
