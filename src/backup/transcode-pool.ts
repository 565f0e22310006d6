import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { CodedError, type ErrorCode } from '../base/index.ts';
import type { RdbBatch } from '../rdb/index.ts';
import type { DataBlock } from '../repository/index.ts';
import type { BatchCounts } from './counts.ts';
import type {
  BatchMessage,
  FlushMessage,
  WorkerError,
  WorkerMessage,
  WorkerStart,
} from './transcode-messages.ts';
import type { TranscoderOptions } from './transcoder.ts';

const MAX_WORKERS = 8;

/** When the least busy thread has so many batches, another is started if it may be. */
const BUSY_BATCHES = 2;

/** As many workers as there are cores beside the one that receives. */
export function defaultWorkers(): number {
  return Math.max(1, Math.min(MAX_WORKERS, availableParallelism() - 1));
}

/** Stored blocks and counts of one batch, in the order of the dump. */
type Result = {
  readonly blocks: DataBlock[];
  counts: BatchCounts | undefined;
};

type Member = {
  readonly worker: Worker;
  readonly posted: Int32Array;
  /** Batches given and not yet answered. */
  waiting: number;
  templates: number;
};

export type PoolHandlers = {
  /** Memory that came back. */
  readonly onMemory: (memory: ArrayBuffer) => void;
  /** Something changed: results may be ready, or there is room for more batches. */
  readonly onChange: () => void;
  readonly onError: (error: Error) => void;
};

/**
 * Threads that transcode batches at the same time, and their results in the order of the batches.
 * The pool never refuses a batch: whoever submits looks at `load` and stops its source.
 */
export class TranscodePool {
  /** Bytes submitted and not yet transcoded and taken, and stored bytes not yet taken. */
  load = 0;
  readonly #members: Member[] = [];
  readonly #handlers: PoolHandlers;
  readonly #workers: number;
  readonly #options: TranscoderOptions;
  readonly #results = new Map<number, Result>();
  readonly #sizes = new Map<number, number>();
  readonly #templates: Uint8Array[] = [];
  #submitted = 0;
  #taken = 0;
  #closed = false;
  /** The worker in the middle of a long key, and the key's batch. */
  #longKey: { readonly member: Member; readonly sequence: number } | undefined;

  constructor(workers: number, options: TranscoderOptions, handlers: PoolHandlers) {
    this.#handlers = handlers;
    this.#workers = workers;
    this.#options = options;
    this.#members.push(this.#start(options));
  }

  #start(options: TranscoderOptions): Member {
    const posted = new Int32Array(new SharedArrayBuffer(4));
    const workerData: WorkerStart = { options, posted };
    // Beside its source the file ends in .ts, in the published package in .js.
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    const file = new URL(`./transcode-worker${extension}`, import.meta.url);
    const worker = new Worker(file, { workerData, stderr: false });
    const member = { worker, posted, waiting: 0, templates: 0 };
    worker.on('message', (message: WorkerMessage) => this.#receive(message, member));
    worker.on('error', (error) => this.#fail(error as Error));
    worker.on('exit', () => {
      if (!this.#closed) this.#fail(new Error('Bug in Tidemark: a transcoding worker ended'));
    });
    return member;
  }

  addTemplate(record: Uint8Array): void {
    this.#templates.push(record);
  }

  /** Whether everything submitted has been transcoded and taken. */
  get isIdle(): boolean {
    return this.#taken === this.#submitted;
  }

  /** Gives a batch to the worker with the least to do. Its memory moves away. */
  submit(batch: RdbBatch): void {
    const { part } = batch;
    this.load += batch.bytes.length;
    if (part === 'middle' || part === 'last') {
      const long = this.#longKey as { member: Member; sequence: number };
      this.#sizes.set(long.sequence, (this.#sizes.get(long.sequence) ?? 0) + batch.bytes.length);
      this.#post(long.member, batch, long.sequence);
      if (part === 'last') this.#longKey = undefined;
      return;
    }
    const sequence = this.#submitted++;
    const member = this.#leastBusy();
    member.waiting++;
    if (part === 'first') this.#longKey = { member, sequence };
    this.#sizes.set(sequence, batch.bytes.length);
    this.#results.set(sequence, { blocks: [], counts: undefined });
    this.#post(member, batch, sequence);
  }

  /** Threads start one by one as there is work for them: starting one costs as much as 10 MB. */
  #leastBusy(): Member {
    let member = this.#members[0];
    for (const other of this.#members) if (other.waiting < member.waiting) member = other;
    if (member.waiting < BUSY_BATCHES || this.#members.length === this.#workers) return member;
    member = this.#start(this.#options);
    this.#members.push(member);
    return member;
  }

  /** After the last batch: blocks that wait for more lines are handed on too. */
  flush(): void {
    for (const member of this.#members) {
      const message: FlushMessage = { kind: 'flush', sequence: this.#submitted++ };
      this.#results.set(message.sequence, { blocks: [], counts: undefined });
      member.waiting++;
      member.worker.postMessage(message, []);
    }
  }

  #post(member: Member, batch: RdbBatch, sequence: number): void {
    const { bytes, format, offset, db, part } = batch;
    const templates = this.#templates.slice(member.templates);
    member.templates = this.#templates.length;
    const kind = 'batch';
    const message: BatchMessage = { kind, sequence, bytes, format, offset, db, part, templates };
    member.worker.postMessage(message, [bytes.buffer as ArrayBuffer]);
    Atomics.add(member.posted, 0, 1);
    Atomics.notify(member.posted, 0);
  }

  /** The next block in order, if it is there. */
  takeBlock(): DataBlock | undefined {
    const block = this.#results.get(this.#taken)?.blocks.shift();
    if (block !== undefined) this.load -= block.stored.length;
    return block;
  }

  /** When all blocks of the next batch have been taken and it is done: its counts, once. */
  takeCounts(): BatchCounts | undefined {
    const result = this.#results.get(this.#taken);
    if (result?.counts === undefined || result.blocks.length > 0) return undefined;
    this.load -= this.#sizes.get(this.#taken) ?? 0;
    this.#sizes.delete(this.#taken);
    this.#results.delete(this.#taken);
    this.#taken++;
    return result.counts;
  }

  #receive(message: WorkerMessage, member: Member): void {
    if (this.#closed) return;
    switch (message.kind) {
      case 'block':
        this.load += message.block.stored.length;
        this.#results.get(message.sequence)?.blocks.push(message.block);
        break;
      case 'memory':
        if (message.sequence === this.#longKey?.sequence) this.#releasePiece(message.bytes);
        this.#handlers.onMemory(message.memory);
        break;
      case 'done': {
        member.waiting--;
        const result = this.#results.get(message.sequence);
        if (result !== undefined) result.counts = message.counts;
        break;
      }
      default:
        this.#fail(reviveError(message.error));
        return;
    }
    this.#handlers.onChange();
  }

  /** The pieces of a long key stop counting when they have been read, not when the key ends. */
  #releasePiece(bytes: number): void {
    const { sequence } = this.#longKey as { sequence: number };
    this.#sizes.set(sequence, (this.#sizes.get(sequence) ?? 0) - bytes);
    this.load -= bytes;
  }

  #fail(error: Error): void {
    if (this.#closed) return;
    this.#handlers.onError(error);
  }

  /** Ends the threads at once, whatever they do. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()));
  }
}

function reviveError(error: WorkerError): Error {
  if (error.code !== undefined) {
    const offset = error.offset === undefined ? {} : { offset: error.offset };
    return new CodedError(error.code as ErrorCode, error.message, offset);
  }
  const plain = new Error(error.message);
  if (error.stack !== undefined) plain.stack = error.stack;
  return plain;
}
