import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CodedError } from '../../base/index.ts';
import { formatAofManifest } from './aof-manifest.ts';
import type { AofPart } from './aof-parts.ts';

/** What of one part a server is to load. */
export type WholePart = { readonly part: AofPart; readonly wholeBytes: number };

const COPY_BYTES = 1 << 20;
/** Beside the copy: the log, and the increment that the server opens. */
const SPARE_BYTES = 16 << 20;

/**
 * Copies the parts, without what is torn, into the `dir` of a server of version `major`. They are
 * real copies, which the server may do with what it likes. Throws STORAGE_FULL before it begins,
 * where they would not fit.
 */
export async function copyAof(
  parts: readonly WholePart[],
  dir: string,
  major: number,
  signal?: AbortSignal,
): Promise<void> {
  await checkSpace(parts, dir);
  if (major < 7) {
    const [only] = parts;
    await copyPart(only, join(dir, 'appendonly.aof'), signal);
    return;
  }
  const folder = join(dir, 'appendonlydir');
  await mkdir(folder);
  const names = namesFor(parts);
  for (const [i, part] of parts.entries())
    await copyPart(part, join(folder, names[i].file), signal);
  const hasBase = parts[0]?.part.kind === 'base';
  const manifest = formatAofManifest({
    base: hasBase ? names[0] : null,
    increments: hasBase ? names.slice(1) : names,
  });
  await writeFile(join(folder, 'appendonly.aof.manifest'), manifest);
}

/** Names of our own: those of the original may be anything. */
function namesFor(parts: readonly WholePart[]) {
  return parts.map(({ part }, i) => {
    const sequence = i + 1;
    const kind = part.kind === 'base' ? 'base' : 'incr';
    return { file: `appendonly.aof.${sequence}.${kind}.aof`, sequence };
  });
}

async function copyPart(
  { part, wholeBytes }: WholePart,
  to: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (wholeBytes === 0) {
    await writeFile(to, '');
    return;
  }
  const from = createReadStream(part.path, { end: wholeBytes - 1, highWaterMark: COPY_BYTES });
  const into = createWriteStream(to, { flags: 'wx', mode: 0o600 });
  await pipeline(from, into, signal === undefined ? {} : { signal });
  if (into.bytesWritten === wholeBytes) return;
  throw new CodedError('SOURCE_LOST', `Cannot copy ${part.path}: it became shorter meanwhile`, {
    hint: 'Does a server write to it? Import a snapshot of the folder',
  });
}

async function checkSpace(parts: readonly WholePart[], dir: string): Promise<void> {
  const { bavail, bsize } = await statfs(dir);
  const free = bavail * bsize;
  const needed = parts.reduce((sum, { wholeBytes }) => sum + wholeBytes, SPARE_BYTES);
  if (needed <= free) return;
  const mebibytes = (bytes: number): string => `${Math.ceil(bytes / (1 << 20))} MiB`;
  const message =
    `Cannot copy the AOF to ${dir}: it takes ${mebibytes(needed)}, ` +
    `${mebibytes(free)} are free`;
  throw new CodedError('STORAGE_FULL', message, { hint: 'Name a larger folder by TMPDIR' });
}
