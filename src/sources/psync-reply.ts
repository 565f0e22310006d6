import { CodedError } from '../base/index.ts';
import { ReplyError } from '../resp/index.ts';

export type FullResync = { readonly replid: string; readonly offset: number };

const LF = 0x0a;
const CR = 0x0d;
const MAX_LINE_BYTES = 1024;

/**
 * Reads the lines around PSYNC: bare line feeds between lines are keepalives (one per second while
 * the server's background save runs) and are skipped.
 */
export class PsyncLineReader {
  readonly #line = Buffer.alloc(MAX_LINE_BYTES);
  #length = 0;

  /** The bytes of a line that has begun and not ended. */
  get partial(): number {
    return this.#length;
  }

  /**
   * Reads from `start` until a line is complete. `next` is where reading stopped; `line` (without
   * its line end, valid until the next call) is null when all bytes are used up before.
   */
  read(
    buffer: Buffer,
    start: number,
    end: number,
  ): { readonly line: Buffer | null; readonly next: number } {
    for (let at = start; at < end; at++) {
      const byte = buffer[at];
      if (byte === LF) {
        if (this.#length === 0) continue;
        const length = this.#length;
        this.#length = 0;
        const stop = this.#line[length - 1] === CR ? length - 1 : length;
        return { line: this.#line.subarray(0, stop), next: at + 1 };
      }
      if (this.#length === MAX_LINE_BYTES) {
        throw new CodedError('SOURCE_GARBAGE', 'Cannot read the reply to PSYNC: it does not end');
      }
      this.#line[this.#length++] = byte;
    }
    return { line: null, next: end };
  }
}

/** What the server says to `PSYNC ? -1`. Throws what `refusal` gives, or SOURCE_GARBAGE. */
export function parsePsyncReply(line: Buffer, command: string): FullResync {
  const text = line.toString('latin1');
  const full = /^\+FULLRESYNC ([0-9a-zA-Z]{40}) (-?\d{1,19})$/.exec(text);
  if (full) {
    const offset = Number(full[2]);
    if (Number.isSafeInteger(offset) && offset >= -1) return { replid: full[1], offset };
  }
  if (text.startsWith('-')) throw refusal(new ReplyError(text.slice(1)), command);
  const shown = JSON.stringify(text.slice(0, 80));
  throw new CodedError('SOURCE_GARBAGE', `Cannot understand the reply to ${command}: ${shown}`);
}

/**
 * What the server calls the history that it continues: `+CONTINUE <id>`; null for a bare
 * `+CONTINUE`, which keeps the id that was asked for; undefined for any other line.
 */
export function parseContinuation(line: Buffer): string | null | undefined {
  const match = /^\+CONTINUE(?: ([0-9a-zA-Z]{40}))?$/.exec(line.toString('latin1'));
  return match === null ? undefined : (match[1] ?? null);
}

/**
 * What an error reply within the handshake means for a replica: whether to try again is up to the
 * code's `retryable`.
 */
export function refusal(error: ReplyError, command: string): CodedError {
  const answer = JSON.stringify(error.message.slice(0, 200));
  const message = `Cannot attach as a replica: ${command} was answered ${answer}`;
  const name = command.toLowerCase();
  switch (error.code) {
    case 'LOADING':
      return new CodedError('SOURCE_LOADING', message);
    case 'NOAUTH':
    case 'WRONGPASS':
      return new CodedError('AUTH_FAILED', message);
    case 'NOPERM':
      return new CodedError('PSYNC_FORBIDDEN', message, {
        hint: `Give the user the rights of a replica: ACL SETUSER <user> +psync +replconf +ping`,
      });
    case 'NOMASTERLINK':
    case 'MASTERDOWN':
      return new CodedError('PSYNC_REFUSED', message, {
        hint: 'This replica has lost its master: try again later, or read another node',
      });
    default:
      break;
  }
  if (/unknown command/i.test(error.message)) {
    return new CodedError('PSYNC_FORBIDDEN', message, {
      hint:
        `The server does not know ${name}: managed services and proxies hide it (import an RDB ` +
        'file instead), or rename-command gave it another name',
    });
  }
  return new CodedError('PSYNC_REFUSED', message);
}

/** A line after +FULLRESYNC that is an error: the server could not make the RDB. */
export function transferRefusal(line: Buffer): CodedError {
  const answer = JSON.stringify(line.toString('latin1').slice(0, 200));
  return new CodedError('PSYNC_REFUSED', `Cannot receive the RDB: the server answered ${answer}`, {
    hint: 'The source could not fork or save: check its log, memory, and vm.overcommit_memory',
  });
}
