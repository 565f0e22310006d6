import { randomBytes } from 'node:crypto';
import { type FileHandle, link, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { assert, CodedError, type ErrorCode } from '../../../base/index.ts';
import type { ExportOutput } from './export-output.ts';

export type OutputFileOptions = {
  /** Replace a file that is there. */
  readonly force?: boolean;
};

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'STORAGE_FULL',
  EDQUOT: 'STORAGE_FULL',
  EFBIG: 'STORAGE_FULL',
  ENOENT: 'USAGE',
  ENOTDIR: 'USAGE',
  EISDIR: 'USAGE',
  ENAMETOOLONG: 'USAGE',
};

const HINTS: Partial<Record<ErrorCode, string>> = {
  STORAGE_FULL: 'Free some space, or choose another --out',
  STORAGE_FAILED: 'Check the folder of --out and its permissions',
  USAGE: 'Name a file in a folder that exists',
};

/**
 * Opens a file to be written. It grows under a temporary name beside its own, is fsynced, and only
 * then gets its name: nobody ever sees half of it. A file that is there already is refused
 * (CONFIRMATION_REQUIRED) unless `force` is given, and then replaced at the end. Pipes and devices
 * are written as they are. Throws USAGE for a folder, or in one that does not exist.
 */
export async function openOutputFile(
  path: string,
  options: OutputFileOptions = {},
): Promise<ExportOutput> {
  const force = options.force ?? false;
  try {
    const there = await stat(path).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    });
    if (there?.isDirectory() === true) {
      throw new CodedError('USAGE', `Cannot write '${path}': it is a folder`, {
        hint: 'Name a file',
      });
    }
    if (there !== undefined && !there.isFile()) {
      return new OutputFile(await open(path, 'w'), path, undefined, force);
    }
    if (there !== undefined && !force) throw taken(path);
    // A symbolic link stays, and what it points to is replaced.
    const final = there === undefined ? path : await realpath(path);
    const suffix = randomBytes(6).toString('hex');
    const temporary = join(dirname(final), `.${basename(final).slice(0, 200)}.${suffix}.part`);
    return new OutputFile(await open(temporary, 'wx', 0o666), final, temporary, force);
  } catch (error) {
    throw fileError(error, path);
  }
}

class OutputFile implements ExportOutput {
  #handle: FileHandle | undefined;
  readonly #path: string;
  /** Undefined: what is written cannot be renamed. */
  #temporary: string | undefined;
  readonly #force: boolean;

  constructor(handle: FileHandle, path: string, temporary: string | undefined, force: boolean) {
    this.#handle = handle;
    this.#path = path;
    this.#temporary = temporary;
    this.#force = force;
  }

  async write(bytes: Uint8Array): Promise<void> {
    assert(this.#handle !== undefined, 'a closed output was written to');
    try {
      let written = 0;
      while (written < bytes.length) {
        const result = await this.#handle.write(bytes, written, bytes.length - written);
        written += result.bytesWritten;
      }
    } catch (error) {
      throw fileError(error, this.#path);
    }
  }

  async commit(): Promise<void> {
    assert(this.#handle !== undefined, 'a closed output was committed');
    try {
      if (this.#temporary !== undefined) await this.#handle.sync();
      await this.#close();
      if (this.#temporary === undefined) return;
      if (this.#force) await rename(this.#temporary, this.#path);
      else await renameIfAbsent(this.#temporary, this.#path);
      this.#temporary = undefined;
      await syncFolder(dirname(this.#path));
    } catch (error) {
      await this.abort();
      throw fileError(error, this.#path);
    }
  }

  async abort(): Promise<void> {
    const temporary = this.#temporary;
    this.#temporary = undefined;
    await this.#close().catch(() => {});
    if (temporary !== undefined) await unlink(temporary).catch(() => {});
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}

/** By a hard link, which fails when the name is taken; where there are none, as well as it goes. */
async function renameIfAbsent(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) throw taken(path);
    if ((await stat(path).catch(() => undefined)) !== undefined) throw taken(path);
    await rename(temporary, path);
    return;
  }
  await unlink(temporary);
}

/** Some file systems cannot sync a folder and say so. */
async function syncFolder(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync().catch((error: unknown) => {
    if (!isErrno(error, 'EINVAL', 'ENOTSUP', 'EISDIR')) throw error;
  });
}

function taken(path: string): CodedError {
  return new CodedError('CONFIRMATION_REQUIRED', `Cannot write '${path}': it exists`, {
    hint: 'Choose another --out, or replace the file with --force',
  });
}

function isErrno(error: unknown, ...codes: string[]): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code !== undefined && codes.includes(code);
}

function fileError(error: unknown, path: string): unknown {
  if (error instanceof CodedError || !(error instanceof Error) || !('syscall' in error)) {
    return error;
  }
  const code = CODES[(error as NodeJS.ErrnoException).code ?? ''] ?? 'STORAGE_FAILED';
  return new CodedError(code, `Cannot write '${path}': ${error.message}`, {
    hint: HINTS[code] as string,
    cause: error,
  });
}
