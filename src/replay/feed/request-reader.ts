import { CodedError } from '../../base/index.ts';

const STAR = 0x2a;
const MAX_BYTES = 64 << 10;

/**
 * What a replica says to its master: commands as RESP arrays, or inline as Redis 4.0 begins, and
 * bare newlines while it loads. Pushed in cut anywhere, each command comes out as its words. Throws
 * RESP_INVALID for anything else, or longer than any replica's request.
 */
export class RequestReader {
  readonly #onRequest: (words: readonly string[]) => void;
  #pending = '';

  constructor(onRequest: (words: readonly string[]) => void) {
    this.#onRequest = onRequest;
  }

  push(bytes: Buffer): void {
    this.#pending += bytes.toString('latin1');
    let at = 0;
    for (;;) {
      const next = this.#take(at);
      if (next === -1) break;
      at = next;
    }
    this.#pending = this.#pending.slice(at);
    if (this.#pending.length > MAX_BYTES) throw invalid('a request that does not end');
  }

  /** Where the next request begins after the one at `at`; -1 when that is not whole yet. */
  #take(at: number): number {
    const text = this.#pending;
    if (at >= text.length) return -1;
    if (text.charCodeAt(at) === STAR) return this.#takeArray(at);
    const end = text.indexOf('\n', at);
    if (end === -1) return -1;
    const words = text.slice(at, end).trim().split(/\s+/);
    if (words[0] !== '') this.#onRequest(words);
    return end + 1;
  }

  #takeArray(start: number): number {
    const text = this.#pending;
    const words: string[] = [];
    let at = lineEnd(text, start);
    if (at === -1) return -1;
    const count = lengthOf(text.slice(start, at), '*');
    while (words.length < count) {
      const begin = lineEnd(text, at);
      if (begin === -1) return -1;
      const end = begin + lengthOf(text.slice(at, begin), '$');
      if (end + 2 > text.length) return -1;
      words.push(text.slice(begin, end));
      at = end + 2;
    }
    if (count > 0) this.#onRequest(words);
    return at;
  }
}

/** The position after the line that begins at `at`; -1 when it has not come whole. */
function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end === -1 ? -1 : end + 1;
}

function lengthOf(line: string, kind: string): number {
  const match = /^([*$])(\d{1,6})\r\n$/.exec(line);
  if (match === null || match[1] !== kind) throw invalid(JSON.stringify(line.slice(0, 40)));
  return Number(match[2]);
}

function invalid(found: string): CodedError {
  return new CodedError('RESP_INVALID', `Cannot understand the replica: found ${found}`, {
    hint: 'Only a server that was told REPLICAOF may connect to a feed',
  });
}
