import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, realpath, rmdir, unlink } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { CodedError } from '../base/index.ts';
import { FileWriter, syncFolder } from './file-writer.ts';
import { asStorageError, errnoOf } from './file-errors.ts';
import { checkObjectName, checkPrefix } from './object-name.ts';
import type { ObjectInfo, ObjectWriter, ReadOptions, Storage } from './storage.ts';
import { TEMPORARY_FOLDER, newTemporaryPath, removeStaleTemporaries } from './temporary-files.ts';

export type DirectoryStorageOptions = {
  /** False where the file system is known to have no hard links; found out by itself otherwise. */
  readonly hardLinks?: boolean;
};

/**
 * Objects as files below one folder, which is made by the first write. Below that folder nothing is
 * ever a symbolic link: links are neither listed nor followed nor written through. Unfinished
 * objects lie in `.tmp/`; those of dead processes are collected after three days.
 */
export class DirectoryStorage implements Storage {
  readonly location: string;
  readonly #hardLinks: boolean;
  #prepared: Promise<void> | undefined;

  constructor(folder: string, options: DirectoryStorageOptions = {}) {
    this.location = resolve(folder);
    this.#hardLinks = options.hardLinks ?? true;
  }

  async create(name: string, signal?: AbortSignal): Promise<ObjectWriter> {
    checkObjectName(name);
    signal?.throwIfAborted();
    try {
      const root = await this.#prepare();
      const temporary = newTemporaryPath(root);
      const handle = await open(temporary, 'wx', 0o666);
      const folder = dirname(name);
      return new FileWriter(name, handle, {
        temporary,
        final: join(root, name),
        hardLinks: this.#hardLinks,
        makeFolder: () => makeFolders(root, folder === '.' ? [] : folder.split('/')),
      });
    } catch (error) {
      throw creationError(error, name);
    }
  }

  async put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const writer = await this.create(name, signal);
    try {
      await writer.write(bytes, signal);
      await writer.commit(signal);
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  async read(name: string, options: ReadOptions = {}, signal?: AbortSignal): Promise<Buffer> {
    checkObjectName(name);
    signal?.throwIfAborted();
    try {
      await using handle = await this.#openForReading(name);
      const { size } = await handle.stat();
      const { start, end } = chosenRange(name, size, options);
      const bytes = Buffer.allocUnsafeSlow(end - start);
      let filled = 0;
      while (filled < bytes.length) {
        const rest = bytes.length - filled;
        const { bytesRead } = await handle.read(bytes, filled, rest, start + filled);
        if (bytesRead === 0) throw tooShort(name, start, end, start + filled);
        filled += bytesRead;
        signal?.throwIfAborted();
      }
      return bytes;
    } catch (error) {
      throw asStorageError(error, 'read', name);
    }
  }

  async stat(name: string, signal?: AbortSignal): Promise<ObjectInfo> {
    checkObjectName(name);
    signal?.throwIfAborted();
    try {
      await using handle = await this.#openForReading(name);
      const { size, mtimeMs } = await handle.stat();
      return { name, size, modifiedAtMs: Math.floor(mtimeMs) };
    } catch (error) {
      throw asStorageError(error, 'look at', name);
    }
  }

  async exists(name: string, signal?: AbortSignal): Promise<boolean> {
    try {
      await this.stat(name, signal);
      return true;
    } catch (error) {
      if (error instanceof CodedError && error.code === 'OBJECT_MISSING') return false;
      throw error;
    }
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    checkPrefix(prefix);
    const slash = prefix.lastIndexOf('/');
    yield* this.#walk(prefix.slice(0, slash + 1), prefix, signal);
  }

  async folders(prefix: string, signal?: AbortSignal): Promise<readonly string[]> {
    checkPrefix(prefix);
    const folders: string[] = [];
    for (const entry of await this.#entries(prefix, signal)) {
      if (!entry.folder) continue;
      // An empty folder is none: object stores have no such thing.
      for await (const _ of this.#walk(`${prefix}${entry.name}/`, '', signal)) {
        folders.push(entry.name);
        break;
      }
    }
    return folders;
  }

  async remove(name: string, signal?: AbortSignal): Promise<void> {
    checkObjectName(name);
    signal?.throwIfAborted();
    try {
      const root = await realpath(this.location);
      await checkNoLinks(root, dirname(name), name);
      await unlink(join(root, name));
      const folder = dirname(join(root, name));
      await syncFolder(folder);
      await removeEmptyFolders(root, folder);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'EISDIR') return;
      throw asStorageError(error, 'remove', name);
    }
  }

  /** The time that the file system gives to a new file: on NFS that is the server's clock. */
  async now(signal?: AbortSignal): Promise<number> {
    signal?.throwIfAborted();
    try {
      const path = newTemporaryPath(await this.#prepare());
      await using handle = await open(path, 'wx');
      await unlink(path);
      await handle.write(Buffer.of(0));
      return Math.floor((await handle.stat()).mtimeMs);
    } catch (error) {
      throw creationError(error, TEMPORARY_FOLDER);
    }
  }

  /** Makes the root once per process and sweeps what dead processes left. Resolves to its path. */
  async #prepare(): Promise<string> {
    this.#prepared ??= this.#makeRoot();
    try {
      await this.#prepared;
      return await realpath(this.location);
    } catch (error) {
      this.#prepared = undefined;
      throw error;
    }
  }

  async #makeRoot(): Promise<void> {
    const firstMade = await mkdir(this.location, { recursive: true });
    if (firstMade !== undefined) {
      const above = dirname(resolve(firstMade));
      for (let path = this.location; ; path = dirname(path)) {
        await syncFolder(path);
        if (path === above) break;
      }
    }
    const root = await realpath(this.location);
    await makeFolders(root, [TEMPORARY_FOLDER]);
    await removeStaleTemporaries(root);
  }

  async #openForReading(name: string) {
    const root = await realpath(this.location);
    await checkNoLinks(root, dirname(name), name);
    const path = join(root, name);
    // Opening a pipe or a device could block or do worse, so look first.
    if ((await lstat(path)).isFile()) {
      return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    }
    throw new CodedError('OBJECT_MISSING', `Cannot read '${name}': it is no file`, {
      object: name,
    });
  }

  async *#walk(folder: string, prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    for (const entry of await this.#entries(folder, signal)) {
      const name = folder + entry.name;
      if (entry.folder) {
        const below = `${name}/`;
        if (below.startsWith(prefix)) yield* this.#walk(below, prefix, signal);
        continue;
      }
      if (!name.startsWith(prefix)) continue;
      const info = await this.#infoOf(name);
      if (info !== undefined) yield info;
    }
  }

  async #infoOf(name: string): Promise<ObjectInfo | undefined> {
    try {
      const { size, mtimeMs } = await lstat(join(this.location, name));
      return { name, size, modifiedAtMs: Math.floor(mtimeMs) };
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw asStorageError(error, 'look at', name);
    }
  }

  /** Files and folders of one folder in the order in which their full names sort. */
  async #entries(folder: string, signal?: AbortSignal): Promise<FolderEntry[]> {
    signal?.throwIfAborted();
    try {
      const root = await realpath(this.location);
      if (folder !== '') await checkNoLinks(root, folder.slice(0, -1), folder);
      const found = await readdir(join(root, folder), { withFileTypes: true });
      return found
        .filter((entry) => (entry.isFile() || entry.isDirectory()) && !entry.name.startsWith('.'))
        .map((entry) => ({ name: entry.name, folder: entry.isDirectory() }))
        .sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOENT' || errno === 'ENOTDIR') return [];
      throw asStorageError(error, 'list', folder === '' ? this.location : folder);
    }
  }
}

type FolderEntry = { readonly name: string; readonly folder: boolean };

function sortKey(entry: FolderEntry): string {
  return entry.folder ? `${entry.name}/` : entry.name;
}

function chosenRange(name: string, size: number, options: ReadOptions) {
  const start = options.start ?? 0;
  const end = options.end ?? Math.max(size, start);
  if (end > size || start > end) throw tooShort(name, start, end, size);
  if (end - start > (options.maxBytes ?? Number.MAX_SAFE_INTEGER)) {
    throw new CodedError(
      'OBJECT_CORRUPT',
      `Cannot read '${name}': it has ${size} bytes, at most ${options.maxBytes} were expected`,
      { object: name },
    );
  }
  return { start, end };
}

function tooShort(name: string, start: number, end: number, size: number): CodedError {
  return new CodedError(
    'OBJECT_CORRUPT',
    `Cannot read bytes ${start} to ${end} of '${name}': it ends at ${size}`,
    { object: name, offset: size },
  );
}

/** While creating, a vanished folder is no missing object but a storage that fails. */
function creationError(error: unknown, name: string): unknown {
  const coded = asStorageError(error, 'create', name);
  if (!(coded instanceof CodedError)) return coded;
  if (coded.code !== 'OBJECT_MISSING' && coded.code !== 'OBJECT_EXISTS') return coded;
  return new CodedError('STORAGE_FAILED', coded.message, { object: name, cause: error });
}

async function checkNoLinks(root: string, folder: string, name: string): Promise<void> {
  const expected = folder === '.' ? root : join(root, folder);
  if ((await realpath(expected)) === expected) return;
  throw linkRefused(name);
}

function linkRefused(name: string): CodedError {
  return new CodedError('STORAGE_FAILED', `Cannot use '${name}': a symbolic link leads to it`, {
    object: name,
    hint: 'Replace the symbolic link inside the repository by a real folder',
  });
}

/** Makes the folders one by one, so that none is reached through a link, and makes them durable. */
async function makeFolders(root: string, segments: readonly string[]): Promise<void> {
  let path = root;
  for (const segment of segments) {
    const above = path;
    path = join(path, segment);
    try {
      await mkdir(path);
      await syncFolder(above);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      if (!(await lstat(path)).isDirectory()) throw linkRefused(path.slice(root.length + 1));
    }
  }
}

/** Folders are not part of the contract, so nobody misses an empty one. Best effort. */
async function removeEmptyFolders(root: string, from: string): Promise<void> {
  for (let folder = from; folder.startsWith(root + sep); folder = dirname(folder)) {
    try {
      await rmdir(folder);
    } catch {
      return;
    }
  }
}
