import { Worker } from 'node:worker_threads';
import { CodedError } from '../../base/index.ts';
import { reviveError } from '../revive-error.ts';
import type {
  ExportBlockReply,
  ExportBlockRequest,
  ExportedBlock,
  ExportOptions,
} from './exported-block.ts';

type Waiting = {
  readonly resolve: (exported: ExportedBlock) => void;
  readonly reject: (error: Error) => void;
};

type Member = { readonly worker: Worker; waiting: number };

/** Threads that open blocks and write them anew; results come as promises, in no order. */
export class ExportPool {
  readonly #members: Member[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #closed = false;

  constructor(workers: number, options: ExportOptions) {
    for (let i = 0; i < workers; i++) this.#members.push(this.#start(options));
  }

  #start(options: ExportOptions): Member {
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    const file = new URL(`./export-worker${extension}`, import.meta.url);
    const member = { worker: new Worker(file, { workerData: { options } }), waiting: 0 };
    member.worker.on('message', (reply: ExportBlockReply) => {
      member.waiting--;
      this.#settle(reply);
    });
    member.worker.on('error', (error) => this.#failAll(error as Error));
    member.worker.on('exit', () => {
      if (!this.#closed) this.#failAll(new Error('Bug in Tidemark: an export worker ended'));
    });
    return member;
  }

  /** Opens and writes anew one stored block. OBJECT_CORRUPT, JSONL_INVALID. */
  export(request: Omit<ExportBlockRequest, 'id'>): Promise<ExportedBlock> {
    if (this.#closed)
      return Promise.reject(new CodedError('INTERRUPTED', 'The export was stopped'));
    const id = this.#next++;
    let member = this.#members[0];
    for (const other of this.#members) if (other.waiting < member.waiting) member = other;
    member.waiting++;
    const { promise, resolve, reject } = Promise.withResolvers<ExportedBlock>();
    this.#waiting.set(id, { resolve, reject });
    const message: ExportBlockRequest = { id, ...request };
    member.worker.postMessage(message, []);
    return promise;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()));
    this.#failAll(new CodedError('INTERRUPTED', 'The export was stopped'));
  }

  #settle(reply: ExportBlockReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.exported !== undefined) waiting?.resolve(reply.exported);
    else waiting?.reject(reviveError(reply.error));
  }

  #failAll(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
