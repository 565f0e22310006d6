import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import { CodedError } from '../base/index.ts';

/**
 * What zstd-compressed files hold, however many frames they are made of (RFC 8878): node:zlib stops
 * silently behind the first. Frames are walked here, and each gets a decoder of its own.
 *
 *   frame            magic 28 B5 2F FD | descriptor 1 | window 0-1 | dictionary 0-4 | size 0-8
 *                    { block header 3: last 1 bit, type 2 bits, size 21 bits | content }… checksum
 *   skippable frame  magic 5? 2A 4D 18 | length 4 | content
 */
const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const MAX_BLOCK_BYTES = 128 << 10;
const BLOCK_RLE = 1;

/** Decodes a whole file. Throws SOURCE_GARBAGE where it is damaged or ends early. */
export async function* decompressZstd(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Buffer> {
  const input = new PullBuffer(chunks, name);
  try {
    for (;;) {
      const magic = await input.peekMagic();
      if (magic === undefined) return;
      if ((magic & ~15) >>> 0 === SKIPPABLE_MAGIC) {
        await skipFrame(input);
        continue;
      }
      if (magic !== MAGIC) throw input.damaged('no zstd frame where one should begin');
      yield* decodeFrame(input);
    }
  } finally {
    await input.close();
  }
}

async function skipFrame(input: PullBuffer): Promise<void> {
  const head = await input.take(8);
  for (let left = head.readUInt32LE(4); left > 0; ) left -= (await input.takeSome(left)).length;
}

async function* decodeFrame(input: PullBuffer): AsyncGenerator<Buffer> {
  const decoder = createZstdDecompress();
  const feeding = pipeline(Readable.from(readFrame(input), { objectMode: false }), decoder);
  // The decoder's reader is told of what goes wrong.
  feeding.catch(() => {});
  try {
    for await (const chunk of decoder) yield chunk as Buffer;
    await feeding;
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw input.damaged((error as Error).message, error);
  } finally {
    decoder.destroy();
  }
}

/** The bytes of one frame, in pieces. */
async function* readFrame(input: PullBuffer): AsyncGenerator<Buffer> {
  const start = await input.take(5);
  const descriptor = start[4];
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3];
  const size = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6];
  const rest = await input.take((singleSegment ? 0 : 1) + dictionary + size);
  yield Buffer.concat([start, rest]);
  for (let last = false; !last; ) {
    const head = await input.take(3);
    const header = head.readUIntLE(0, 3);
    last = (header & 1) !== 0;
    const length = ((header >>> 1) & 3) === BLOCK_RLE ? 1 : header >>> 3;
    if (length > MAX_BLOCK_BYTES) throw input.damaged('a block is longer than a block can be');
    yield Buffer.concat([head, await input.take(length)]);
  }
  if ((descriptor & 0x04) !== 0) yield await input.take(4);
}

/** Chunks of any size, taken in pieces of wanted sizes. */
class PullBuffer {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #name: string;
  #held: Buffer = Buffer.alloc(0);
  #offset = 0;

  constructor(chunks: AsyncIterable<Uint8Array>, name: string) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#name = name;
  }

  /** The next four bytes as a number; undefined at the end of the input. */
  async peekMagic(): Promise<number | undefined> {
    if (this.#held.length === 0 && !(await this.#fill())) return undefined;
    await this.#need(4);
    return this.#held.readUInt32LE(0);
  }

  /** Exactly so many bytes. */
  async take(size: number): Promise<Buffer> {
    await this.#need(size);
    return this.#cut(size);
  }

  /** At least one byte and at most `most`. */
  async takeSome(most: number): Promise<Buffer> {
    await this.#need(1);
    return this.#cut(Math.min(most, this.#held.length));
  }

  #cut(size: number): Buffer {
    const piece = this.#held.subarray(0, size);
    this.#held = this.#held.subarray(size);
    this.#offset += size;
    return piece;
  }

  async #need(size: number): Promise<void> {
    while (this.#held.length < size) {
      if (!(await this.#fill())) throw this.damaged('it ends early');
    }
  }

  async #fill(): Promise<boolean> {
    const { done, value } = await this.#chunks.next();
    if (done === true) return false;
    this.#held = this.#held.length === 0 ? Buffer.from(value) : Buffer.concat([this.#held, value]);
    return true;
  }

  damaged(found: string, cause?: unknown): CodedError {
    return new CodedError(
      'SOURCE_GARBAGE',
      `Cannot decompress ${this.#name} behind byte ${this.#offset}: ${found}`,
      {
        offset: this.#offset,
        hint: 'The file is damaged or not complete: check it with zstd -t',
        cause,
      },
    );
  }

  /** Lets the input go. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
