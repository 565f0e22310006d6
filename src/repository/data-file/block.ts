import { hash } from 'node:crypto';
import { assert, CodedError } from '../../base/index.ts';
import { decodeFrame, encodeFrame, encodeFrameAside } from './zstd-frame.ts';

/** What a writer aims at for the raw length of a block. */
export const BLOCK_BYTES = 1 << 20;

/** No reader accepts more raw bytes in a block: one over-long line may need more than the aim. */
export const MAX_BLOCK_BYTES = 64 << 20;

export const DIGEST_BYTES = 32;

export type SealedBlock = {
  /** Exactly sized and alone in its ArrayBuffer, which may be transferred between threads. */
  readonly stored: Uint8Array;
  readonly rawLength: number;
  /** SHA-256 of `stored`. */
  readonly digest: Uint8Array;
};

/**
 * Turns the raw bytes of one block (1 byte to MAX_BLOCK_BYTES) into what is stored: one independent
 * zstd frame, level 1. Pure, for use in worker threads; `raw` stays the caller's.
 */
export function sealBlock(raw: Uint8Array): SealedBlock {
  assert(raw.length > 0 && raw.length <= MAX_BLOCK_BYTES, 'a block outside its bounds');
  const frame = encodeFrame(raw);
  // zlib's buffer is as large as the worst case, and a small one lies in Node's shared pool.
  const stored = Buffer.allocUnsafeSlow(frame.length);
  stored.set(frame);
  return { stored, rawLength: raw.length, digest: sha256(stored) };
}

/** The same off the main thread; `raw` must not change before it resolves. */
export async function sealBlockAside(raw: Uint8Array): Promise<SealedBlock> {
  assert(raw.length > 0 && raw.length <= MAX_BLOCK_BYTES, 'a block outside its bounds');
  const stored = await encodeFrameAside(raw);
  return { stored, rawLength: raw.length, digest: sha256(stored) };
}

/**
 * Gives back the raw bytes of one block, the caller's to keep, or throws OBJECT_CORRUPT: digest
 * first, then exactly one frame that spans `stored` and holds exactly `rawLength` bytes.
 */
export function openBlock(
  stored: Uint8Array,
  expected: { readonly rawLength: number; readonly digest: Uint8Array },
): Buffer {
  const { rawLength, digest } = expected;
  if (!Number.isInteger(rawLength) || rawLength < 1 || rawLength > MAX_BLOCK_BYTES) {
    throw new CodedError('OBJECT_CORRUPT', `Cannot open a block of ${rawLength} bytes`);
  }
  if (!sha256(stored).equals(digest)) {
    throw new CodedError('OBJECT_CORRUPT', 'Cannot open a block: its SHA-256 differs');
  }
  return decodeFrame(stored, rawLength);
}

export function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer');
}
