import { createHash } from 'node:crypto';
import { type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { assert, CodedError } from '../base/index.ts';
import { asStorageError, errnoOf } from './file-errors.ts';
import type { ObjectWriter } from './storage.ts';

type Place = {
  readonly temporary: string;
  readonly final: string;
  readonly hardLinks: boolean;
  readonly makeFolder: () => Promise<void>;
};

/** How file systems without hard links refuse link(). */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/**
 * One object of a DirectoryStorage on its way. The order is what makes it durable and atomic:
 * write the temporary file, fsync it, link() it to its name (which fails when the name is taken,
 * atomically), remove the temporary name, fsync the folder. A process killed anywhere leaves a
 * whole object or only a temporary file.
 */
export class FileWriter implements ObjectWriter {
  readonly name: string;
  #size = 0;
  #handle: FileHandle | undefined;
  readonly #place: Place;

  constructor(name: string, handle: FileHandle, place: Place) {
    this.name = name;
    this.#handle = handle;
    this.#place = place;
  }

  get size(): number {
    return this.#size;
  }

  async write(chunk: Uint8Array, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    assert(this.#handle !== undefined, 'a spent ObjectWriter was written to');
    try {
      let written = 0;
      while (written < chunk.length) {
        const at = this.#size + written;
        const result = await this.#handle.write(chunk, written, chunk.length - written, at);
        written += result.bytesWritten;
      }
      this.#size += chunk.length;
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async commit(signal?: AbortSignal): Promise<void> {
    assert(this.#handle !== undefined, 'a spent ObjectWriter was committed');
    try {
      signal?.throwIfAborted();
      await this.#handle.sync();
      await this.#close();
      await this.#publish();
    } catch (error) {
      await this.abort();
      throw this.#failure(error);
    }
    try {
      await syncFolder(dirname(this.#place.final));
    } catch (error) {
      // Visible but perhaps not durable: take it back rather than let anybody rely on it.
      await unlink(this.#place.final).catch(() => {});
      throw this.#failure(error);
    } finally {
      await this.abort();
    }
  }

  async abort(): Promise<void> {
    try {
      await this.#close();
      await unlink(this.#place.temporary);
    } catch {
      // The name is gone after a commit; whatever else stays is swept later.
    }
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #publish(): Promise<void> {
    const { temporary, final, hardLinks, makeFolder } = this.#place;
    // A concurrent remove() may take an emptied folder away between the two calls.
    for (let attempt = 1; ; attempt++) {
      await makeFolder();
      try {
        if (!hardLinks) return await renameIfAbsent(temporary, final);
        return await link(temporary, final);
      } catch (error) {
        const errno = errnoOf(error);
        if (errno === 'ENOENT' && attempt < 5) continue;
        if (errno === undefined || !NO_LINKS.has(errno)) throw error;
        return await renameIfAbsent(temporary, final);
      }
    }
  }

  #failure(error: unknown): unknown {
    const coded = asStorageError(error, 'write', this.name);
    if (!(coded instanceof CodedError) || coded.code !== 'OBJECT_MISSING') return coded;
    return new CodedError('STORAGE_FAILED', coded.message, { object: this.name, cause: error });
  }
}

/**
 * rename() would replace an existing object, so writers of one name take turns by a claim file. A
 * claim whose process died is swept with the temporary files; until then the name stays taken.
 */
async function renameIfAbsent(temporary: string, final: string): Promise<void> {
  const claimName = `${createHash('sha256').update(final).digest('hex')}.claim`;
  const claim = join(dirname(temporary), claimName);
  await (await open(claim, 'wx')).close();
  try {
    const taken = await lstat(final).then(
      () => true,
      (error: unknown) => {
        if (errnoOf(error) === 'ENOENT') return false;
        throw error;
      },
    );
    if (taken) throw Object.assign(new Error('file exists'), { code: 'EEXIST', syscall: 'rename' });
    await rename(temporary, final);
  } finally {
    await unlink(claim);
  }
}

/** Makes the names in a folder durable. Some network file systems cannot and say EINVAL. */
export async function syncFolder(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'EINVAL' && errno !== 'ENOTSUP' && errno !== 'EISDIR') throw error;
  }
}
