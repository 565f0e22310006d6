import { Worker } from 'node:worker_threads';
import { CodedError, type ErrorCode } from '../../base/index.ts';
import type {
  DigestedBlocks,
  DigestOptions,
  DigestReply,
  DigestRequest,
  StoredBlock,
} from './digest-messages.ts';

type Waiting = {
  readonly resolve: (digested: DigestedBlocks) => void;
  readonly reject: (error: Error) => void;
  /** Says of which block an error is. */
  readonly place: (block: number) => string;
};

type Member = { readonly worker: Worker; waiting: number };

/** Threads that open and digest blocks; results come as promises, in no order of their own. */
export class DigestPool {
  readonly #workers: number;
  readonly #options: DigestOptions;
  readonly #members: Member[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #closed = false;

  constructor(workers: number, options: DigestOptions) {
    this.#workers = workers;
    this.#options = options;
  }

  #first(): Member {
    return this.#members[0] ?? this.#start(this.#options);
  }

  /** Threads start as there is work for them: where two backups share their data there is none. */
  #leastBusy(): Member {
    let member = this.#first();
    for (const other of this.#members) if (other.waiting < member.waiting) member = other;
    const isFull = member.waiting === 0 || this.#members.length === this.#workers;
    return isFull ? member : this.#start(this.#options);
  }

  #start(options: DigestOptions): Member {
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    const file = new URL(`./digest-worker${extension}`, import.meta.url);
    const member = { worker: new Worker(file, { workerData: options }), waiting: 0 };
    this.#members.push(member);
    member.worker.on('message', (reply: DigestReply) => {
      member.waiting--;
      this.#settle(reply);
    });
    member.worker.on('error', (error) => this.#failAll(error as Error));
    member.worker.on('exit', () => {
      if (!this.#closed) this.#failAll(new Error('Bug in Tidemark: a digesting worker ended'));
    });
    return member;
  }

  /**
   * Digests neighbouring blocks of whole keys, by whoever has least to do; or, where they are the
   * next of a long key, by the one thread that reads these. `place` names a block in a message.
   * OBJECT_CORRUPT, JSONL_INVALID.
   */
  digest(
    blocks: readonly StoredBlock[],
    isLong: boolean,
    place: (block: number) => string,
  ): Promise<DigestedBlocks> {
    // Whoever runs ahead may ask after the end: a thread that is started then is never ended.
    if (this.#closed)
      return Promise.reject(new CodedError('INTERRUPTED', 'The comparison was stopped'));
    const id = this.#next++;
    const member = isLong ? this.#first() : this.#leastBusy();
    member.waiting++;
    const { promise, resolve, reject } = Promise.withResolvers<DigestedBlocks>();
    this.#waiting.set(id, { resolve, reject, place });
    const message: DigestRequest = { id, blocks, isLong };
    member.worker.postMessage(message, []);
    return promise;
  }

  /** Ends the threads; whoever waits still is told INTERRUPTED. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()));
    this.#failAll(new CodedError('INTERRUPTED', 'The comparison was stopped'));
  }

  #settle({ id, digested, error }: DigestReply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (digested !== undefined) waiting?.resolve(digested);
    else if (error?.code === undefined) waiting?.reject(new Error(error?.message));
    else {
      const message = `Cannot compare ${waiting?.place(error.block)}: ${error.message}`;
      waiting?.reject(new CodedError(error.code as ErrorCode, message));
    }
  }

  #failAll(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
