import { createHash, hash } from 'node:crypto';
import { assert, CodedError } from '../../base/index.ts';
import { decodeFrame, decodeFrameAside, encodeFrame, type FrameEncoder } from './zstd-frame.ts';

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

/** A block in parts, to be stored one behind the other. */
export type BlockParts = {
  readonly parts: readonly Uint8Array[];
  readonly storedLength: number;
  readonly rawLength: number;
  /** SHA-256 of the parts together. */
  readonly digest: Uint8Array;
};

/** The same off the main thread; `raw` must not change before it resolves. */
export async function sealBlockAside(raw: Uint8Array, encoder: FrameEncoder): Promise<BlockParts> {
  assert(raw.length > 0 && raw.length <= MAX_BLOCK_BYTES, 'a block outside its bounds');
  const parts = await encoder.encode(raw);
  const digest = createHash('sha256');
  let storedLength = 0;
  for (const part of parts) {
    digest.update(part);
    storedLength += part.length;
  }
  return { parts, storedLength, rawLength: raw.length, digest: digest.digest() };
}

/**
 * Gives back the raw bytes of one block, the caller's to keep, or throws OBJECT_CORRUPT: digest
 * first, then exactly one frame that spans `stored` and holds exactly `rawLength` bytes.
 */
export function openBlock(
  stored: Uint8Array,
  expected: { readonly rawLength: number; readonly digest: Uint8Array },
): Buffer {
  checkBlock(stored, expected);
  return decodeFrame(stored, expected.rawLength);
}

/** The same, decompressed off the main thread; `stored` must not change before it resolves. */
export async function openBlockAside(
  stored: Uint8Array,
  expected: { readonly rawLength: number; readonly digest: Uint8Array },
): Promise<Buffer> {
  checkBlock(stored, expected);
  return await decodeFrameAside(stored, expected.rawLength);
}

/** Throws OBJECT_CORRUPT unless `stored` has this SHA-256. */
export function checkBlockDigest(stored: Uint8Array, digest: Uint8Array): void {
  if (sha256(stored).equals(digest)) return;
  throw new CodedError('OBJECT_CORRUPT', 'Cannot open a block: its SHA-256 differs');
}

function checkBlock(
  stored: Uint8Array,
  { rawLength, digest }: { readonly rawLength: number; readonly digest: Uint8Array },
): void {
  if (!Number.isInteger(rawLength) || rawLength < 1 || rawLength > MAX_BLOCK_BYTES) {
    throw new CodedError('OBJECT_CORRUPT', `Cannot open a block of ${rawLength} bytes`);
  }
  checkBlockDigest(stored, digest);
}

export function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer');
}
