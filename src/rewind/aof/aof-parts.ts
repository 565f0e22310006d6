import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CodedError } from '../../base/index.ts';
import { parseAofManifest } from './aof-manifest.ts';

/** The files of one AOF, in the order a server loads them in. Not read yet. */
export type AofParts = {
  /** The folder of a multi-part AOF, or the one file of an old one. */
  readonly path: string;
  readonly isFolder: boolean;
  readonly parts: readonly AofPart[];
};

export type AofPart = {
  readonly path: string;
  readonly name: string;
  readonly kind: 'base' | 'increment';
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
};

const MANIFEST = /\.manifest$/;

/**
 * Finds the files of the AOF at `path`: a multi-part folder (by its manifest, also one level
 * further down, as in a server's `dir`), a manifest, or a single file. Throws USAGE where there is
 * none or more than one, AOF_CORRUPT where the manifest cannot be read or files that it names are
 * missing.
 */
export async function findAofParts(path: string): Promise<AofParts> {
  const facts = await factsOf(path);
  if (!facts.isDirectory()) {
    if (MANIFEST.test(path)) return await readFolder(dirname(path), basename(path));
    return { path, isFolder: false, parts: [await partOf(path, 'base')] };
  }
  const here = await manifestIn(path);
  if (here !== undefined) return await readFolder(path, here);
  const entries = await readdir(path, { withFileTypes: true });
  const below: string[] = [];
  for (const entry of entries.filter((found) => found.isDirectory())) {
    const folder = join(path, entry.name);
    if ((await manifestIn(folder).catch(() => undefined)) !== undefined) below.push(folder);
  }
  if (below.length === 1) return await findAofParts(below[0]);
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.aof'));
  if (below.length === 0 && files.length === 1)
    return await findAofParts(join(path, files[0].name));
  const found = [...below, ...files.map(({ name }) => join(path, name))];
  throw new CodedError(
    'USAGE',
    found.length === 0
      ? `Cannot import ${path}: it is a folder without an AOF`
      : `Cannot know which to import of ${found.join(', ')}`,
    { hint: 'Name an AOF folder (with its manifest), an AOF file, or RDB or JSON Lines files' },
  );
}

async function manifestIn(folder: string): Promise<string | undefined> {
  const names = (await readdir(folder)).filter((name) => MANIFEST.test(name));
  if (names.length < 2) return names[0];
  throw new CodedError('USAGE', `Cannot know which manifest to follow in ${folder}`, {
    hint: `Name one of ${names.join(', ')}`,
  });
}

async function readFolder(folder: string, manifestName: string): Promise<AofParts> {
  const bytes = await readFile(join(folder, manifestName)).catch((error: unknown) => {
    throw unreadable(join(folder, manifestName), error);
  });
  const manifest = parseAofManifest(bytes, join(folder, manifestName));
  const parts: AofPart[] = [];
  const missing: string[] = [];
  const take = async (file: string, kind: AofPart['kind']): Promise<void> => {
    const path = join(folder, file);
    const part = await partOf(path, kind).catch((error: unknown) => {
      if (error instanceof CodedError && error.code === 'USAGE') return undefined;
      throw error;
    });
    if (part === undefined) missing.push(file);
    else parts.push(part);
  };
  if (manifest.base !== null) await take(manifest.base.file, 'base');
  for (const { file } of manifest.increments) await take(file, 'increment');
  if (missing.length > 0) {
    throw new CodedError(
      'AOF_CORRUPT',
      `Cannot load ${folder}: its manifest names files that are missing: ${missing.join(', ')}`,
      { hint: 'Copy the whole folder; while a server runs, by a snapshot of its file system' },
    );
  }
  return { path: folder, isFolder: true, parts };
}

async function partOf(path: string, kind: AofPart['kind']): Promise<AofPart> {
  const facts = await factsOf(path);
  if (!facts.isFile()) throw new CodedError('USAGE', `Cannot read ${path}: it is not a file`);
  const { size: sizeBytes, mtimeMs } = facts;
  return { path, name: basename(path), kind, sizeBytes, modifiedAtMs: Math.floor(mtimeMs) };
}

async function factsOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

export function unreadable(path: string, error: unknown): CodedError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new CodedError(
    code === 'ENOENT' ? 'USAGE' : 'SOURCE_LOST',
    `Cannot read ${path}: ${code ?? message}`,
    { hint: 'Check the path and its permissions', cause: error },
  );
}
