import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { listSources, openRepository, readReports } from '../../src/repository/index.ts';
import type { DrillReport } from '../../src/rewind/index.ts';
import { DirectoryStorage } from '../../src/storage/index.ts';
import { type Result, tidemark, tidemarkJson } from '../cli/run-tidemark.ts';
import { fixtureRecording } from '../rewind/fixture-recording.ts';
import { storeRecording } from '../rewind/recorded-log.ts';
import { serverProgram } from '../support/server-program.ts';
import { findServer, notRun, whyMissing } from '../support/servers.ts';
import { loadAof, loadPsync } from '../support/truth.ts';
import { testFolder, unpackAof } from './aof-scene.ts';

const SERVER = 'redis-7.0';
const isMissing = findServer(SERVER) === undefined;
const sandbox = (): string[] => ['--sandbox-server', serverProgram(SERVER)];

type Imported = { readonly id: string; readonly keys: number; readonly aof: { server: string } };

async function storedReports(repo: string): Promise<DrillReport[]> {
  const repository = await openRepository(new DirectoryStorage(repo), { mode: 'read' });
  const [source] = await listSources(repository);
  const reports: DrillReport[] = [];
  for await (const { report } of readReports(repository, source?.id ?? '')) {
    reports.push(report as DrillReport);
  }
  return reports;
}

/** Changes one byte in the middle of the only file of entries. */
function damageEntries(repo: string): void {
  const files = readdirSync(repo, { recursive: true, encoding: 'utf8' });
  const entries = files.filter((name) => /data\/.*\/\d+\.jsonl\.zst$/.test(name));
  assert.equal(entries.length, 1, files.join(' '));
  const path = join(repo, entries[0] ?? '');
  const bytes = readFileSync(path);
  bytes[bytes.length >> 2] ^= 1;
  writeFileSync(path, bytes);
}

async function importFolder(t: TestContext, repo: string): Promise<Imported> {
  const folder = unpackAof(t, loadAof('redis-7.0.15.aofdir'));
  const args = ['import', folder, '--source', 'shop', '--repo', repo, ...sandbox()];
  const { status, document, stderr } = (await tidemarkJson(args)) as Result<Imported>;
  assert.equal(status, 0, stderr);
  return document;
}

describe('AOF folders and drills on the command line', () => {
  test('a folder is imported, proven, exported, imported again, and still the same', async (t) => {
    if (isMissing) return notRun(t, SERVER, whyMissing(SERVER));
    const repo = join(testFolder(t), 'repo');
    const first = await importFolder(t, repo);
    assert.equal(first.keys, 111);
    assert.equal(first.aof.server, 'redis 7.0.15');

    const drill = await tidemark(['drill', '--repo', repo, ...sandbox()]);
    assert.equal(drill.status, 0, drill.stderr);
    assert.match(drill.stdout, /111 equal[^]*Proven: all is equal/);

    const out = join(testFolder(t), 'appendonlydir');
    const exportArgs = ['export', first.id, '--format', 'aof', '--out', out, '--repo', repo];
    assert.equal((await tidemark(exportArgs)).status, 0);
    const again = await tidemark(exportArgs);
    assert.equal(again.status, 3);
    assert.match(again.stderr, /not empty/);

    const second = ['import', join(out, 'appendonly.aof.manifest'), '--source', 'shop'];
    assert.equal((await tidemark([...second, '--repo', repo, ...sandbox()])).status, 0);
    const diff = ['diff', first.id, 'latest', '--exit-code', '--repo', repo];
    const { status, stdout } = await tidemark(diff);
    assert.equal(status, 0, stdout);
  });

  test('a drill that fails ends with 1, and its report is kept', async (t) => {
    if (isMissing) return notRun(t, SERVER, whyMissing(SERVER));
    const repo = join(testFolder(t), 'repo');
    await importFolder(t, repo);
    damageEntries(repo);
    const args = ['drill', 'latest', '--repo', repo, ...sandbox()];
    const { status, document } = (await tidemarkJson(args)) as Result<DrillReport>;
    assert.equal(status, 1);
    assert.equal(document.ok, false);
    assert.equal(document.outcome, 'failed');
    assert.equal(document.error?.code, 'OBJECT_CORRUPT');
    assert.deepEqual(await storedReports(repo), [document]);
  });

  test('an instant of the log is exported whole, or what is selected of it', async (t) => {
    if (isMissing) return notRun(t, SERVER, whyMissing(SERVER));
    const repo = join(testFolder(t), 'repo');
    const repository = await openRepository(new DirectoryStorage(repo), { mode: 'write' });
    await storeRecording(repository, fixtureRecording(loadPsync('redis-7.0.15.psync')));
    const out = testFolder(t);
    const args = ['export', '--at', 'latest', '--format', 'aof', '--repo', repo, ...sandbox()];
    const whole = await tidemark([...args, '--out', join(out, 'whole')]);
    assert.equal(whole.status, 0, whole.stderr);
    assert.match(whole.stdout, /Log: \d+ commands/);
    assert.ok(existsSync(join(out, 'whole', 'appendonly.aof.1.incr.aof')));
    const part = await tidemark([...args, '--db', '0', '--out', join(out, 'part')]);
    assert.equal(part.status, 0, part.stderr);
    assert.ok(!existsSync(join(out, 'part', 'appendonly.aof.1.incr.aof')));
    const drill = ['drill', '--at', 'latest', '--repo', repo, '--json', ...sandbox()];
    const proven = await tidemark(drill);
    assert.equal(proven.status, 0, proven.stderr);
    assert.equal((JSON.parse(proven.stdout) as DrillReport).proof, 'second-path');
  });

  test('what makes no sense is refused', async (t) => {
    const folder = unpackAof(t, loadAof('redis-6.0.20.aofdir'));
    const repo = join(testFolder(t), 'repo');
    const rest = ['--source', 'x', '--repo', repo];
    const file = join(folder, 'appendonly.aof');
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [['import', file, file, ...rest], /together with other files/],
      [['import', file, '--control', 'c', ...rest], /--control with an AOF/],
      [['import', '-', '--format', 'aof', ...rest], /through -/],
      [['import', '-', '--until-timestamp', '1999999999', ...rest], /no AOF/],
      [['export', 'latest', '--format', 'aof', '--out', '-', ...rest], /standard output/],
      [['export', 'latest', '--format', 'aof', '--out', 'x', '--ttl', 'persist', ...rest], /--ttl/],
    ];
    const runs = wrong.map(async ([args, pattern]) => {
      const { status, stderr } = await tidemark(args);
      assert.equal(status, 2, stderr);
      assert.match(stderr, pattern);
    });
    await Promise.all(runs);
    assert.ok(!existsSync(repo));
  });
});
