import { ByteBuilder } from '../../base/index.ts';
import {
  CommandReader,
  type NeededKeys,
  type StreamCommand,
  type StreamState,
} from '../../commands/index.ts';
import { encodeCommand } from '../../resp/index.ts';

const MULTI = encodeCommand(['MULTI']);

/** What carries no data and frames nothing, or is framed anew here. */
const LEFT_OUT = new Set(['PING', 'PUBLISH', 'REPLCONF', 'REPLPING', 'SELECT', 'SPUBLISH']);
const KEPT_BUFFER_BYTES = 1 << 20;

/**
 * Lets through of a recorded stream the commands that some keys need, as the very bytes that came.
 * It writes SELECT of its own where the next command that is kept runs in another database, and
 * leaves out transactions of which nothing is kept. Pure.
 */
export class CommandFilter {
  readonly #needed: NeededKeys;
  readonly #reader: CommandReader;
  #output = new ByteBuilder();
  /** In force behind what was let through. */
  #database: number;
  /** The MULTI that is open was let through. */
  #hasBegun = false;

  constructor(needed: NeededKeys, start: StreamState) {
    this.#needed = needed;
    this.#reader = new CommandReader(start);
    this.#database = start.database;
  }

  /** What is kept of the commands that these bytes complete, the receiver's to keep. */
  push(bytes: Buffer): Buffer {
    this.#output.clear();
    this.#reader.push(bytes, 0, bytes.length, this.#take);
    const kept = this.#output.copy();
    if (this.#output.bytes.length > KEPT_BUFFER_BYTES) this.#output = new ByteBuilder();
    return kept;
  }

  readonly #take = (command: StreamCommand): void => {
    const { name } = command;
    if (LEFT_OUT.has(name)) return;
    if (name === 'MULTI') {
      this.#hasBegun = false;
      return;
    }
    if (name === 'EXEC') {
      if (this.#hasBegun) this.#append(command);
      this.#hasBegun = false;
      return;
    }
    if (!this.#needed.keeps(command)) return;
    if (command.inTransaction && !this.#hasBegun) {
      this.#output.append(MULTI);
      this.#hasBegun = true;
    }
    if (command.database !== this.#database) {
      this.#output.append(encodeCommand(['SELECT', command.database]));
      this.#database = command.database;
    }
    this.#append(command);
  };

  #append({ bytes, start, end }: StreamCommand): void {
    this.#output.append(bytes, start, end);
  }
}
