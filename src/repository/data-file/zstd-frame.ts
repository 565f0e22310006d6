import { promisify } from 'node:util';
import {
  constants,
  createZstdCompress,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
  type ZstdCompress,
  type ZstdOptions,
} from 'node:zlib';
import { CodedError } from '../../base/index.ts';

/**
 * One zstd frame of known lengths (RFC 8878), in and out. node:zlib silently returns only the first
 * of several frames, and never says where it ended, so `decodeFrame` walks the frame itself first:
 *
 *   magic 28 B5 2F FD | descriptor 1 | window 0-1 | dictionary 0-4 | content size 0-8
 *   { block header 3: last 1 bit, type 2 bits, size 21 bits | content }…  checksum 0 or 4
 */
const MAGIC = 0xfd2fb528;

/**
 * Level 1 with a table of matches that fits a core's first cache, a window that fits its second and
 * shorter matches: a tenth faster on JSON Lines than level 1 alone, for up to 2 % fewer bytes.
 */
const PARAMS = {
  [constants.ZSTD_c_compressionLevel]: 1,
  [constants.ZSTD_c_minMatch]: 5,
  [constants.ZSTD_c_hashLog]: 14,
  [constants.ZSTD_c_windowLog]: 18,
};

/** What RFC 8878 asks every decoder to accept. Ours need 256 KiB. */
const MAX_WINDOW_BYTES = 8 << 20;

/** What an encoder puts out at a time: little where the first frame is small, as there are many. */
const MIN_PART_BYTES = 16 << 10;
const MAX_PART_BYTES = 256 << 10;

const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;

const decompress = promisify(zstdDecompress);

/** Compresses into one frame that says its content size. */
export function encodeFrame(raw: Uint8Array): Buffer {
  return zstdCompressSync(raw, optionsFor(raw));
}

/**
 * Makes frames like `encodeFrame` off the main thread, one after the other, with one context and
 * without room for the worst case: memory outside the heap is what the collector runs for.
 * `close` lets go of the context.
 */
export class FrameEncoder {
  #stream: ZstdCompress | null = null;
  #parts: Buffer[] = [];
  #fail: (error: Error) => void = () => {};

  /** The parts of one frame, the caller's. `raw` must not change before it resolves. */
  async encode(raw: Uint8Array): Promise<Buffer[]> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#fail = reject;
    this.#stream ??= this.#open(raw.length);
    this.#stream.write(raw, (error) => (error ? reject(error) : resolve()));
    await promise;
    // Gives out, as 'data', what waits to be.
    this.#stream.read();
    return this.#parts.splice(0);
  }

  close(): void {
    this.#stream?.destroy();
  }

  #open(rawLength: number): ZstdCompress {
    const chunkSize = Math.min(MAX_PART_BYTES, Math.max(MIN_PART_BYTES, compressBound(rawLength)));
    // Each write is a frame of its own, and says its content size as all of it is there.
    const stream = createZstdCompress({ flush: constants.ZSTD_e_end, chunkSize, params: PARAMS });
    stream.on('data', (part: Buffer) => this.#parts.push(part));
    stream.on('error', (error) => this.#fail(error));
    return stream;
  }
}

function optionsFor(raw: Uint8Array): ZstdOptions {
  return {
    chunkSize: compressBound(raw.length),
    params: PARAMS,
    pledgedSrcSize: raw.length,
  };
}

/**
 * Decodes exactly one frame that spans all of `stored` and holds exactly `rawLength` bytes; throws
 * OBJECT_CORRUPT otherwise. Allocates `rawLength` bytes and a window of at most 8 MiB, and only
 * when the frame itself claims that content size.
 */
export function decodeFrame(stored: Uint8Array, rawLength: number): Buffer {
  checkFrame(stored, rawLength);
  let raw: Buffer;
  try {
    raw = zstdDecompressSync(stored, roomFor(rawLength));
  } catch (error) {
    throw corrupt((error as Error).message, 0, error);
  }
  return checkLength(raw, rawLength);
}

/** The same off the main thread. `stored` must not change before it resolves. */
export async function decodeFrameAside(stored: Uint8Array, rawLength: number): Promise<Buffer> {
  checkFrame(stored, rawLength);
  let raw: Buffer;
  try {
    raw = await decompress(stored, roomFor(rawLength));
  } catch (error) {
    throw corrupt((error as Error).message, 0, error);
  }
  return checkLength(raw, rawLength);
}

function checkFrame(stored: Uint8Array, rawLength: number): void {
  const frame = measureFrame(stored);
  if (frame.length !== stored.length) {
    throw corrupt(`the frame ends at ${frame.length} of ${stored.length} bytes`, frame.length);
  }
  if (frame.contentSize !== rawLength) {
    throw corrupt(`the frame holds ${frame.contentSize} bytes, ${rawLength} were expected`, 0);
  }
  if (frame.windowSize > MAX_WINDOW_BYTES) {
    throw corrupt(`the frame needs a window of ${frame.windowSize} bytes`, 5);
  }
}

/** One byte more than there is: when a chunk is full, zlib takes another one of its size. */
function roomFor(rawLength: number): ZstdOptions {
  return { maxOutputLength: Math.max(rawLength, 1), chunkSize: Math.max(rawLength + 1, 64) };
}

function checkLength(raw: Buffer, rawLength: number): Buffer {
  if (raw.length === rawLength) return raw;
  throw corrupt(`the frame gave ${raw.length} bytes, ${rawLength} were expected`, 0);
}

type FrameMeasure = {
  /** Bytes from the magic to the end of the frame. */
  readonly length: number;
  /** -1 where the frame does not say. */
  readonly contentSize: number;
  readonly windowSize: number;
};

/** Finds the end of the frame that begins `bytes`, without decoding. */
export function measureFrame(bytes: Uint8Array): FrameMeasure {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 6 || view.getUint32(0, true) !== MAGIC) throw corrupt('no zstd frame', 0);
  const descriptor = bytes[4];
  if ((descriptor & 0x08) !== 0) throw corrupt('a reserved bit is set', 4);
  if ((descriptor & 0x03) !== 0) throw corrupt('the frame needs a dictionary', 4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const checksum = (descriptor & 0x04) !== 0 ? 4 : 0;
  let at = singleSegment ? 5 : 6;
  const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6];
  if (at + sizeBytes > bytes.length) throw corrupt('the frame header is cut', at);
  const contentSize = readContentSize(view, at, sizeBytes);
  const windowSize = singleSegment ? contentSize : windowOf(bytes[5]);
  at += sizeBytes;
  for (let last = false; !last; ) {
    if (at + 3 > bytes.length) throw corrupt('a block header is cut', at);
    const header = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
    last = (header & 1) !== 0;
    const type = (header >>> 1) & 3;
    if (type === BLOCK_RESERVED) throw corrupt('a block of unknown type', at);
    at += 3 + (type === BLOCK_RLE ? 1 : header >>> 3);
    if (at > bytes.length) throw corrupt('a block is cut', at);
  }
  at += checksum;
  if (at > bytes.length) throw corrupt('the checksum is cut', at);
  return { length: at, contentSize, windowSize };
}

/** The window descriptor: exponent in the upper five bits, eighths in the lower three. */
function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}

function readContentSize(view: DataView, at: number, sizeBytes: number): number {
  switch (sizeBytes) {
    case 0:
      return -1;
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true) + 256;
    case 4:
      return view.getUint32(at, true);
    default:
      return Number(view.getBigUint64(at, true));
  }
}

/** ZSTD_compressBound: room for the worst case, so that the output comes in one piece. */
function compressBound(size: number): number {
  const margin = size < 128 * 1024 ? (128 * 1024 - size) >>> 11 : 0;
  return Math.max(64, size + (size >>> 8) + margin);
}

function corrupt(found: string, offset: number, cause?: unknown): CodedError {
  return new CodedError('OBJECT_CORRUPT', `Cannot decode a zstd frame: ${found}`, {
    offset,
    cause,
  });
}
