import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { CodedError, isCoded } from '../../base/index.ts';
import type { Invocation } from '../invocation.ts';
import type { Environment } from '../terminal.ts';

/** Where restore tasks keep their journals when nobody says where. */
export function defaultStateFolder(env: Environment): string {
  const base = env['XDG_STATE_HOME'];
  // The standard has relative ones ignored.
  const state = base !== undefined && isAbsolute(base) ? base : undefined;
  return join(state ?? join(env['HOME'] ?? homedir(), '.local', 'state'), 'tidemark', 'tasks');
}

/**
 * The folder for a new task. Undefined where the default one cannot be written: then the restore
 * runs all the same, and says that it cannot be resumed.
 */
export function chooseStateFolder(
  { terminal, quiet }: Invocation,
  given: string | undefined,
): string | undefined {
  if (given !== undefined) return resolve(given);
  const folder = defaultStateFolder(terminal.env);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK);
    return folder;
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    if (!quiet) {
      terminal.stderr.write(
        `note: This restore cannot be resumed: ${folder} cannot be written (${code}); see --state\n`,
      );
    }
    return undefined;
  }
}

/** Adds to an error what takes the task up again. */
export function withResumeHint(error: unknown, task: string, state: string | undefined): unknown {
  if (!(error instanceof CodedError)) return error;
  const words = ['tidemark', 'restore', '--resume', task];
  if (state !== undefined) words.push('--state', quoted(resolve(state)));
  const goOn = `o on where it ended: ${words.join(' ')}`;
  const { offset, object, key, hint: before } = error;
  const isEnough = isCoded(error, 'INTERRUPTED', 'TARGET_LOST', 'CONNECT_FAILED');
  const hint = isEnough ? `G${goOn}` : `${before}; then g${goOn}`;
  return new CodedError(error.code, error.message, {
    ...(offset !== undefined && { offset }),
    ...(object !== undefined && { object }),
    ...(key !== undefined && { key }),
    hint,
    cause: error,
  });
}

/** The repository in a form that means the same from any folder. */
export function absoluteRepo(repo: string | undefined): string {
  return repo !== undefined && existsSync(repo) ? resolve(repo) : (repo ?? '');
}

/** As a shell takes it. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
