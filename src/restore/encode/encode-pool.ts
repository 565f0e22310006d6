import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { assert, CodedError } from '../../base/index.ts';
import { reviveError } from '../revive-error.ts';
import {
  type EncodeReply,
  type EncodeRequest,
  type EncodeStart,
  READY,
} from './encode-messages.ts';
import type { EncodedBlock, EncoderOptions } from './encoded-block.ts';

type Waiting = {
  readonly resolve: (encoded: EncodedBlock) => void;
  readonly reject: (error: Error) => void;
};

/** Memory of commands that have been sent, kept for others: more pieces are not under way. */
const MAX_SPARES = 8;
const MAX_SPARE_BYTES = 4 << 20;

/** As many threads as are ever started, and after how many blocks that had to wait another is. */
const MAX_WORKERS = 8;
const BUSY_BLOCKS = 16;

type Member = { readonly worker: Worker; waiting: number };

/**
 * Threads that open and encode blocks; results come as promises, in no order of their own. Where
 * the threads turn out to be what all others wait for, and not the target, more are started.
 */
export class EncodePool {
  #options: EncoderOptions | undefined;
  readonly #most: number;
  readonly #members: Member[] = [];
  readonly #waiting = new Map<number, Waiting>();
  readonly #spares: ArrayBuffer[] = [];
  #next = 0;
  /** Blocks in a row that came while another was waiting already. */
  #busy = 0;
  #closed = false;
  /** All threads, those that are still loading too. */
  readonly #workers: Worker[] = [];

  /**
   * `workers` are started at once; `most` may be there in the end, by default as many as there are
   * cores. Without `options` they only load their code: `begin` must tell them before `encode`.
   */
  constructor(
    workers: number,
    options?: EncoderOptions,
    most: number = Math.min(MAX_WORKERS, availableParallelism()),
  ) {
    this.#most = most;
    for (let i = 0; i < workers; i++) this.#members.push(this.#start(() => {}));
    if (options !== undefined) this.begin(options);
  }

  /** To be called once. */
  begin(options: EncoderOptions): void {
    assert(this.#options === undefined, 'a pool begins once');
    this.#options = options;
    for (const member of this.#members) tell(member, options);
  }

  #start(onReady: () => void): Member {
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    const file = new URL(`./encode-worker${extension}`, import.meta.url);
    const member = { worker: new Worker(file), waiting: 0 };
    this.#workers.push(member.worker);
    member.worker.on('message', (reply: EncodeReply) => {
      if (reply.id === READY) onReady();
      else this.#take(member, reply);
    });
    member.worker.on('error', (error) => this.#failAll(error as Error));
    member.worker.on('exit', () => {
      if (!this.#closed) this.#failAll(new Error('Bug in Tidemark: an encoding worker ended'));
    });
    return member;
  }

  #take(member: Member, reply: EncodeReply): void {
    // What a thread said before it was ended: a thread started now would never be.
    if (this.#closed) return;
    member.waiting--;
    this.#busy = member.waiting > 0 ? this.#busy + 1 : 0;
    this.#settle(reply);
    if (this.#busy >= BUSY_BLOCKS && this.#workers.length < this.#most) this.#grow();
  }

  /** Starts another thread, which gets its share as soon as it can work. */
  #grow(): void {
    this.#busy = 0;
    const member = this.#start(() => {
      tell(member, this.#options as EncoderOptions);
      this.#members.push(member);
    });
  }

  /**
   * Opens and encodes one stored block. OBJECT_CORRUPT, JSONL_INVALID. `stored` is no longer the
   * caller's; the result is, and may be given back by `release`.
   */
  encode(request: Omit<EncodeRequest, 'id' | 'spare'>): Promise<EncodedBlock> {
    assert(this.#options !== undefined, 'a pool has begun');
    // Whoever runs ahead may ask after the end: a thread that is started then is never ended.
    if (this.#closed)
      return Promise.reject(new CodedError('INTERRUPTED', 'The restore was stopped'));
    const id = this.#next++;
    let member = this.#members[0];
    for (const other of this.#members) if (other.waiting < member.waiting) member = other;
    member.waiting++;
    const { promise, resolve, reject } = Promise.withResolvers<EncodedBlock>();
    this.#waiting.set(id, { resolve, reject });
    const spare = this.#spares.pop();
    const message: EncodeRequest = { id, ...request, spare };
    const transfer = spare === undefined ? [] : [spare];
    const { stored } = request;
    // A part of a larger buffer is copied.
    if (stored.buffer.byteLength === stored.length) transfer.push(stored.buffer as ArrayBuffer);
    member.worker.postMessage(message, transfer);
    return promise;
  }

  /** Takes back the memory of commands that nobody looks at any more. */
  release({ commands }: EncodedBlock): void {
    const memory = commands.buffer as ArrayBuffer;
    if (memory.byteLength > MAX_SPARE_BYTES || this.#spares.length === MAX_SPARES) return;
    this.#spares.push(memory);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    this.#failAll(new CodedError('INTERRUPTED', 'The restore was stopped'));
  }

  #settle(reply: EncodeReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.encoded !== undefined) waiting?.resolve(reply.encoded);
    else waiting?.reject(reviveError(reply.error));
  }

  #failAll(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

function tell({ worker }: Member, options: EncoderOptions): void {
  const start: EncodeStart = { options };
  worker.postMessage(start, []);
}
