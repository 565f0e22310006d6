import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'tidemark-sandbox-';
export const PID_FILE = 'server.pid';

/**
 * A folder of ours alone (mode 0700) for one sandbox. Its name tells which process it belongs to,
 * so that what a killed one left can be swept.
 */
export function createSandboxFolder(parent = tmpdir()): string {
  sweepSandboxFolders(parent);
  return mkdtempSync(join(parent, `${PREFIX}${process.pid}-`));
}

/** Removes what dead processes left in `parent`, servers that still run there included. */
function sweepSandboxFolders(parent: string): void {
  for (const name of readdirSync(parent)) {
    if (!isLeftBehind(name, PREFIX)) continue;
    const folder = join(parent, name);
    try {
      killServerOf(folder);
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // Another user's, whose own next sandbox sweeps it.
    }
  }
}

/** Only when the process of the noted id really works in that folder: ids are used again. */
function killServerOf(folder: string): void {
  const file = join(folder, PID_FILE);
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8'));
  if (!(pid > 0) || !isRunning(pid)) return;
  try {
    if (readlinkSync(`/proc/${pid}/cwd`) === folder) process.kill(pid, 'SIGKILL');
  } catch {
    // It ended meanwhile, or this system does not tell.
  }
}

/** Whether a folder named `<prefix><process id>-…` belongs to a process that is gone. */
export function isLeftBehind(name: string, prefix: string): boolean {
  const owner = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1]);
  return owner > 0 && !isRunning(owner);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
