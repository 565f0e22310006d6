import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { ExportReport } from '../../src/restore/index.ts';
import { digestDump } from '../fidelity/dump-lines.ts';
import { loadRdb } from '../support/truth.ts';
import { CollectingStream, runHere } from './fake-terminal.ts';
import { type Result, temporaryFolder, tidemark, tidemarkJson } from './run-tidemark.ts';

type Told = ExportReport & { readonly out: string };

/** A repository with one backup of a fixture, and a folder to export to. */
async function prepare(t: TestContext, fixture = 'redis-7.2.6') {
  const dir = temporaryFolder(t);
  const env = { TIDEMARK_REPO: join(dir, 'repo') };
  const args = ['import', '-', '--source', 'file', '--repo', env.TIDEMARK_REPO];
  const imported = await tidemark(args, { input: loadRdb(fixture) });
  assert.equal(imported.status, 0, imported.stderr);
  const out = join(dir, 'out');
  mkdirSync(out);
  return { env, out, path: (name: string) => join(out, name) };
}

function run(env: { TIDEMARK_REPO: string }, ...args: string[]) {
  return runHere(['export', 'latest', ...args], { env });
}

describe('tidemark export', () => {
  test('writes a file, tells about it, and replaces it only by force', async (t) => {
    const { env, out, path } = await prepare(t);
    const args = ['--format', 'rdb', '--out', path('dump.rdb'), '--ttl', 'persist'];
    const made = await run(env, ...args);
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stdout, /^Exported \S+ to \S+dump\.rdb for redis 7\.2\.6\n/);
    const digests = digestDump(readFileSync(path('dump.rdb')));
    assert.deepEqual(new Set(digests.keys()), new Set(digestDump(loadRdb('redis-7.2.6')).keys()));

    const again = await run(env, ...args);
    assert.equal(again.status, 3);
    assert.match(again.stderr, /it exists\nhint: .*--force/);
    const forced = (await tidemarkJson(['export', 'latest', ...args, '--force', '--db', '3'], {
      env,
    })) as Result<Told>;
    assert.equal(forced.status, 0, forced.stderr);
    const { totals, databases, out: told, format } = forced.document;
    assert.deepEqual([format, told], ['rdb', path('dump.rdb')]);
    assert.deepEqual(
      databases.map(({ db, written }) => [db, written]),
      [[3, totals.written]],
    );
    assert.deepEqual(readdirSync(out), ['dump.rdb']);
  });

  test('gives standard output to the export, and standard error to the rest', async (t) => {
    const { env } = await prepare(t);
    const printed = await runHere(['cat', 'latest', '--db', '9'], { env });
    const lines = await run(env, '--format', 'jsonl', '--out', '-', '--db', '9', '-q');
    assert.deepEqual([lines.status, lines.stderr], [0, '']);
    assert.equal(lines.stdout, printed.stdout);
    const json = await run(env, '--format', 'jsonl', '--out', '-', '--db', '9', '--json');
    assert.equal(json.stdout, printed.stdout);
    const document = JSON.parse(json.stderr) as Told;
    assert.equal(document.totals.written, printed.stdout.match(/^\{/gm)?.length);
  });

  test('ends quietly when its reader goes away', async (t) => {
    const { env } = await prepare(t);
    const launcher = join(import.meta.dirname, '..', '..', 'bin', 'tidemark');
    const args = ['export', 'latest', '--format', 'jsonl', '--out', '-', '-q'];
    const child = spawn(process.execPath, [launcher, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += String(chunk);
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const status = await new Promise((resolve) => child.once('close', resolve));
    assert.deepEqual([status, said], [0, '']);
  });

  test('compresses by the name of the file', async (t) => {
    const { env, path } = await prepare(t);
    const plain = await run(env, '--format', 'jsonl', '--out', '-', '-q');
    assert.equal((await run(env, '--format', 'jsonl', '--out', path('a.jsonl.gz'))).status, 0);
    assert.equal(gunzipSync(readFileSync(path('a.jsonl.gz'))).toString(), plain.stdout);
    assert.equal((await run(env, '--format', 'jsonl', '--out', path('a.jsonl.zst'))).status, 0);
    const unpacked = tryTool('zstd', ['-dc', path('a.jsonl.zst')]);
    if (unpacked === undefined) t.diagnostic('not run: there is no zstd');
    else assert.equal(unpacked, plain.stdout);
    const kept = ['--format', 'jsonl', '--compress', 'none', '--out', path('b.gz')];
    assert.equal((await run(env, ...kept)).status, 0);
    assert.equal(readFileSync(path('b.gz'), 'utf8'), plain.stdout);
  });

  test('ends with status 4 when a key could not be written', async (t) => {
    const { env, path } = await prepare(t, 'redis-8.6.3');
    const args = ['--format', 'rdb', '--for', 'redis-7.0', '--out', path('old.rdb')];
    const ran = await run(env, ...args);
    assert.equal(ran.status, 4);
    assert.match(ran.stdout, /\n\d+ problems:\n {2}db \d+, key \S+: VALUE_UNREPRESENTABLE: /);
    assert.ok(readFileSync(path('old.rdb')).length > 1_000_000);
  });

  test('leaves nothing when the backup is damaged', async (t) => {
    const { env, out, path } = await prepare(t);
    const files = readdirSync(env.TIDEMARK_REPO, { recursive: true, encoding: 'utf8' });
    const data = files.find((name) => /data\/.*\/\d+\.jsonl\.zst$/.test(name)) as string;
    const bytes = readFileSync(join(env.TIDEMARK_REPO, data));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    rmSync(join(env.TIDEMARK_REPO, data));
    writeFileSync(join(env.TIDEMARK_REPO, data), bytes);
    for (const format of ['rdb', 'jsonl', 'resp']) {
      const ran = await run(env, '--format', format, '--out', path('x'));
      assert.equal(ran.status, 1, ran.stdout);
      assert.match(ran.stderr, /^tidemark: Cannot .*\nhint: /m);
      assert.deepEqual(readdirSync(out), []);
    }
  });

  test('refuses what does not go together', async (t) => {
    const { env, out, path } = await prepare(t);
    const refusals: readonly (readonly [RegExp, ...string[]])[] = [
      [/--ttl with --format jsonl/, '--format', 'jsonl', '--ttl', 'persist'],
      [/--for with --format jsonl/, '--format', 'jsonl', '--for', 'redis-7.0'],
      [/--commands with --format rdb/, '--format', 'rdb', '--commands'],
      [/--conflict with --format rdb/, '--format', 'rdb', '--conflict', 'skip'],
      [/Cannot write for 'redis-1'/, '--format', 'rdb', '--for', 'redis-1'],
      [/databases 0 and 3 into one/, '--format', 'rdb', '--map-db', '3:0'],
      [/format/, '--format', 'xml'],
    ];
    for (const [message, ...args] of refusals) {
      const ran = await run(env, ...args, '--out', path('x'));
      assert.equal(ran.status, 2, args.join(' '));
      assert.match(ran.stderr, message);
    }
    assert.deepEqual(readdirSync(out), []);
    const stdout = new CollectingStream(true);
    const ran = await runHere(['export', 'latest', '--format', 'rdb', '--out', '-'], {
      env,
      stdout,
    });
    assert.equal(ran.status, 2);
    assert.match(ran.stderr, /Cannot write bytes to a terminal/);
  });
});

function tryTool(file: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(file, args, { encoding: 'utf8', maxBuffer: 1 << 30 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
