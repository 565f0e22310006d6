import { Worker } from 'node:worker_threads';
import { CodedError, type ErrorCode } from '../../base/index.ts';
import type { EncodeReply, EncodeRequest, EncodeStart } from './encode-messages.ts';
import type { EncodedBlock, EncoderOptions } from './encoded-block.ts';

type Waiting = {
  readonly resolve: (encoded: EncodedBlock) => void;
  readonly reject: (error: Error) => void;
};

type Member = { readonly worker: Worker; waiting: number };

/** Threads that open and encode blocks; results come as promises, in no order of their own. */
export class EncodePool {
  readonly #members: Member[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #closed = false;

  constructor(workers: number, options: EncoderOptions) {
    for (let i = 0; i < workers; i++) this.#members.push(this.#start(options));
  }

  #start(options: EncoderOptions): Member {
    const workerData: EncodeStart = { options };
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    const file = new URL(`./encode-worker${extension}`, import.meta.url);
    const member = { worker: new Worker(file, { workerData }), waiting: 0 };
    member.worker.on('message', (reply: EncodeReply) => {
      member.waiting--;
      this.#settle(reply);
    });
    member.worker.on('error', (error) => this.#failAll(error as Error));
    member.worker.on('exit', () => {
      if (!this.#closed) this.#failAll(new Error('Bug in Tidemark: an encoding worker ended'));
    });
    return member;
  }

  /** Opens and encodes one stored block. OBJECT_CORRUPT, JSONL_INVALID. */
  encode(request: Omit<EncodeRequest, 'id'>): Promise<EncodedBlock> {
    const id = this.#next++;
    let member = this.#members[0];
    for (const other of this.#members) if (other.waiting < member.waiting) member = other;
    member.waiting++;
    const { promise, resolve, reject } = Promise.withResolvers<EncodedBlock>();
    this.#waiting.set(id, { resolve, reject });
    const message: EncodeRequest = { id, ...request };
    member.worker.postMessage(message, []);
    return promise;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()));
    this.#failAll(new CodedError('INTERRUPTED', 'The restore was stopped'));
  }

  #settle(reply: EncodeReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.encoded !== undefined) waiting?.resolve(reply.encoded);
    else waiting?.reject(reviveError(reply));
  }

  #failAll(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

function reviveError(reply: EncodeReply): Error {
  const { code, message = 'unknown' } = reply.error ?? {};
  if (code === undefined) return new Error(message);
  return new CodedError(code as ErrorCode, message);
}
