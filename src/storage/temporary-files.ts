import { randomBytes } from 'node:crypto';
import { lstat, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Hidden, so that no listing sees it; on the same file system, so that link() works. */
export const TEMPORARY_FOLDER = '.tmp';

/** As long as the repository's own patience with unfinished backups. */
const STALE_AFTER_MS = 3 * 24 * 3600 * 1000;

export function newTemporaryPath(root: string): string {
  return join(root, TEMPORARY_FOLDER, `${randomBytes(12).toString('hex')}.part`);
}

/** Removes what dead processes left behind. Best effort: a failure costs only space. */
export async function removeStaleTemporaries(root: string): Promise<void> {
  const folder = join(root, TEMPORARY_FOLDER);
  const oldest = Date.now() - STALE_AFTER_MS;
  try {
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      if ((await lstat(path)).mtimeMs < oldest) await unlink(path);
    }
  } catch {
    // Another process may sweep at the same moment, or may own the files.
  }
}
