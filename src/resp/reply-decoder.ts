import { CodedError } from '../base/index.ts';
import { DEFAULT_REPLY_LIMITS, type Reply, ReplyError, type ReplyLimits } from './reply.ts';

const CR = 0x0d;
const LF = 0x0a;
const FIRST_BULK_BYTES = 64 << 10;
const LINE = /^-?\d{1,19}$/;

type OpenArray = { readonly items: Reply[]; left: number };

/**
 * Incremental RESP2 decoder: push bytes cut anywhere, get each complete top-level reply through
 * `onReply`, in order. Values are copies, the receiver's to keep. Once it has thrown RESP_INVALID
 * (with the offset since creation) it must not be used again.
 */
export class ReplyDecoder {
  readonly #onReply: (reply: Reply) => void;
  readonly #limits: ReplyLimits;
  readonly #open: OpenArray[] = [];
  #line = Buffer.allocUnsafe(256);
  #lineLength = 0;
  #bulk: Buffer | null = null;
  #bulkLength = 0;
  #bulkTotal = 0;
  #offset = 0;

  constructor(onReply: (reply: Reply) => void, limits: Partial<ReplyLimits> = {}) {
    this.#onReply = onReply;
    this.#limits = { ...DEFAULT_REPLY_LIMITS, ...limits };
  }

  /** True between replies: nothing of a next one has been seen. */
  get atBoundary(): boolean {
    return this.#open.length === 0 && this.#bulk === null && this.#lineLength === 0;
  }

  /** Decodes `[start, end)`, which stays the caller's. */
  push(bytes: Uint8Array, start = 0, end = bytes.length): void {
    let at = start;
    while (at < end) {
      const next = this.#bulk ? this.#takeBulk(bytes, at, end) : this.#takeLine(bytes, at, end);
      this.#offset += next - at;
      at = next;
    }
  }

  #takeBulk(bytes: Uint8Array, at: number, end: number): number {
    const take = Math.min(end - at, this.#bulkTotal + 2 - this.#bulkLength);
    this.#growBulk(this.#bulkLength + take);
    const bulk = this.#bulk as Buffer;
    bulk.set(bytes.subarray(at, at + take), this.#bulkLength);
    this.#bulkLength += take;
    if (this.#bulkLength < this.#bulkTotal + 2) return at + take;
    if (bulk[this.#bulkTotal] !== CR || bulk[this.#bulkTotal + 1] !== LF) {
      throw this.#invalid('a bulk string longer than announced');
    }
    this.#bulk = null;
    this.#endValue(bulk.subarray(0, this.#bulkTotal));
    return at + take;
  }

  /** Memory follows the bytes that came, not the length that was announced. */
  #growBulk(need: number): void {
    const bulk = this.#bulk as Buffer;
    if (need <= bulk.length) return;
    const size = Math.min(this.#bulkTotal + 2, Math.max(need, bulk.length * 2));
    const grown = Buffer.allocUnsafeSlow(size);
    grown.set(bulk.subarray(0, this.#bulkLength));
    this.#bulk = grown;
  }

  #takeLine(bytes: Uint8Array, at: number, end: number): number {
    let lf = bytes.indexOf(LF, at);
    if (lf >= end) lf = -1;
    const stop = lf === -1 ? end : lf + 1;
    this.#keepLine(bytes, at, stop);
    if (lf !== -1) {
      const length = this.#lineLength;
      if (length < 3 || this.#line[length - 2] !== CR) throw this.#invalid('a line without CR');
      const kind = this.#line[0];
      const text = this.#line.toString('utf8', 1, length - 2);
      this.#lineLength = 0;
      this.#endLine(kind, text);
    }
    return stop;
  }

  #keepLine(bytes: Uint8Array, start: number, end: number): void {
    const need = this.#lineLength + end - start;
    if (need > this.#limits.maxLineBytes) throw this.#invalid('a line that does not end');
    if (need > this.#line.length) {
      const grown = Buffer.allocUnsafe(need * 2);
      grown.set(this.#line.subarray(0, this.#lineLength));
      this.#line = grown;
    }
    this.#line.set(bytes.subarray(start, end), this.#lineLength);
    this.#lineLength = need;
    if (!'+-:$*'.includes(String.fromCharCode(this.#line[0]))) {
      throw this.#invalid(`byte 0x${(this.#line[0]).toString(16)} as the reply's kind`);
    }
  }

  #endLine(kind: number, text: string): void {
    switch (String.fromCharCode(kind)) {
      case '+':
        this.#endValue(text);
        break;
      case '-':
        this.#endValue(new ReplyError(text));
        break;
      case ':':
        this.#endValue(this.#integer(text));
        break;
      case '$':
        this.#beginBulk(this.#length(text, this.#limits.maxBulkBytes));
        break;
      default:
        this.#beginArray(this.#length(text, this.#limits.maxItems));
    }
  }

  #beginBulk(length: number): void {
    if (length === -1) return this.#endValue(null);
    this.#bulkTotal = length;
    this.#bulkLength = 0;
    this.#bulk = Buffer.allocUnsafeSlow(Math.min(length + 2, FIRST_BULK_BYTES));
  }

  #beginArray(length: number): void {
    if (length === -1) return this.#endValue(null);
    if (length === 0) return this.#endValue([]);
    if (this.#open.length === this.#limits.maxDepth) {
      throw this.#invalid('arrays nested too deeply');
    }
    this.#open.push({ items: [], left: length });
  }

  #endValue(value: Reply): void {
    let complete = value;
    for (;;) {
      const parent = this.#open.at(-1);
      if (parent === undefined) break;
      parent.items.push(complete);
      if (--parent.left > 0) return;
      this.#open.pop();
      complete = parent.items;
    }
    this.#onReply(complete);
  }

  #integer(text: string): number | bigint {
    if (!LINE.test(text)) throw this.#invalid('an integer that is not a number');
    const value = Number(text);
    return Number.isSafeInteger(value) ? value : BigInt(text);
  }

  #length(text: string, limit: number): number {
    const value = LINE.test(text) ? Number(text) : Number.NaN;
    if (!(value >= -1 && value <= limit)) {
      throw this.#invalid(`the length ${JSON.stringify(text.slice(0, 40))}`);
    }
    return value;
  }

  #invalid(found: string): CodedError {
    const offset = this.#offset;
    return new CodedError('RESP_INVALID', `Cannot read a reply at byte ${offset}: found ${found}`, {
      offset,
    });
  }
}
