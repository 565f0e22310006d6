import { CodedError } from '../base/index.ts';
import { decodeText } from '../entries/index.ts';
import type { RedisConnection } from '../redis/index.ts';
import { type Manifest, readInstanceRecord, type Repository } from '../repository/index.ts';
import { type Reply, ReplyError, replyText } from '../resp/index.ts';
import { isFatal, refused } from './refusals.ts';

/** What became of function libraries; `scripts` are script bodies loaded into the cache. */
export type FunctionCounts = {
  libraries: number;
  restored: number;
  unchanged: number;
  overwritten: number;
  skipped: number;
  failed: number;
  scripts: number;
};

export type FunctionOptions = {
  readonly conflict: 'skip' | 'overwrite' | 'fail';
  /** The target knows functions at all (7.0). */
  readonly supported: boolean;
  readonly dryRun: boolean;
  readonly onNotice: (text: string) => void;
};

export function emptyFunctionCounts(): FunctionCounts {
  return {
    libraries: 0,
    restored: 0,
    unchanged: 0,
    overwritten: 0,
    skipped: 0,
    failed: 0,
    scripts: 0,
  };
}

/** Function libraries and script bodies of a backup, those of several shards once. */
export async function readFunctions(
  repository: Repository,
  manifest: Manifest,
  signal?: AbortSignal,
): Promise<{ readonly libraries: Buffer[]; readonly scripts: Buffer[] }> {
  const found = { function: new Set<string>(), script: new Set<string>() };
  for (const file of manifest.files) {
    if (file.kind !== 'instance') continue;
    for await (const line of readInstanceRecord(repository, file, signal)) {
      const { type, value } = line as { type?: string; value?: unknown };
      if ((type === 'function' || type === 'script') && typeof value === 'string') {
        found[type].add(value);
      }
    }
  }
  return {
    libraries: [...found.function].map(decodeText),
    scripts: [...found.script].map(decodeText),
  };
}

/**
 * Loads function libraries and script bodies. A library of the same name and source is unchanged;
 * another one is treated by its own conflict rule. TARGET_CONFLICT with `fail`, TARGET_REFUSED.
 */
export async function restoreFunctions(
  conn: RedisConnection,
  functions: { readonly libraries: readonly Buffer[]; readonly scripts: readonly Buffer[] },
  options: FunctionOptions,
): Promise<FunctionCounts> {
  const counts = emptyFunctionCounts();
  counts.libraries = functions.libraries.length;
  if (functions.libraries.length > 0 && !options.supported) {
    counts.failed = functions.libraries.length;
    options.onNotice(`${counts.failed} function libraries: the target knows no functions`);
  } else if (functions.libraries.length > 0) {
    const present = await listLibraries(conn);
    if (options.conflict === 'fail') refuseConflicts(functions.libraries, present);
    for (const source of functions.libraries) {
      await restoreLibrary(conn, source, present, options, counts);
    }
  }
  if (options.dryRun) counts.scripts = functions.scripts.length;
  for (const script of options.dryRun ? [] : functions.scripts) {
    const reply = await conn.attempt(['SCRIPT', 'LOAD', script]);
    if (reply instanceof ReplyError) {
      options.onNotice(`A cached script body was refused: ${reply.message}`);
    } else counts.scripts++;
  }
  return counts;
}

async function restoreLibrary(
  conn: RedisConnection,
  source: Buffer,
  present: ReadonlyMap<string, string>,
  options: FunctionOptions,
  counts: FunctionCounts,
): Promise<void> {
  const name = libraryName(source);
  const there = present.get(name);
  if (there === source.toString('latin1')) {
    counts.unchanged++;
    return;
  }
  if (there !== undefined && options.conflict === 'skip') {
    counts.skipped++;
    options.onNotice(`Left alone: the target's own function library ${JSON.stringify(name)}`);
    return;
  }
  if (!options.dryRun) {
    const replace = there === undefined ? [] : ['REPLACE'];
    const reply = await conn.attempt(['FUNCTION', 'LOAD', ...replace, source]);
    if (reply instanceof ReplyError) {
      if (isFatal(reply.message)) throw refused('a function library', reply);
      counts.failed++;
      options.onNotice(`Function library ${JSON.stringify(name)} was refused: ${reply.message}`);
      return;
    }
  }
  if (there === undefined) counts.restored++;
  else counts.overwritten++;
}

/** All are looked at before the first is loaded. */
function refuseConflicts(libraries: readonly Buffer[], present: ReadonlyMap<string, string>): void {
  for (const source of libraries) {
    const name = libraryName(source);
    const there = present.get(name);
    if (there === undefined || there === source.toString('latin1')) continue;
    const message = `The target has another function library ${JSON.stringify(name)}`;
    throw new CodedError('TARGET_CONFLICT', message, { hint: 'See --function-conflict' });
  }
}

/** The name in the first line: `#!lua name=mylib`. */
function libraryName(source: Buffer): string {
  const firstLine = source.toString('latin1', 0, Math.max(0, source.indexOf(10)));
  return /\bname=(\S+)/.exec(firstLine)?.[1] ?? '';
}

/** Libraries of the target: name to source. */
async function listLibraries(conn: RedisConnection): Promise<Map<string, string>> {
  const reply = await conn.command(['FUNCTION', 'LIST', 'WITHCODE']);
  const libraries = new Map<string, string>();
  for (const library of Array.isArray(reply) ? reply : []) {
    const members = membersOf(library);
    const name = members.get('library_name');
    const code = members.get('library_code');
    if (name !== undefined && code !== undefined) libraries.set(name, code);
  }
  return libraries;
}

function membersOf(library: Reply): Map<string, string> {
  const members = new Map<string, string>();
  if (!Array.isArray(library)) return members;
  for (let i = 0; i + 1 < library.length; i += 2) {
    const value = library[i + 1];
    if (Buffer.isBuffer(value)) members.set(replyText(library[i]), value.toString('latin1'));
  }
  return members;
}
