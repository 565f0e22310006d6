import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CodedError, isCoded } from '../../base/index.ts';
import {
  type FedServer,
  type FeedSource,
  type RecordedServer,
  StreamTranslator,
  type TranslationReport,
} from '../../replay/index.ts';
import { openOutputFile } from '../../restore/index.ts';
import { AnnotatedStream } from './annotated-stream.ts';
import { formatAofManifest } from './aof-manifest.ts';

export type AofFolderRequest = {
  readonly source: FeedSource;
  /** Null: a base without commands. Otherwise the server whose commands they are. */
  readonly recordedFrom: RecordedServer | null;
  /** The server that is to load it: 7.0 or later. */
  readonly server: FedServer;
  readonly folder: string;
  /** Replace an AOF that is there already; nothing else is ever replaced. */
  readonly force?: boolean;
  readonly allowInexact?: boolean;
  readonly onProgress?: (progress: AofFolderProgress) => void;
  readonly signal?: AbortSignal;
};

export type AofFolderProgress = {
  readonly phase: 'base' | 'log';
  /** Written of the base; read of the log. */
  readonly bytes: number;
};

export type AofFolderReport = {
  readonly folder: string;
  readonly baseBytes: number;
  readonly logBytes: number;
  readonly commands: number;
  /** Null where there is no log. */
  readonly translation: TranslationReport | null;
};

const MANIFEST = 'appendonly.aof.manifest';
const BASE = { file: 'appendonly.aof.1.base.rdb', sequence: 1 };
const INCREMENT = { file: 'appendonly.aof.1.incr.aof', sequence: 1 };

/**
 * Writes an `appendonlydir` that a server (7.0 and later) starts from: a base as an RDB, the log
 * behind it as commands with `#TS:` annotations, the manifest last. It is made beside `folder`,
 * every file durable, and gets its name when all is written. Throws CONFIRMATION_REQUIRED for a
 * folder that is not empty, the codes of the source, REPLAY_INEXACT, STORAGE_FULL, STORAGE_FAILED.
 */
export async function writeAofFolder(request: AofFolderRequest): Promise<AofFolderReport> {
  const folder = resolve(request.folder);
  await checkFolder(folder, request.force === true);
  const temporary = `${folder}.${randomBytes(6).toString('hex')}.part`;
  const signal = request.signal ?? new AbortController().signal;
  try {
    await mkdir(temporary).catch((error: unknown) => {
      throw folderError(error, folder);
    });
    const report = await writeFiles(request, temporary, signal);
    await replaceFolder(temporary, folder);
    return { folder, ...report };
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (!signal.aborted || isCoded(error, 'INTERRUPTED')) throw error;
    throw new CodedError('INTERRUPTED', 'The export was interrupted', { cause: error });
  }
}

async function writeFiles(request: AofFolderRequest, folder: string, signal: AbortSignal) {
  const { source, server, recordedFrom, onProgress } = request;
  let baseBytes = 0;
  await writeFile(join(folder, BASE.file), async (write) => {
    await source.writeBase(
      server,
      async (bytes) => {
        await write(bytes);
        baseBytes += bytes.length;
        onProgress?.({ phase: 'base', bytes: baseBytes });
      },
      signal,
    );
  });
  const log = recordedFrom === null ? null : await writeLog(request, recordedFrom, folder, signal);
  const manifest = formatAofManifest({ base: BASE, increments: log === null ? [] : [INCREMENT] });
  await writeFile(join(folder, MANIFEST), (write) => write(Buffer.from(manifest)));
  const { bytes: logBytes = 0, commands = 0, translation = null } = log ?? {};
  return { baseBytes, logBytes, commands, translation };
}

async function writeLog(
  { source, server, allowInexact = false, onProgress }: AofFolderRequest,
  recordedFrom: RecordedServer,
  folder: string,
  signal: AbortSignal,
) {
  const expiry = { shiftMs: 0, persists: false };
  const options = { server, recordedFrom, expiry, allowInexact };
  const translator = new StreamTranslator(options, source.startDatabase);
  let bytes = 0;
  let commands = 0;
  let read = 0;
  await writeFile(join(folder, INCREMENT.file), async (write) => {
    const stream = new AnnotatedStream(source.startDatabase, write);
    await stream.begin();
    for await (const piece of source.readStream(signal)) {
      signal.throwIfAborted();
      for (const part of translator.translate(piece.bytes, piece.atMs)) {
        await stream.push(part, piece.atMs);
      }
      read += piece.bytes.length;
      onProgress?.({ phase: 'log', bytes: read });
    }
    translator.finish();
    stream.finish();
    ({ bytes, commands } = stream);
  });
  return { bytes, commands, translation: translator.report };
}

/** Durable when resolved. */
async function writeFile(
  path: string,
  fill: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const output = await openOutputFile(path);
  try {
    await fill((bytes) => output.write(bytes));
    await output.commit();
  } catch (error) {
    await output.abort();
    throw error;
  }
}

/** A folder that is there may be replaced when it is empty, or by force when it holds an AOF. */
async function checkFolder(folder: string, force: boolean): Promise<void> {
  const names = await readdir(folder).catch(async (error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw folderError(error, folder);
    const parent = await stat(dirname(folder)).catch((cause: unknown) => {
      throw folderError(cause, folder);
    });
    if (!parent.isDirectory()) throw folderError(error, folder);
    return [];
  });
  if (names.length === 0) return;
  if (!force) {
    throw new CodedError('CONFIRMATION_REQUIRED', `Cannot write '${folder}': it is not empty`, {
      hint: 'Choose another --out, or replace an AOF that is there with --force',
    });
  }
  const stranger = names.find((name) => !/\.(aof|rdb|manifest)$/.test(name));
  if (stranger === undefined) return;
  throw new CodedError(
    'USAGE',
    `Cannot replace '${folder}': it has '${stranger}', which no AOF has`,
    {
      hint: 'Choose another --out',
    },
  );
}

/** What was there goes when the new folder has its name. */
async function replaceFolder(made: string, folder: string): Promise<void> {
  const old = `${made.slice(0, -'.part'.length)}.old`;
  try {
    const hadOne = await rename(folder, old).then(
      () => true,
      (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
        throw error;
      },
    );
    await rename(made, folder).catch(async (error: unknown) => {
      if (hadOne) await rename(old, folder);
      throw error;
    });
    await using parent = await open(dirname(folder), 'r');
    // Some file systems cannot sync a folder and say so.
    await parent.sync().catch(() => {});
    await rm(old, { recursive: true, force: true });
  } catch (error) {
    throw folderError(error, folder);
  }
}

function folderError(error: unknown, folder: string): unknown {
  if (error instanceof CodedError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  const isUsage = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(code);
  return new CodedError(
    isUsage ? 'USAGE' : code === 'ENOSPC' ? 'STORAGE_FULL' : 'STORAGE_FAILED',
    `Cannot write the folder '${basename(folder)}': ${message}`,
    { hint: 'Name with --out a folder to be made in one that exists', cause: error },
  );
}
