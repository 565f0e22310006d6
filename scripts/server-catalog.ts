import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Which servers the tests run against and where they rest once unpacked. `servers.ts` beside this
 * file fetches them from Debian's suites; `test/support/servers.ts` starts them.
 */

export type ServerFamily = 'redis' | 'valkey';

export type ServerVersion = readonly [major: number, minor: number, patch: number];

export type CatalogEntry = {
  readonly family: ServerFamily;
  /** Debian package that holds the server. */
  readonly package: string;
  /** Debian suites to take it from; the last one is preferred. */
  readonly suites: readonly string[];
  /** A server on PATH whose version begins like this is used instead of an unpacked one. */
  readonly series?: readonly number[];
};

/** Oldest first. A name stays when the suite moves on to another patch version. */
export const CATALOG = {
  'redis-6.0': { family: 'redis', package: 'redis-server', suites: ['bullseye'], series: [6, 0] },
  'redis-7.0': { family: 'redis', package: 'redis-server', suites: ['bookworm'], series: [7, 0] },
  'redis-8.0': { family: 'redis', package: 'redis-server', suites: ['trixie'], series: [8, 0] },
  'redis-newest': { family: 'redis', package: 'redis-server', suites: ['sid', 'experimental'] },
  'valkey-8': { family: 'valkey', package: 'valkey-server', suites: ['trixie'], series: [8] },
  'valkey-9': { family: 'valkey', package: 'valkey-server', suites: ['sid'], series: [9] },
} as const satisfies Record<string, CatalogEntry>;

export type ServerName = keyof typeof CATALOG;

export function catalogEntry(name: ServerName): CatalogEntry {
  return CATALOG[name];
}

export const SERVER_NAMES = Object.keys(CATALOG) as ServerName[];

/** What rests in `<cache>/<name>/server.json`: the proof that unpacking was finished. */
export type UnpackedServer = {
  readonly name: ServerName;
  readonly version: ServerVersion;
  /** The package's own version, with Debian's revision. */
  readonly packageVersion: string;
  /** Relative to the server's folder. */
  readonly loader: string;
  readonly libraryPath: readonly string[];
  readonly binDir: string;
};

/** Why a server is missing, in `<cache>/<name>.missing`. */
export function missingReasonPath(name: ServerName): string {
  return join(serversCacheDir(), `${name}.missing`);
}

/** Marks a server that PATH provides, so that set-up need not ask it for its version each time. */
export function installedMarkerPath(name: ServerName): string {
  return join(serversCacheDir(), `${name}.installed`);
}

export function serverDir(name: ServerName): string {
  return join(serversCacheDir(), name);
}

export function serversCacheDir(): string {
  const override = process.env['TIDEMARK_SERVERS_CACHE'];
  if (override !== undefined && override !== '') return resolve(override);
  return join(projectDir(), '.cache', 'servers');
}

export function projectDir(): string {
  return dirname(dirname(fileURLToPath(import.meta.url)));
}

export function readUnpacked(name: ServerName): UnpackedServer | undefined {
  try {
    return JSON.parse(readFileSync(join(serverDir(name), 'server.json'), 'utf8')) as UnpackedServer;
  } catch {
    return undefined;
  }
}

/** The server on PATH that can stand for `name`, with its version. Runs it once to ask. */
export function findInstalled(
  name: ServerName,
): { readonly file: string; readonly version: ServerVersion } | undefined {
  const { family, series } = catalogEntry(name);
  if (series === undefined) return undefined;
  const file = `${family}-server`;
  const asked = spawnSync(file, ['--version'], { encoding: 'utf8' });
  if (asked.error !== undefined) return undefined;
  const version = parseServerVersion(asked.stdout);
  if (version === undefined || !asked.stdout.toLowerCase().startsWith(family)) return undefined;
  return series.every((part, at) => version[at] === part) ? { file, version } : undefined;
}

/** Finds the version in what `redis-server --version` or `valkey-server --version` prints. */
export function parseServerVersion(text: string): ServerVersion | undefined {
  const match = /\bv=(\d+)\.(\d+)\.(\d+)/.exec(text);
  if (match === null) return undefined;
  return [Number(match[1]), Number(match[2]), Number(match[3])];
}
