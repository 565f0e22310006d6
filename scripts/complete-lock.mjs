/**
 * Completes package-lock.json after packages were added: `node scripts/complete-lock.mjs`.
 *
 * Tools that come as one binary per platform name every platform as an optional dependency. Where
 * the registry does not hold those of other platforms, npm leaves them out of the lock file, and
 * `npm ci` then refuses that same lock file everywhere. This adds each as an entry with its exact
 * version and the platform that its name tells, so that npm knows not to fetch it elsewhere.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const PROCESSORS = ['arm', 'arm64', 'ia32', 'ppc64', 'riscv64', 's390x', 'x64'];

/** Adds the missing entries to the parsed lock file; returns their names. */
export function completeLock(lock) {
  const added = [];
  for (const facts of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(facts.optionalDependencies ?? {})) {
      const path = `node_modules/${name}`;
      if (lock.packages[path] !== undefined) continue;
      const platform = platformOf(name);
      if (platform === undefined || !/^\d/.test(version)) continue;
      const { os, cpu, libc } = platform;
      const dev = facts.dev === true ? { dev: true } : {};
      lock.packages[path] = { version, cpu, ...dev, ...libc, optional: true, os };
      added.push(name);
    }
  }
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
  lock.packages = Object.fromEntries(sorted);
  return added;
}

function platformOf(name) {
  const words = name.split(/[/-]/);
  const os = SYSTEMS.find((system) => words.includes(system));
  const cpu = PROCESSORS.find((processor) => words.includes(processor));
  if (os === undefined || cpu === undefined) return undefined;
  if (words.some((word) => word.startsWith('musl'))) {
    return { os: [os], cpu: [cpu], libc: { libc: ['musl'] } };
  }
  return { os: [os], cpu: [cpu], libc: {} };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const path = join(dirname(dirname(fileURLToPath(import.meta.url))), 'package-lock.json');
  const lock = JSON.parse(readFileSync(path, 'utf8'));
  const added = completeLock(lock);
  if (added.length > 0) writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`Added ${added.length} entries to package-lock.json.`);
}
