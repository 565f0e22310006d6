import { CodedError, isCoded } from '../base/index.ts';
import { RdbScanner } from '../rdb/index.ts';

/** Fields stand in front of the data; scripts of old servers behind it, which nobody looks for. */
const HEAD_BYTES = 64 << 10;

/**
 * Looks at the first bytes of an RDB on their way to somebody else: a log that begins behind it
 * needs to know which database is in force there.
 */
export class RdbHead {
  readonly #pieces: Buffer[] = [];
  #length = 0;

  /** `[start, end)` stays the caller's. */
  push(buffer: Buffer, start: number, end: number): void {
    const size = Math.min(end - start, HEAD_BYTES - this.#length);
    if (size <= 0) return;
    this.#pieces.push(Buffer.from(buffer.subarray(start, start + size)));
    this.#length += size;
  }

  /**
   * The database in force where the stream begins: what a replica that passes its master's stream
   * on says; a master begins with a SELECT. Throws what the RDB scanner throws.
   */
  get streamDatabase(): number {
    const text = this.aux.get('repl-stream-db');
    const database = Number(text ?? 0);
    if (Number.isInteger(database) && database >= -1) return Math.max(0, database);
    throw new CodedError('RDB_CORRUPT', `Cannot use '${text}' as the database of the stream`);
  }

  /** The fields in front of the data. */
  get aux(): ReadonlyMap<string, string> {
    const aux = new Map<string, string>();
    const scanner = new RdbScanner({
      aux: (name, value) => void aux.set(name, value.toString()),
      functionLibrary: () => {},
      moduleAux: () => {},
      hashTemplate: () => {},
    });
    try {
      scanner.scan(Buffer.concat(this.#pieces), 0, this.#length);
    } catch (error) {
      // What lies behind the head is for its reader to judge.
      if (!isCoded(error) || aux.size === 0) throw error;
    }
    return aux;
  }
}
