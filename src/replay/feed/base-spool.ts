import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '../../base/index.ts';

const READ_BYTES = 256 << 10;

/**
 * A base on local disk, for replicas that have to be told its length before it begins. The file has
 * no name once it is open: it vanishes with the process. Throws STORAGE_FULL and STORAGE_FAILED.
 */
export class BaseSpool {
  size = 0;
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(folder: string): Promise<BaseSpool> {
    const path = join(folder, `tidemark-feed-${process.pid}-${randomUUID()}`);
    try {
      const file = await open(path, 'wx+', 0o600);
      await rm(path);
      return new BaseSpool(file);
    } catch (error) {
      throw failure(`Cannot make a temporary file in '${folder}'`, error);
    }
  }

  /** `bytes` may change once this resolves. */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length; ) {
        const left = bytes.length - at;
        const { bytesWritten } = await this.#file.write(bytes, at, left, this.size);
        at += bytesWritten;
        this.size += bytesWritten;
      }
    } catch (error) {
      throw failure('Cannot write to a temporary file', error);
    }
  }

  /** What was appended, in pieces that are the receiver's to keep. */
  async *pieces(): AsyncGenerator<Buffer, void, void> {
    for (let at = 0; at < this.size; ) {
      const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, this.size - at));
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw failure('Cannot read a temporary file', new Error('it is short'));
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function failure(what: string, error: unknown): CodedError {
  const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new CodedError(isFull ? 'STORAGE_FULL' : 'STORAGE_FAILED', `${what}: ${code}`, {
    cause: error,
    hint: 'Name a local folder with room for the whole base by TMPDIR',
  });
}
