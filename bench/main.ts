import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type RunningServer, type ServerName, startServer } from '../test/support/servers.ts';
import { measure, median, type Run } from './measure.ts';
import { fillShape, SHAPES, type ShapeName, writeShapeFile } from './shapes.ts';

/**
 * How fast full backup, import and restore are, each beside a program that people know, in turn, on
 * the same data, server and machine: `npm run bench -- S M --scale 0.2 --runs 3`. Only the ratios
 * mean something elsewhere. Prints a table and writes a line of JSON per comparison.
 */
const PROJECT = dirname(import.meta.dirname);
const TIDEMARK = [process.execPath, join(PROJECT, 'bin', 'tidemark')] as const;

type Comparison = {
  readonly shape: ShapeName;
  readonly what: string;
  readonly against: string;
  readonly ours: readonly Run[];
  readonly theirs: readonly Run[];
  readonly bytes: number;
  readonly storedBytes?: number;
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    scale: { type: 'string', default: '1' },
    runs: { type: 'string', default: '3' },
    server: { type: 'string', default: 'redis-7.0' },
    only: { type: 'string' },
  },
});
const scale = Number(values.scale);
const runs = Number(values.runs);
const server = values.server as ServerName;
const shapes = (positionals.length > 0 ? positionals : ['S', 'M']) as ShapeName[];

const folder = await mkdtemp(join(tmpdir(), 'tidemark-bench-'));
const done: Comparison[] = [];
try {
  for (const shape of shapes) {
    if (!(shape in SHAPES)) throw new Error(`There is no shape ${shape}`);
    await benchShape(shape);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
writeResults(done);

async function benchShape(shape: ShapeName): Promise<void> {
  const commands = join(folder, `${shape}.resp`);
  const repo = join(folder, `${shape}.repo`);
  const rdb = join(folder, `${shape}.rdb`);
  await using source = await startServer(server, {
    config: { 'repl-diskless-sync': 'yes' },
  });
  console.log(`${shape}: filling a server with ${SHAPES[shape].what}`);
  await fillShape(source.url, shape, { scale });
  await tidemark('backup', source.url, '--repo', repo, '--source', 'bench');
  await cli(source, '--rdb', rdb);
  const bytes = statSync(rdb).size;
  const storedBytes = folderSize(repo);
  if (wanted('backup')) await benchBackup(shape, source, { repo, rdb, bytes, storedBytes });
  if (wanted('import')) await benchImport(shape, source, rdb, bytes);
  await source.stop();
  if (!wanted('restore')) return;
  writeShapeFile(commands, shape, { scale });
  await benchRestore(shape, repo, commands, bytes);
  rmSync(commands);
}

function wanted(what: string): boolean {
  return values.only === undefined || values.only.split(',').includes(what);
}

type Data = {
  readonly repo: string;
  readonly rdb: string;
  readonly bytes: number;
  readonly storedBytes: number;
};

async function benchBackup(shape: ShapeName, source: RunningServer, data: Data): Promise<void> {
  await compare(
    { shape, what: 'backup', against: 'redis-cli --rdb', ...data },
    async () =>
      measure([
        ...TIDEMARK,
        'backup',
        source.url,
        '--repo',
        data.repo,
        '--source',
        'bench',
        '--quiet',
      ]),
    async () => {
      rmSync(data.rdb, { force: true });
      return await measure(tool(source, 'cli', ['-p', String(source.port), '--rdb', data.rdb]));
    },
  );
}

async function benchImport(
  shape: ShapeName,
  source: RunningServer,
  rdb: string,
  bytes: number,
): Promise<void> {
  await compare(
    { shape, what: 'import', against: 'redis-check-rdb', bytes },
    async () => {
      const repo = join(folder, 'import.repo');
      rmSync(repo, { recursive: true, force: true });
      return await measure([
        ...TIDEMARK,
        'import',
        rdb,
        '--repo',
        repo,
        '--source',
        'x',
        '--quiet',
      ]);
    },
    async () => measure(tool(source, 'check-rdb', [rdb])),
  );
}

async function benchRestore(
  shape: ShapeName,
  repo: string,
  commands: string,
  bytes: number,
): Promise<void> {
  await compare(
    { shape, what: 'restore', against: 'redis-cli --pipe', bytes },
    async () => {
      await using target = await startServer(server);
      return await measure([
        ...TIDEMARK,
        'restore',
        'latest',
        '--repo',
        repo,
        '--to',
        target.url,
        '--quiet',
      ]);
    },
    async () => {
      await using target = await startServer(server);
      const input = openSync(commands, 'r');
      try {
        const command = tool(target, 'cli', ['-p', String(target.port), '--pipe']);
        return await measure(command, input);
      } finally {
        closeSync(input);
      }
    },
  );
}

/** Ours and theirs in turn, so that a machine which changes its speed changes it for both. */
async function compare(
  facts: Omit<Comparison, 'ours' | 'theirs'>,
  ours: () => Promise<Run>,
  theirs: () => Promise<Run>,
): Promise<void> {
  const comparison = { ...facts, ours: [] as Run[], theirs: [] as Run[] };
  for (let i = 0; i < runs; i++) {
    comparison.ours.push(await ours());
    comparison.theirs.push(await theirs());
  }
  done.push(comparison);
  console.log(rowOf(comparison));
}

function rowOf({ shape, what, against, ours, theirs, bytes, storedBytes }: Comparison): string {
  const ratios = ours.map((run, i) => run.wallSeconds / theirs[i].wallSeconds);
  const seconds = (list: readonly Run[]): string =>
    median(list.map((run) => run.wallSeconds)).toFixed(2);
  const cpu = median(ours.map((run) => run.cpuSeconds));
  const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
  const stored =
    storedBytes === undefined ? '' : `; stored ${(storedBytes / bytes).toFixed(2)} of the RDB`;
  return (
    `${shape} ${what}: ${seconds(ours)} s, ${against} ${seconds(theirs)} s, ` +
    `ratio ${median(ratios).toFixed(2)} (${spread}); ` +
    `CPU ${cpu.toFixed(2)} s = ${(cpu / (bytes / 1e6)).toFixed(4)} s per MB of RDB; ` +
    `peak ${Math.round(Math.max(...ours.map((run) => run.peakMiB)))} MiB${stored}`
  );
}

function writeResults(comparisons: readonly Comparison[]): void {
  const results = join(PROJECT, 'bench', 'results');
  mkdirSync(results, { recursive: true });
  const at = new Date().toISOString();
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}`;
  const lines = comparisons.map((comparison) =>
    JSON.stringify({
      at,
      machine,
      node: process.version,
      server: values.server,
      scale,
      ...comparison,
    }),
  );
  const file = join(results, `${at.slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase()}.jsonl`);
  writeFileSync(file, `${lines.join('\n')}\n`);
  console.log(`Written to bench/results/${file.slice(results.length + 1)}`);
}

function tool(
  server: RunningServer,
  name: 'cli' | 'check-rdb',
  args: readonly string[],
): [string, ...string[]] {
  const command = server.binary.runTool(name, args);
  return [command.file, ...command.args];
}

async function tidemark(...args: string[]): Promise<void> {
  await measure([...TIDEMARK, ...args, '--quiet']);
}

async function cli(server: RunningServer, ...args: string[]): Promise<void> {
  await measure(tool(server, 'cli', ['-p', String(server.port), ...args]));
}

function folderSize(path: string): number {
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.reduce(
    (sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size,
    0,
  );
}
