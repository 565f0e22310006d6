import type { EncodedBlock, EncoderOptions } from './encoded-block.ts';

export type EncodeRequest = {
  readonly id: number;
  readonly stored: Uint8Array;
  readonly rawLength: number;
  readonly digest: Uint8Array;
  readonly nowMs: number;
};

export type EncodeReply = {
  readonly id: number;
  readonly encoded?: EncodedBlock;
  readonly error?: { readonly code: string | undefined; readonly message: string };
};

export type EncodeStart = { readonly options: EncoderOptions };
