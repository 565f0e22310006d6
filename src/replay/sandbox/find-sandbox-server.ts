import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CodedError } from '../../base/index.ts';
import type { ServerFamily } from '../../redis/index.ts';
import type { RecordedServer } from '../feed/feed-options.ts';

/** A server program of this machine. */
export type SandboxServer = {
  readonly file: string;
  /** In front of the server's own arguments, where `file` is a loader of it. */
  readonly args: readonly string[];
  readonly family: ServerFamily;
  readonly version: string;
  /** Why it was chosen, in a few words. */
  readonly why: string;
};

export type FindOptions = {
  /** The program to use, whatever its version. */
  readonly given?: string;
  /** The variable PATH. */
  readonly path?: string | undefined;
};

const PROGRAMS = ['redis-server', 'valkey-server', 'keydb-server'];
const HINT = 'Install redis-server or valkey-server, or name one with --sandbox-server';

/**
 * Chooses the program that can hold what `recorded` held: the one given, or of those on PATH the
 * one of its family whose version is nearest to it and not below, else one of another family that
 * reads all of its data. Throws SANDBOX_UNAVAILABLE.
 */
export function findSandboxServer(
  recorded: RecordedServer,
  options: FindOptions = {},
): SandboxServer {
  const { given, path } = options;
  if (given !== undefined) {
    const server = askVersion(given.includes('/') ? given : (findOnPath(given, path)[0] ?? given));
    if (typeof server === 'string')
      throw unavailable(`Cannot use '${given}' as sandbox: ${server}`);
    const isOlder = rank(recorded, server) === Number.POSITIVE_INFINITY;
    return { ...server, why: isOlder ? `given, though made for other data` : 'given' };
  }
  const found = PROGRAMS.flatMap((name) => findOnPath(name, path))
    .map((file) => askVersion(file))
    .filter((server) => typeof server !== 'string');
  const best = chooseSandboxServer(recorded, found);
  if (best !== null) return best;
  const what = `data of ${recorded.family} ${recorded.version ?? ''}`.trim();
  const had = found.map(({ file, family, version }) => `${file} is ${family} ${version}`);
  const why = had.length === 0 ? 'none is on PATH' : had.join(', ');
  throw unavailable(`Cannot find a server for a sandbox that can hold ${what}: ${why}`);
}

type Found = Omit<SandboxServer, 'why'>;

/** Pure: the best of `found`; null when none will do. */
export function chooseSandboxServer(
  recorded: RecordedServer,
  found: readonly Found[],
): SandboxServer | null {
  const ranked = found
    .map((server) => ({ server, rank: rank(recorded, server) }))
    .filter(({ rank }) => rank < Number.POSITIVE_INFINITY)
    .toSorted((a, b) => a.rank - b.rank);
  const [best] = ranked;
  if (best === undefined) return null;
  const { server } = best;
  const isSame = server.family === recorded.family;
  const why = isSame ? 'the nearest version that is not older' : 'reads all that the source had';
  return { ...server, why };
}

/** The smaller the better; infinite: it may not know what the recorded server knew. */
function rank(recorded: RecordedServer, server: Found): number {
  const have = ordinal(server.version);
  if (recorded.version === null) return -have;
  const wanted = ordinal(recorded.version);
  if (server.family === recorded.family && have >= wanted) return have - wanted;
  const step = 1e9;
  const { family } = recorded;
  // The families parted at Redis 7.2; KeyDB is a fork of 6.2 with the commands of 6.2.
  const isCommon = family === 'redis' && wanted < ordinal('7.3');
  if (server.family === 'valkey' && isCommon) return step + have;
  if (server.family === 'redis' && family === 'valkey' && wanted < ordinal('9')) {
    return have >= ordinal('7.2') ? step + have : Number.POSITIVE_INFINITY;
  }
  if (family === 'keydb' && server.family !== 'keydb') {
    return have >= ordinal('7.0') ? step + have : Number.POSITIVE_INFINITY;
  }
  return Number.POSITIVE_INFINITY;
}

function ordinal(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part));
  return major * 1_000_000 + (minor || 0) * 1000 + (patch || 0);
}

/** What the program says of itself, or why it cannot be used. */
function askVersion(file: string): Found | string {
  const { stdout, error } = spawnSync(file, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  if (error !== undefined) return error.message;
  const named = /^(\w+) server v=(\d+\.\S+)/i.exec(stdout);
  if (named === null) return 'it is no Redis or Valkey server';
  const name = named[1].toLowerCase();
  const isKeydb = name === 'keydb' || file.includes('keydb');
  const family = isKeydb ? 'keydb' : name === 'valkey' ? 'valkey' : 'redis';
  return { file, args: [], family, version: named[2] };
}

function findOnPath(name: string, path = ''): string[] {
  const files = path.split(delimiter).map((folder) => join(folder, name));
  return [...new Set(files)].filter((file) => {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

function unavailable(message: string): CodedError {
  return new CodedError('SANDBOX_UNAVAILABLE', message, { hint: HINT });
}
