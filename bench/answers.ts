import { spawn } from 'node:child_process';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { RespPipe } from '../test/support/resp-pipe.ts';
import { SeededRandom } from '../test/support/seeded-random.ts';
import type { RunningServer } from '../test/support/servers.ts';
import { compare, type Comparison } from './comparison.ts';
import { measure } from './measure.ts';
import { tidemark, tidemarkJson } from './programs.ts';
import type { ShapeName } from './shapes.ts';

/** One key in a backup: time, and what is read of the repository for it. */
export async function benchFind(
  shape: ShapeName,
  repo: string,
  bytes: number,
  rounds: number,
): Promise<Comparison> {
  const key = await someKey(repo);
  const files = dataFiles(repo);
  const stored = files.reduce((sum, file) => sum + statSync(file).size, 0);
  const found = (await tidemarkJson('find', key, '--repo', repo)) as {
    readonly read: { readonly requests: number; readonly bytes: number };
  };
  const more = {
    files: files.length,
    requests: found.read.requests,
    'read/stored': found.read.bytes / stored,
  };
  const programs = [
    { name: 'tidemark find', run: () => tidemark('find', key, '--repo', repo) },
    { name: 'zstd -dc of everything', run: () => readAll(files) },
  ];
  return await compare({ shape, what: 'find', bytes, more }, programs, rounds);
}

/** Two backups between which one key in a hundred changed. The server keeps the changes. */
export async function benchDiff(
  shape: ShapeName,
  source: RunningServer,
  repo: string,
  bytes: number,
  rounds: number,
): Promise<Comparison> {
  const changed = await changeSome(source);
  await tidemark('backup', source.url, '--repo', repo, '--source', 'bench');
  const programs = [
    {
      name: 'tidemark diff',
      run: () => tidemark('diff', 'latest~1', 'latest', '--repo', repo),
    },
    { name: 'zstd -dc of both', run: () => readAll(dataFiles(repo)) },
  ];
  const result = await compare({ shape, what: 'diff', bytes, more: { changed } }, programs, rounds);
  const manifests = readdirSync(repo, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\/backups\/.*\.json$/.test(name),
  );
  // What comes after this wants the first backup to be the latest again.
  rmSync(join(repo, manifests.sort()[manifests.length - 1]));
  return result;
}

async function someKey(repo: string): Promise<string> {
  const [file] = dataFiles(repo);
  const line = await firstLine(file);
  return (JSON.parse(line) as { readonly key: string }).key;
}

async function firstLine(file: string): Promise<string> {
  const child = spawn('zstd', ['-dcq', file], { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  for await (const chunk of child.stdout) {
    text += (chunk as Buffer).toString();
    if (text.includes('\n')) break;
  }
  child.kill();
  return text.slice(0, text.indexOf('\n'));
}

function dataFiles(repo: string): string[] {
  return readdirSync(repo, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\/\d{5}\.jsonl\.zst$/.test(name))
    .sort()
    .map((name) => join(repo, name));
}

function readAll(files: readonly string[]) {
  return measure(['zstd', '-dcq', ...files]);
}

/** Every hundredth key or so: deleted, given another expiry, or replaced. */
async function changeSome(source: RunningServer): Promise<number> {
  const pipe = await RespPipe.open(source.url);
  const random = new SeededRandom(7);
  try {
    const keys = Number(await pipe.call('DBSIZE'));
    const wanted = Math.max(1, Math.floor(keys / 100));
    for (let i = 0; i < wanted; i++) {
      const key = (await pipe.call('RANDOMKEY')) as Buffer;
      const kind = random.below(3);
      if (kind === 0) pipe.pipe('DEL', key);
      else if (kind === 1) pipe.pipe('PEXPIREAT', key, '4102444800000');
      else pipe.pipe('SET', key, `changed ${i}`);
    }
    await pipe.done();
    return wanted;
  } finally {
    pipe.close();
  }
}
