/**
 * Makes the machine ready for an npm script: `node scripts/setup.mjs check|test|soak|bench|demo`.
 * Runs before it, on any Node from 20 on, so this is plain JavaScript without dependencies. It
 * installs the npm packages when they are missing or stale, then what the command needs from the
 * system. Silent when there is nothing to do.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { findMissingPrograms, installPrograms } from './system-packages.mjs';

const OLDEST_NODE_MAJOR = 20;
const NEEDED_NODE_MAJOR = 24;

/** Any one program of each inner list will do. */
const NEEDS = {
  check: { programs: [], servers: false },
  build: { programs: [], servers: false },
  demo: { programs: [['redis-server', 'valkey-server']], servers: false },
  bench: { programs: [['redis-server']], servers: false },
  test: { programs: [['redis-server'], ['zstd'], ['jq'], ['openssl']], servers: true },
  soak: { programs: [['redis-server'], ['zstd'], ['jq'], ['openssl']], servers: true },
};

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)));

function main(what) {
  const needs = NEEDS[what];
  if (needs === undefined) stop(`Say what to set up: ${Object.keys(NEEDS).join(', ')}.`);
  if (majorOf(process.version) < OLDEST_NODE_MAJOR) {
    stop(`Node ${OLDEST_NODE_MAJOR} or newer is needed to set up; this is ${process.version}.`);
  }
  ensurePackages(projectDir);
  const node = ensureNode(projectDir);
  const missing = findMissingPrograms(needs.programs);
  if (missing.length > 0) {
    const failure = installPrograms(missing);
    if (failure !== undefined) stop(failure);
  }
  if (needs.servers) ensureServers(node);
}

/** Installs the npm packages unless those that are there match the lock file. */
export function ensurePackages(dir) {
  const stampPath = join(dir, 'node_modules', '.tidemark-setup');
  const lockText = readFileSync(join(dir, 'package-lock.json'), 'utf8');
  const stamp = `${process.platform} ${process.arch} ${hashOf(lockText)}\n`;
  if (readIfThere(stampPath) === stamp) return;
  if (!matchesLock(dir, JSON.parse(lockText))) {
    console.log('Installing the npm packages.');
    const options = [
      '--include=dev',
      '--include=optional',
      '--no-audit',
      '--no-fund',
      '--no-update-notifier',
    ];
    // No package of ours needs an install script to work.
    runNpm(dir, ['ci', '--ignore-scripts', '--loglevel=error', ...options]);
  }
  writeFileSync(stampPath, stamp);
}

/** Whether npm already unpacked what the lock file says, for instance by a plain `npm ci`. */
export function matchesLock(dir, lock) {
  const installedText = readIfThere(join(dir, 'node_modules', '.package-lock.json'));
  if (installedText === undefined) return false;
  let installed;
  try {
    installed = JSON.parse(installedText).packages ?? {};
  } catch {
    return false;
  }
  const wanted = Object.entries(lock.packages).filter(([path]) => path !== '');
  return wanted.every(([path, facts]) => {
    const there = installed[path];
    if (facts.link === true) return existsSync(join(dir, path));
    if (there === undefined) return facts.optional === true && !isForThisMachine(facts);
    if (!existsSync(join(dir, path, 'package.json'))) return false;
    if (facts.integrity !== undefined && facts.integrity !== there.integrity) return false;
    return there.version === facts.version;
  });
}

function isForThisMachine(facts) {
  const allows = (list, name) => list === undefined || [list].flat().includes(name);
  // Of two builds for two C libraries npm takes one; whether it did, it knows best.
  if (facts.libc !== undefined) return false;
  return allows(facts.os, process.platform) && allows(facts.cpu, process.arch);
}

function runNpm(dir, args) {
  const npm = process.env['npm_execpath'];
  const isScript = npm !== undefined && /\.c?js$/.test(npm) && !npm.includes('yarn');
  const [file, ...first] = isScript ? [process.execPath, npm] : ['npm'];
  const done = spawnSync(file, [...first, ...args], { cwd: dir, stdio: 'inherit' });
  if (done.error !== undefined) stop(`Cannot start npm: ${done.error.message}.`);
  if (done.status !== 0) {
    // What npm left half done must not be taken for finished.
    rmSync(join(dir, 'node_modules', '.package-lock.json'), { force: true });
    stop('npm could not install the packages; it said above why.');
  }
}

/** The Node that npm's scripts will run on; it came as an npm package on Linux. */
function ensureNode(dir) {
  const packaged = join(dir, 'node_modules', '.bin', 'node');
  if (existsSync(packaged)) {
    const target = join(dir, 'node_modules', `node-linux-${process.arch}`, 'package.json');
    const version = JSON.parse(readIfThere(target) ?? '{}').version;
    if (version !== undefined && majorOf(`v${version}`) >= NEEDED_NODE_MAJOR) {
      if (wasTried(packaged)) return packaged;
    }
    // Linux without glibc: the packaged Node cannot start, and must not hide the system's.
    rmSync(packaged, { force: true });
  }
  if (majorOf(process.version) >= NEEDED_NODE_MAJOR) return process.execPath;
  return stop(
    `Tidemark needs Node ${NEEDED_NODE_MAJOR} or newer, and npm has none for this machine. ` +
      `This is ${process.version}. Install Node ${NEEDED_NODE_MAJOR} from https://nodejs.org.`,
  );
}

/** Starts the packaged Node once per installation. */
function wasTried(node) {
  const marker = `${join(dirname(dirname(node)), '.tidemark-setup')}-node`;
  if (existsSync(marker)) return true;
  if (spawnSync(node, ['--version']).status !== 0) return false;
  writeFileSync(marker, '');
  return true;
}

/** A server that cannot be had here does not stop the tests: those that need it say "not run". */
function ensureServers(node) {
  const cache = process.env['TIDEMARK_SERVERS_CACHE'] || join(projectDir, '.cache', 'servers');
  const lock = join(projectDir, 'test', 'support', 'servers.lock.json');
  const names = Object.keys(JSON.parse(readFileSync(lock, 'utf8')).servers);
  const marks = (name) => [join(cache, name, 'server.json'), join(cache, `${name}.installed`)];
  if (names.every((name) => marks(name).some((mark) => existsSync(mark)))) return;
  const script = join(projectDir, 'scripts', 'servers.ts');
  const done = spawnSync(node, [script], { cwd: projectDir, stdio: 'inherit' });
  if (done.status !== 0) stop('The test servers could not be set up.');
}

/** FNV-1a: enough to notice an edit, and quicker than loading node:crypto. */
function hashOf(text) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return `${hash.toString(16)}-${text.length}`;
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function majorOf(version) {
  return Number(/^v(\d+)\./.exec(version)?.[1] ?? 0);
}

function stop(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(process.argv[2] ?? '');
