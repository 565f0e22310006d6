import { Worker } from 'node:worker_threads';
import { CodedError } from '../../base/index.ts';
import { reviveError } from '../revive-error.ts';
import type { RedisAddress, TlsOptions } from '../../redis/index.ts';
import type { BlockSight, LookOptions, LookWish } from './block-sight.ts';
import type { LookReply, LookRequest, LookStart } from './look-messages.ts';

type Waiting = {
  readonly resolve: (sight: BlockSight) => void;
  readonly reject: (error: Error) => void;
};

type Member = { readonly worker: Worker; waiting: number };

/** Threads that look at the target, each over a connection of its own; started when needed. */
export class LookPool {
  readonly #size: number;
  readonly #start: LookStart;
  readonly #members: Member[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #closed = false;

  constructor(
    size: number,
    target: RedisAddress,
    tls: TlsOptions | undefined,
    options: LookOptions,
  ) {
    this.#size = size;
    const { password, ...address } = target;
    this.#start = { address, password: password?.reveal() ?? null, tls, options };
  }

  /** Looks at the keys of one block. TARGET_LOST, TARGET_REFUSED, what `connect` throws. */
  look(wish: LookWish): Promise<BlockSight> {
    // Whoever runs ahead may ask after the end: a thread that is started then is never ended.
    if (this.#closed)
      return Promise.reject(new CodedError('INTERRUPTED', 'The restore was stopped'));
    const id = this.#next++;
    const member = this.#choose();
    member.waiting++;
    const { promise, resolve, reject } = Promise.withResolvers<BlockSight>();
    this.#waiting.set(id, { resolve, reject });
    const message: LookRequest = { id, ...wish };
    member.worker.postMessage(message, []);
    return promise;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()));
    this.#failAll(new CodedError('INTERRUPTED', 'The restore was stopped'));
  }

  /** Whoever has least to do; a new one while there may be more and nobody is free. */
  #choose(): Member {
    let chosen = this.#members[0] as Member | undefined;
    for (const other of this.#members) {
      if (chosen === undefined || other.waiting < chosen.waiting) chosen = other;
    }
    if (chosen !== undefined && (chosen.waiting === 0 || this.#members.length === this.#size)) {
      return chosen;
    }
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    const file = new URL(`./look-worker${extension}`, import.meta.url);
    const member = { worker: new Worker(file, { workerData: this.#start }), waiting: 0 };
    this.#members.push(member);
    member.worker.on('message', (reply: LookReply) => {
      member.waiting--;
      this.#settle(reply);
    });
    member.worker.on('error', (error) => this.#failAll(error as Error));
    member.worker.on('exit', () => {
      if (!this.#closed) this.#failAll(new Error('Bug in Tidemark: a looking worker ended'));
    });
    return member;
  }

  #settle(reply: LookReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.sight !== undefined) waiting?.resolve(reply.sight);
    else waiting?.reject(reviveError(reply.error));
  }

  #failAll(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
