import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { assert, CodedError } from '../base/index.ts';
import type { OnChunk, RdbByteSource, RdbEnd, RdbOrigin } from './rdb-byte-source.ts';

const READ_BYTES = 1 << 20;

/** An RDB file. Throws USAGE when there is no such file, SOURCE_LOST when it cannot be read. */
export async function openRdbFile(path: string): Promise<RdbByteSource> {
  let file: FileHandle | null = null;
  try {
    file = await open(path, 'r');
    const stat = await file.stat();
    if (!stat.isFile()) {
      throw new CodedError('USAGE', `Cannot read ${path}: it is not a file`, {
        hint: 'Give an RDB file, or - for standard input',
      });
    }
    const stream = createReadStream(path, { fd: file, highWaterMark: READ_BYTES });
    return new ReadableRdb(stream, { kind: 'file', path, length: stat.size });
  } catch (error) {
    await file?.close();
    if (error instanceof CodedError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    throw new CodedError(
      code === 'ENOENT' ? 'USAGE' : 'SOURCE_LOST',
      `Cannot read ${path}: ${code}`,
      {
        hint: 'Check the path and its permissions',
        cause: error,
      },
    );
  }
}

/** An RDB that comes through a pipe: standard input, a download. Owns and closes the stream. */
export function openRdbStream(stream: Readable): RdbByteSource {
  return new ReadableRdb(stream, { kind: 'stream', length: null });
}

/**
 * A dump that exists already, from its first byte to the end of the stream. A file that changed
 * its length meanwhile is SOURCE_LOST: somebody writes to it.
 */
class ReadableRdb implements RdbByteSource {
  readonly origin: RdbOrigin;
  readonly #stream: Readable;
  readonly #ended = Promise.withResolvers<RdbEnd>();
  #onChunk: OnChunk | null = null;
  #isPaused = false;
  #isOver = false;
  #bytes = 0;

  constructor(stream: Readable, origin: RdbOrigin) {
    this.#stream = stream;
    this.origin = origin;
    this.#ended.promise.catch(() => {});
    stream.on('error', (error) => this.#fail(this.#lost(error.message, error)));
    stream.on('close', () => this.#fail(this.#lost('it was closed before its end')));
  }

  async start(onChunk: OnChunk, signal?: AbortSignal): Promise<RdbEnd> {
    assert(this.#onChunk === null, 'an RDB source starts once');
    this.#onChunk = onChunk;
    const abort = () => this.close();
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    this.#stream.on('data', (chunk: Buffer | string) => this.#take(chunk));
    this.#stream.on('end', () => this.#end());
    if (this.#isPaused) this.#stream.pause();
    try {
      return await this.#ended.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  pause(): void {
    this.#isPaused = true;
    if (this.#onChunk) this.#stream.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#onChunk) this.#stream.resume();
  }

  close(): void {
    this.#fail(new CodedError('INTERRUPTED', `Cannot read on from ${this.#name()}: closed`));
  }

  #take(chunk: Buffer | string): void {
    assert(typeof chunk !== 'string', 'an RDB stream without an encoding');
    if (this.#isOver) return;
    this.#bytes += chunk.length;
    try {
      this.#onChunk?.(chunk, 0, chunk.length);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #end(): void {
    const { length } = this.origin;
    if (length !== null && this.#bytes !== length) {
      this.#fail(this.#lost(`its length changed from ${length} to ${this.#bytes} bytes`));
    }
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ended.resolve({ bytes: this.#bytes });
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stream.destroy();
    this.#ended.reject(error);
  }

  #name(): string {
    return this.origin.kind === 'file' ? this.origin.path : 'the input';
  }

  #lost(why: string, cause?: Error): CodedError {
    return new CodedError('SOURCE_LOST', `Cannot read on from ${this.#name()}: ${why}`, {
      hint: 'Is something else writing to it?',
      cause,
    });
  }
}
