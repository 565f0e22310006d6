import { copyFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type RunningServer, type ServerName, startServer } from '../test/support/servers.ts';
import { benchDiff, benchFind } from './answers.ts';
import { type Comparison, compare, type Program, writeResults } from './comparison.ts';
import { measure } from './measure.ts';
import { cli, cliFed, emptyFolder, loadAtStart, onFresh, tidemark, tool } from './programs.ts';
import { fillShape, SHAPES, type ShapeName, writeShapeFile } from './shapes.ts';

/**
 * How fast Tidemark is, beside programs that people know, in turn, on the same data, server and
 * machine: `npm run bench -- S M --scale 0.2 --runs 3 --only backup,restore`. Only the ratios mean
 * something elsewhere. Prints a table and writes a line of JSON per run.
 */
const WHAT = ['backup', 'import', 'restore', 'scan', 'find', 'diff'] as const;
type What = (typeof WHAT)[number];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    scale: { type: 'string', default: '1' },
    runs: { type: 'string', default: '5' },
    server: { type: 'string', default: 'redis-7.0' },
    only: { type: 'string', default: 'backup,import,restore' },
  },
});
const scale = Number(values.scale);
const rounds = Number(values.runs);
const name = values.server as ServerName;
const shapes = (positionals.length > 0 ? positionals : Object.keys(SHAPES)) as ShapeName[];
const only = values.only.split(',') as What[];
for (const shape of shapes) if (!(shape in SHAPES)) throw new Error(`There is no shape ${shape}`);
for (const what of only) if (!WHAT.includes(what)) throw new Error(`Cannot bench ${what}`);

const folder = await mkdtemp(join(tmpdir(), 'tidemark-bench-'));
// What our commands keep beside the repository goes with the folder.
process.env['XDG_STATE_HOME'] = folder;
const done: Comparison[] = [];
try {
  for (const shape of shapes) await benchShape(shape);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const conditions = { server: values.server, scale };
const results = join(dirname(import.meta.dirname), 'bench', 'results');
console.log(`Written to ${writeResults(results, done, conditions)}`);

async function benchShape(shape: ShapeName): Promise<void> {
  const repo = emptyFolder(join(folder, `${shape}.repo`));
  const rdb = join(folder, `${shape}.rdb`);
  {
    await using source = await startServer(name, { config: { 'repl-diskless-sync': 'yes' } });
    console.log(`${shape}: filling a server with ${SHAPES[shape].what}`);
    await fillShape(source.url, shape, { scale });
    await tidemark('backup', source.url, '--repo', repo, '--source', 'bench');
    await cli(source, '--rdb', rdb);
    if (only.includes('backup')) await benchBackup(shape, source, repo, rdb);
    if (only.includes('import')) await benchImport(shape, source, rdb);
    if (only.includes('scan')) await benchScan(shape, source, rdb);
    const bytes = statSync(rdb).size;
    if (only.includes('find')) done.push(await benchFind(shape, repo, bytes, rounds));
    if (only.includes('diff')) done.push(await benchDiff(shape, source, repo, bytes, rounds));
  }
  if (only.includes('restore')) await benchRestore(shape, repo, rdb);
  rmSync(repo, { recursive: true });
  rmSync(rdb);
}

async function record(
  shape: ShapeName,
  what: What,
  rdb: string,
  programs: readonly Program[],
  more: Readonly<Record<string, number>> = {},
): Promise<void> {
  done.push(await compare({ shape, what, bytes: statSync(rdb).size, more }, programs, rounds));
}

async function benchBackup(
  shape: ShapeName,
  source: RunningServer,
  repo: string,
  rdb: string,
): Promise<void> {
  // Stored so far: one backup.
  const more = { 'stored/RDB': folderSize(repo) / statSync(rdb).size };
  const scratch = join(folder, 'backup.repo');
  const target = join(folder, 'other.rdb');
  await record(
    shape,
    'backup',
    rdb,
    [
      {
        name: 'tidemark backup',
        run: () => {
          emptyFolder(scratch);
          return tidemark('backup', source.url, '--repo', scratch, '--source', 'bench');
        },
      },
      { name: 'redis-cli --rdb', run: () => cli(source, '--rdb', target) },
    ],
    more,
  );
  rmSync(scratch, { recursive: true });
  rmSync(target);
}

async function benchImport(shape: ShapeName, source: RunningServer, rdb: string): Promise<void> {
  const scratch = join(folder, 'import.repo');
  await record(shape, 'import', rdb, [
    {
      name: 'tidemark import',
      run: () => tidemark('import', rdb, '--repo', emptyFolder(scratch), '--source', 'x'),
    },
    { name: 'redis-check-rdb', run: () => measure(tool(source, 'check-rdb', [rdb])) },
  ]);
  rmSync(scratch, { recursive: true });
}

async function benchScan(shape: ShapeName, source: RunningServer, rdb: string): Promise<void> {
  const scratch = join(folder, 'scan.repo');
  const redisCli = tool(source, 'cli', ['-p', String(source.port)]).join(' ');
  const script = `${redisCli} --scan | sed 's/^/DUMP /' | ${redisCli} > ${join(folder, 'dump')}`;
  await record(shape, 'scan', rdb, [
    {
      name: 'tidemark backup --mode scan',
      run: () => {
        emptyFolder(scratch);
        const options = ['--mode', 'scan', '--repo', scratch, '--source', 'bench'];
        return tidemark('backup', source.url, ...options);
      },
    },
    { name: 'redis-cli --scan | DUMP', run: () => measure(['sh', '-c', script]) },
  ]);
  rmSync(scratch, { recursive: true });
}

async function benchRestore(shape: ShapeName, repo: string, rdb: string): Promise<void> {
  const commands = join(folder, `${shape}.resp`);
  writeShapeFile(commands, shape, { scale });
  await record(shape, 'restore', rdb, [
    {
      name: 'tidemark restore',
      run: () =>
        onFresh(name, ({ url }) => tidemark('restore', 'latest', '--repo', repo, '--to', url)),
    },
    {
      name: 'redis-cli --pipe',
      run: () => onFresh(name, (server) => cliFed(server, commands, '--pipe')),
    },
    {
      name: 'redis-server, at its start',
      run: () => {
        const loaded = emptyFolder(join(folder, 'load'));
        copyFileSync(rdb, join(loaded, 'dump.rdb'));
        return loadAtStart(name, loaded);
      },
    },
  ]);
  rmSync(commands);
}

function folderSize(path: string): number {
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.reduce(
    (sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size,
    0,
  );
}
