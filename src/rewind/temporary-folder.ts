import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '../base/index.ts';
import { isLeftBehind } from '../replay/index.ts';

const PREFIX = 'tidemark-instant-';

/**
 * A folder for one materialised state, and gone with it. Its name tells the process that it belongs
 * to, so that the next one removes what a killed one left. STORAGE_FAILED.
 */
export async function createTemporaryFolder(parent = tmpdir()): Promise<string> {
  try {
    await sweep(parent);
    return await mkdtemp(join(parent, `${PREFIX}${process.pid}-`));
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new CodedError('STORAGE_FAILED', `Cannot make a folder in '${parent}': ${code}`, {
      hint: 'Name a folder that can be written to by TMPDIR',
      cause: error,
    });
  }
}

async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!isLeftBehind(name, PREFIX)) continue;
    // Another user's is for that user to remove.
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => {});
  }
}
