import { type ExecFileException, execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { lstatSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import {
  type CatalogEntry,
  catalogEntry,
  findInstalled,
  installedMarkerPath,
  missingReasonPath,
  parseServerVersion,
  projectDir,
  readUnpacked,
  SERVER_NAMES,
  type ServerName,
  serverDir,
  serversCacheDir,
  type UnpackedServer,
} from './server-catalog.ts';

/**
 * Unpacks the servers that the tests need from Debian's own suites, without installing anything:
 * an apt state folder of our own, the mirror that the machine already uses, signatures checked
 * against Debian's keyring, and `dpkg-deb --extract`. They run with the C library of their suite.
 *
 *   node scripts/servers.ts            fetch what is missing
 *   node scripts/servers.ts --record   fetch what is missing and write what came to the lock file
 */

type LockedDeb = { readonly package: string; readonly version: string; readonly sha256: string };

type LockedServer = {
  readonly package: string;
  readonly suites: readonly string[];
  readonly version: string;
  /** By Debian architecture. */
  readonly debs: Readonly<Record<string, readonly LockedDeb[]>>;
};

type Lock = { readonly servers: Readonly<Partial<Record<ServerName, LockedServer>>> };

type Machine = { readonly mirror: string; readonly arch: string; readonly keyring: string };

/** What the server's process maps; the rest of the tree is there for its maintainer scripts. */
const WANTED = /^(redis|valkey|lua-|zlib1g|lib)/;
const UNWANTED = /^lib(perl|pam|dpkg|apt|semanage|sepol|selinux|krb5|k5crypto|gssapi|debconf)/;

const COMMAND_TIMEOUT_MS = 240_000;

const lockPath = join(projectDir(), 'test', 'support', 'servers.lock.json');

async function main(args: readonly string[]): Promise<void> {
  const record = args.includes('--record');
  mkdirSync(serversCacheDir(), { recursive: true });
  const toFetch = SERVER_NAMES.filter((name) => {
    if (readUnpacked(name) !== undefined) return false;
    const installed = findInstalled(name);
    if (installed === undefined) rmSync(installedMarkerPath(name), { force: true });
    else writeFileSync(installedMarkerPath(name), '');
    if (installed !== undefined) rmSync(missingReasonPath(name), { force: true });
    return record || installed === undefined;
  });
  if (toFetch.length === 0) return;
  console.log(`Unpacking test servers: ${toFetch.join(', ')}.`);
  const lock = readLock();
  const fetched: Partial<Record<ServerName, LockedServer>> = {};
  await inGroups(toFetch, async (name) => {
    try {
      const server = await fetchServer(name, lock.servers[name]);
      rmSync(missingReasonPath(name), { force: true });
      fetched[name] = server;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      writeFileSync(missingReasonPath(name), `${why}\n`);
      console.error(`NOT AVAILABLE: ${name}. Its tests will not run. ${why}`);
    }
  });
  rmSync(aptRoot(), { recursive: true, force: true });
  if (record) writeLock(lock, fetched);
}

/** Servers of the same suites share one apt state, one after the other; two groups at a time. */
async function inGroups(
  names: readonly ServerName[],
  work: (name: ServerName) => Promise<void>,
): Promise<void> {
  const groups = new Map<string, ServerName[]>();
  for (const name of names) {
    const key = aptKey(catalogEntry(name));
    groups.set(key, [...(groups.get(key) ?? []), name]);
  }
  const queue = [...groups.values()];
  const drain = async (): Promise<void> => {
    for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
      for (const name of group) await work(name);
    }
  };
  await Promise.all([drain(), drain()]);
}

async function fetchServer(
  name: ServerName,
  locked: LockedServer | undefined,
): Promise<LockedServer> {
  const entry = catalogEntry(name);
  const machine = await inspectMachine();
  const apt = await openApt(entry, machine);
  const work = join(serversCacheDir(), `.${name}.${process.pid}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(join(work, 'debs'), { recursive: true });
  try {
    const packages = await resolvePackages(apt, entry);
    await run('apt-get', ['-qq', 'download', ...packages], { ...apt, cwd: join(work, 'debs') });
    const debs = await unpackDebs(work);
    const version = debs.find((deb) => deb.package === entry.package)?.version;
    if (version === undefined) throw new Error(`apt brought no ${entry.package}.`);
    compareWithLock(name, version, debs, locked, machine.arch);
    await writeServerFacts(name, work, entry, version);
    rmSync(join(work, 'debs'), { recursive: true });
    rmSync(serverDir(name), { recursive: true, force: true });
    renameSync(work, serverDir(name));
    console.log(`  ${name}: ${entry.package} ${version} from ${entry.suites.join(' and ')}.`);
    const byArch = { ...locked?.debs, [machine.arch]: debs };
    return { package: entry.package, suites: entry.suites, version, debs: byArch };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Where packages come from: the mirror that this machine already trusts and reaches. */
async function inspectMachine(): Promise<Machine> {
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  if (!existsSync('/usr/bin/apt-get') || !existsSync('/usr/bin/dpkg-deb')) {
    throw new Error('Unpacking needs apt-get and dpkg-deb, so Debian or one of its relatives.');
  }
  if (!existsSync(keyring)) {
    throw new Error('Install the package debian-archive-keyring to check the signatures.');
  }
  const arch = (await run('dpkg', ['--print-architecture'])).trim();
  const given = process.env['TIDEMARK_DEBIAN_MIRROR'];
  const mirror = given ?? (await readMirror());
  return { mirror, arch, keyring };
}

async function readMirror(): Promise<string> {
  const targets = await run('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI) $(RELEASE) $(COMPONENT)',
  ]);
  const release = readFileSync('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME=(\S+)$/m.exec(release)?.[1] ?? 'sid';
  const suites = [codename, 'stable', 'oldstable', 'testing', 'unstable', 'sid'];
  if (!/^ID=debian$/m.test(release)) {
    throw new Error('This is not Debian; name a Debian mirror in TIDEMARK_DEBIAN_MIRROR.');
  }
  for (const line of targets.split('\n')) {
    const [uri, suite, component] = line.split(' ');
    if (uri !== undefined && component === 'main' && suites.includes(suite ?? '')) return uri;
  }
  throw new Error("The machine's apt configuration names no Debian mirror.");
}

type Apt = { readonly env: Readonly<Record<string, string>> };

function aptRoot(): string {
  return join(serversCacheDir(), `.apt.${process.pid}`);
}

function aptKey(entry: CatalogEntry): string {
  return entry.suites.join('+');
}

/** An updated apt state for the suites of `entry`, from the mirror or its archive beside it. */
async function openApt(entry: CatalogEntry, machine: Machine): Promise<Apt> {
  const root = join(aptRoot(), aptKey(entry));
  const apt = { env: { APT_CONFIG: join(root, 'apt.conf'), LC_ALL: 'C' } };
  if (existsSync(join(root, 'updated'))) return apt;
  for (const dir of ['state/lists/partial', 'cache/archives/partial', 'etc']) {
    mkdirSync(join(root, dir), { recursive: true });
  }
  writeFileSync(join(root, 'status'), '');
  writeFileSync(join(root, 'apt.conf'), await aptConfig(root, machine.arch));
  const archive = machine.mirror.replace(/\/debian\/?$/, '/debian-archive/debian');
  const failures: string[] = [];
  for (const uri of new Set([machine.mirror, archive])) {
    const lines = entry.suites.map(
      (suite) => `deb [signed-by=${machine.keyring}] ${uri} ${suite} main\n`,
    );
    writeFileSync(join(root, 'sources.list'), lines.join(''));
    try {
      await run('apt-get', ['-qq', 'update'], apt);
      writeFileSync(join(root, 'updated'), '');
      return apt;
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(failures[0]);
}

/**
 * Keeps how the machine reaches its mirror (proxies, certificates, time-outs) and nothing else of
 * its configuration: hooks that other packages put there must not run.
 */
async function aptConfig(root: string, arch: string): Promise<string> {
  const dump = await run('apt-config', ['dump']);
  const reach =
    /^Acquire::(?!IndexTargets|GzipIndexes|CompressionTypes|cdrom|Changelogs)\S*::\S+ "/;
  const kept = dump
    .split('\n')
    .filter((line) => reach.test(line) || line.startsWith('Acquire::Check-'));
  const lines = [
    ...kept,
    `Dir::State "${root}/state";`,
    `Dir::State::status "${root}/status";`,
    `Dir::Cache "${root}/cache";`,
    'Dir::Etc::main "/dev/null";',
    `Dir::Etc::parts "${root}/etc";`,
    `Dir::Etc::sourcelist "${root}/sources.list";`,
    `Dir::Etc::sourceparts "${root}/etc";`,
    'Dir::Etc::preferences "/dev/null";',
    `Dir::Etc::preferencesparts "${root}/etc";`,
    'Dir::Etc::trusted "/dev/null";',
    `Dir::Etc::trustedparts "${root}/etc";`,
    `APT::Architecture "${arch}";`,
    `APT::Architectures { "${arch}"; };`,
    'APT::Install-Recommends "false";',
    'APT::Sandbox::User "root";',
    'APT::Update::Error-Mode "any";',
    'Acquire::Languages "none";',
    'Acquire::Retries "2";',
    'Acquire::http::Timeout "30";',
    'Acquire::https::Timeout "30";',
  ];
  return `${lines.join('\n')}\n`;
}

/** The packages to download, as `name=version`. */
async function resolvePackages(apt: Apt, entry: CatalogEntry): Promise<string[]> {
  const suite = entry.suites.at(-1) ?? '';
  const plan = await run('apt-get', ['-s', '-t', suite, 'install', entry.package], apt);
  const packages: string[] = [];
  for (const [, name, version] of plan.matchAll(/^Inst (\S+) \((\S+) /gm)) {
    if (name !== undefined && WANTED.test(name) && !UNWANTED.test(name)) {
      packages.push(`${name}=${version}`);
    }
  }
  return packages;
}

async function unpackDebs(work: string): Promise<LockedDeb[]> {
  const debs: LockedDeb[] = [];
  const dir = join(work, 'debs');
  mkdirSync(join(work, 'fs'));
  for (const file of readdirSync(dir).sort()) {
    const path = join(dir, file);
    const fields = await run('dpkg-deb', ['--show', '--showformat', '${Package} ${Version}', path]);
    const [name = '', version = ''] = fields.split(' ');
    const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
    debs.push({ package: name, version, sha256 });
    await run('dpkg-deb', ['--extract', path, join(work, 'fs')]);
  }
  return debs;
}

/** Another version is told; the same version with other bytes is refused. */
function compareWithLock(
  name: ServerName,
  version: string,
  debs: readonly LockedDeb[],
  locked: LockedServer | undefined,
  arch: string,
): void {
  if (locked === undefined) {
    console.log(`  ${name}: the lock file does not know this server yet.`);
    return;
  }
  if (locked.version !== version) {
    console.log(`  ${name}: the suite now has ${version}, recorded was ${locked.version}.`);
  }
  const known = locked.debs[arch];
  if (known === undefined) console.log(`  ${name}: no digests are recorded for ${arch}.`);
  for (const deb of debs) {
    const same = known?.find((k) => k.package === deb.package && k.version === deb.version);
    if (same !== undefined && same.sha256 !== deb.sha256) {
      throw new Error(`${deb.package} ${deb.version} has another SHA-256 than recorded. Refused.`);
    }
  }
}

/** Finds the suite's own dynamic loader, tries the server with it, and writes `server.json`. */
async function writeServerFacts(
  name: ServerName,
  work: string,
  entry: CatalogEntry,
  packageVersion: string,
): Promise<void> {
  const fs = join(work, 'fs');
  const libraryDirs = ['lib', 'usr/lib']
    .flatMap((dir) => (existsSync(join(fs, dir)) ? [join(fs, dir)] : []))
    .flatMap((dir) => readdirSync(dir).map((sub) => join(dir, sub)))
    .filter((dir) => dir.endsWith('-linux-gnu') && lstatSync(dir).isDirectory());
  const loader = libraryDirs
    .flatMap((dir) => readdirSync(dir).map((file) => join(dir, file)))
    .find((file) => /\/ld-[^/]*\.so(\.\d+)?$/.test(file) && !lstatSync(file).isSymbolicLink());
  if (loader === undefined) throw new Error('The unpacked C library holds no dynamic loader.');
  const binary = join(fs, 'usr', 'bin', entry.package);
  const libraryPath = libraryDirs.join(':');
  const said = await run(loader, ['--library-path', libraryPath, binary, '--version']);
  const version = parseServerVersion(said);
  if (version === undefined) throw new Error(`${entry.package} printed no version: ${said.trim()}`);
  const facts: UnpackedServer = {
    name,
    version,
    packageVersion,
    loader: relative(work, loader),
    libraryPath: libraryDirs.map((dir) => relative(work, dir)),
    binDir: 'fs/usr/bin',
  };
  writeFileSync(join(work, 'server.json'), `${JSON.stringify(facts, null, 2)}\n`);
}

function readLock(): Lock {
  if (!existsSync(lockPath)) return { servers: {} };
  return JSON.parse(readFileSync(lockPath, 'utf8')) as Lock;
}

function writeLock(lock: Lock, fetched: Lock['servers']): void {
  const servers: Partial<Record<ServerName, LockedServer>> = {};
  for (const name of SERVER_NAMES) {
    const server = fetched[name] ?? lock.servers[name];
    if (server !== undefined) servers[name] = server;
  }
  writeFileSync(lockPath, `${JSON.stringify({ servers }, null, 2)}\n`);
}

function run(
  file: string,
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const settled = (error: ExecFileException | null, stdout: string, stderr: string): void => {
      if (error === null) return resolve(stdout);
      const lines = stderr.trim().split('\n');
      const said = lines.find((line) => line.startsWith('E: ')) ?? lines.at(-1) ?? error.message;
      reject(new Error(`${file} ${args[0] ?? ''}: ${said.slice(0, 200)}.`));
    };
    execFile(
      file,
      [...args],
      {
        cwd: options.cwd ?? projectDir(),
        env: { ...process.env, ...options.env },
        encoding: 'utf8',
        timeout: COMMAND_TIMEOUT_MS,
        maxBuffer: 64 << 20,
      },
      settled,
    );
  });
}

await main(process.argv.slice(2));
