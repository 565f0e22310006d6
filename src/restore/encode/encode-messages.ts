import type { EncodedBlock, EncoderOptions } from './encoded-block.ts';
import type { ThreadError } from '../revive-error.ts';

export type EncodeRequest = {
  readonly id: number;
  readonly stored: Uint8Array;
  readonly rawLength: number;
  readonly digest: Uint8Array;
  readonly nowMs: number;
  /** Memory for the commands, handed over. */
  readonly spare?: ArrayBuffer | undefined;
};

/** `id` of the reply that asks for nothing and answers nothing: the thread has loaded its code. */
export const READY = -1;

export type EncodeReply = {
  readonly id: number;
  readonly encoded?: EncodedBlock;
  readonly error?: ThreadError;
};

/** Comes before the first request. */
export type EncodeStart = { readonly options: EncoderOptions };
