import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  catalogEntry,
  findInstalled,
  missingReasonPath,
  readUnpacked,
  SERVER_NAMES,
  type ServerFamily,
  type ServerName,
  type ServerVersion,
  serverDir,
} from '../../scripts/server-catalog.ts';

export { SERVER_NAMES, type ServerFamily, type ServerName, type ServerVersion };

/** What to give to `spawn`. */
export type CommandLine = { readonly file: string; readonly args: readonly string[] };

export type ServerTool = 'cli' | 'benchmark' | 'check-rdb' | 'check-aof';

/** A server that this machine can run. */
export type ServerBinary = {
  readonly name: ServerName;
  readonly family: ServerFamily;
  readonly version: ServerVersion;
  /** The command line of the server itself. */
  run(args: readonly string[]): CommandLine;
  /** The command line of a tool that came with it. */
  runTool(tool: ServerTool, args: readonly string[]): CommandLine;
};

const found = new Map<ServerName, ServerBinary | undefined>();

/** The servers that this machine can run, oldest first, Redis before Valkey. */
export async function availableServers(): Promise<ServerBinary[]> {
  return SERVER_NAMES.flatMap((name) => findServer(name) ?? []);
}

export function findServer(name: ServerName): ServerBinary | undefined {
  if (!found.has(name)) found.set(name, findInstalledServer(name) ?? findUnpackedServer(name));
  return found.get(name);
}

/** In words, why `findServer(name)` finds nothing. */
export function whyMissing(name: ServerName): string {
  try {
    return readFileSync(missingReasonPath(name), 'utf8').trim();
  } catch {
    return `${name} was never unpacked; run: node scripts/servers.ts`;
  }
}

/** Whether `binary` is of this version or newer. */
export function isAtLeast(binary: ServerBinary, major: number, minor = 0): boolean {
  const [haveMajor, haveMinor] = binary.version;
  return haveMajor > major || (haveMajor === major && haveMinor >= minor);
}

function findInstalledServer(name: ServerName): ServerBinary | undefined {
  const installed = findInstalled(name);
  if (installed === undefined) return undefined;
  const { family } = catalogEntry(name);
  return {
    name,
    family,
    version: installed.version,
    run: (args) => ({ file: installed.file, args }),
    runTool: (tool, args) => ({ file: `${family}-${tool}`, args }),
  };
}

function findUnpackedServer(name: ServerName): ServerBinary | undefined {
  const facts = readUnpacked(name);
  if (facts === undefined) return undefined;
  const dir = serverDir(name);
  const { family } = catalogEntry(name);
  const libraries = facts.libraryPath.map((path) => join(dir, path)).join(':');
  const load = (binary: string, args: readonly string[]): CommandLine => ({
    file: join(dir, facts.loader),
    args: ['--library-path', libraries, join(dir, facts.binDir, binary), ...args],
  });
  return {
    name,
    family,
    version: facts.version,
    run: (args) => load(`${family}-server`, args),
    runTool: (tool, args) => load(`${family}-${tool}`, args),
  };
}
