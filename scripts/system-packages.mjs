/**
 * Programs that must come from the system: finds which are missing, and installs them with apt
 * where that is possible without asking anybody (root, or sudo without a password). Elsewhere it
 * answers with the exact command for this platform.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const APT_LOCK_TIMEOUT_MS = 300_000;
const APT_LOCK_POLL_MS = 2_000;

/** The package of each program, by package manager; a program's own name where not listed. */
const PACKAGES = {
  apt: {},
  brew: { 'redis-server': 'redis', openssl: 'openssl@3' },
  dnf: { 'redis-server': 'valkey-compat-redis' },
  apk: { 'redis-server': 'redis' },
  pacman: { 'redis-server': 'valkey' },
  zypper: { 'redis-server': 'redis' },
};

const INSTALL = {
  apt: 'apt-get install -y --no-install-recommends',
  brew: 'brew install',
  dnf: 'dnf install -y',
  apk: 'apk add',
  pacman: 'pacman -S --needed',
  zypper: 'zypper install',
};

const POLICY_PATH = '/usr/sbin/policy-rc.d';

/** The first name of every alternative of which no program is on PATH. */
export function findMissingPrograms(alternatives, path = process.env['PATH'] ?? '') {
  return alternatives.filter((names) => !names.some((n) => isOnPath(n, path))).map(([n]) => n);
}

function isOnPath(program, path) {
  return path.split(delimiter).some((dir) => {
    if (dir === '') return false;
    try {
      accessSync(join(dir, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Installs them. Returns what to tell the person when that is not possible. */
export function installPrograms(programs) {
  const manager = findManager();
  const names = programs.join(', ');
  if (manager === undefined) return `Install these programs, then run the command again: ${names}.`;
  const command = installCommand(manager, programs, process.getuid?.() === 0);
  const byHand = `Missing: ${names}. Run this, then the command again:\n  ${command}`;
  if (manager !== 'apt' || readIfThere('/etc/debian_version') === undefined) return byHand;
  const prefix = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  if (prefix.length > 0 && spawnSync('sudo', ['-n', 'true']).status !== 0) return byHand;
  console.log(`Installing with apt: ${names}.`);
  return installWithApt(prefix, programs) ? undefined : `apt failed. ${byHand}`;
}

export function installCommand(manager, programs, asRoot) {
  const packages = programs.map((program) => PACKAGES[manager][program] ?? program);
  const sudo = asRoot || manager === 'brew' ? '' : 'sudo ';
  const update = manager === 'apt' ? `${sudo}apt-get update && ` : '';
  return `${update}${sudo}${INSTALL[manager]} ${packages.join(' ')}`;
}

function findManager() {
  if (process.platform === 'darwin') return 'brew';
  if (process.platform !== 'linux') return undefined;
  const programs = { apt: 'apt-get', dnf: 'dnf', apk: 'apk', pacman: 'pacman', zypper: 'zypper' };
  return Object.keys(programs).find((name) => findMissingPrograms([[programs[name]]]).length === 0);
}

function installWithApt(prefix, packages) {
  const env = ['env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'LC_ALL=C'];
  const wait = `-oDPkg::Lock::Timeout=${APT_LOCK_TIMEOUT_MS / 1000}`;
  const apt = (...args) => runWhenUnlocked([...prefix, ...env, 'apt-get', '-q', wait, ...args]);
  // A mirror that fails to answer for one list may still have what we want.
  apt('update');
  const endHold = holdServices(prefix);
  try {
    return apt('install', '-y', '--no-install-recommends', ...packages);
  } finally {
    endHold();
    if (packages.includes('redis-server')) keepRedisOff(prefix);
  }
}

/** Runs an apt command, again while another holds apt's lock. Prints its words only on failure. */
function runWhenUnlocked(command) {
  const deadline = Date.now() + APT_LOCK_TIMEOUT_MS;
  const [file, ...args] = command;
  for (;;) {
    const done = spawnSync(file, args, { encoding: 'utf8', maxBuffer: 64 << 20 });
    if (done.status === 0) return true;
    const said = `${done.stderr ?? ''}${done.error?.message ?? ''}`;
    if (/Could not get lock|Unable to lock/.test(said) && Date.now() < deadline) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, APT_LOCK_POLL_MS);
      continue;
    }
    process.stderr.write(said.endsWith('\n') ? said : `${said}\n`);
    return false;
  }
}

/**
 * Debian starts a service as soon as its package is installed. A policy of "never", there only
 * while we install, prevents that. Returns how to end it.
 */
function holdServices(prefix) {
  if (existsSync(POLICY_PATH)) return () => {};
  const policy = '#!/bin/sh\nexit 101\n';
  if (prefix.length === 0) {
    writeFileSync(POLICY_PATH, policy, { mode: 0o755 });
    return () => rmSync(POLICY_PATH, { force: true });
  }
  const [sudo, ...options] = prefix;
  spawnSync(sudo, [...options, 'tee', POLICY_PATH], { input: policy });
  spawnSync(sudo, [...options, 'chmod', '755', POLICY_PATH]);
  return () => spawnSync(sudo, [...options, 'rm', '-f', POLICY_PATH]);
}

/** It was installed for its program, not to serve: not now, and not after the next boot. */
function keepRedisOff(prefix) {
  if (!existsSync('/run/systemd/system')) return;
  const [file, ...args] = [...prefix, 'systemctl', 'disable', '--now', 'redis-server'];
  spawnSync(file, args);
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
