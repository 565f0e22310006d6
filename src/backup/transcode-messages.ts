import type { RdbFormat } from '../rdb/index.ts';
import type { DataBlock } from '../repository/index.ts';
import type { BatchCounts } from './counts.ts';
import type { TranscoderOptions } from './transcoder.ts';

/** What a transcoding worker is started with. */
export type WorkerStart = {
  readonly options: TranscoderOptions;
  /** Messages sent to this worker so far: it waits here while it needs more of a long key. */
  readonly posted: Int32Array;
};

/** To the worker. The memory of `bytes` moves with the message. */
export type BatchMessage = {
  readonly kind: 'batch';
  readonly sequence: number;
  readonly bytes: Uint8Array;
  readonly format: RdbFormat;
  readonly offset: number;
  readonly db: number;
  readonly part: 'whole' | 'first' | 'middle' | 'last';
  /** Templates that this worker has not had yet. */
  readonly templates: readonly Uint8Array[];
};

/** To the worker, after its last batch: hand on what waits. Answered as a batch is. */
export type FlushMessage = { readonly kind: 'flush'; readonly sequence: number };

/** From the worker, in the order in which they happen. */
export type WorkerMessage =
  | { readonly kind: 'block'; readonly sequence: number; readonly block: DataBlock }
  /** The memory of a batch, or of a piece of a long key, of `bytes` is not needed any more. */
  | {
      readonly kind: 'memory';
      readonly sequence: number;
      readonly bytes: number;
      readonly memory: ArrayBuffer;
    }
  /** All of the batch, or of the long key that began with it, is done. */
  | { readonly kind: 'done'; readonly sequence: number; readonly counts: BatchCounts }
  | { readonly kind: 'failed'; readonly sequence: number; readonly error: WorkerError };

/** A CodedError cannot cross threads as such. */
export type WorkerError = {
  readonly code: string | undefined;
  readonly message: string;
  readonly stack: string | undefined;
  readonly offset: number | undefined;
};
