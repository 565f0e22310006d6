import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseAddress } from '../../src/redis/index.ts';
import { listBackups, listSources, openRepository } from '../../src/repository/index.ts';
import { backUp } from '../../src/backup/index.ts';
import { DirectoryStorage } from '../../src/storage/index.ts';
import { verifyRepository } from '../../src/verify/index.ts';
import { Tidemark } from '../cli/run-tidemark.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

/** Enough that a backup takes several hundred milliseconds, most of them its start. */
export async function fillForKills(url: string): Promise<void> {
  const pipe = await RespPipe.open(url);
  await pipe.call('CONFIG', 'SET', 'rdbcompression', 'no');
  await pipe.call('DEBUG', 'POPULATE', '20000', 'key', '500');
  pipe.close();
}

/**
 * Starts `tidemark backup` and kills it (SIGKILL) at a random moment of its life, as `random` says;
 * then demands that the repository lists nothing but whole backups.
 */
export async function killOneBackup(
  url: string,
  repo: string,
  random: SeededRandom,
  longestMs: number,
): Promise<'killed' | 'finished'> {
  const spool = random.chance(0.2) ? ['--spool', repo.replace(/\/[^/]*$/, '')] : [];
  const run = new Tidemark(['backup', url, '--source', 'killed', '--repo', repo, ...spool]);
  const timer = setTimeout(() => run.kill('SIGKILL'), random.below(longestMs));
  const { status, stderr } = await run.finished;
  clearTimeout(timer);
  if (status !== null) assert.equal(status, 0, stderr);
  await checkListed(repo);
  return status === null ? 'killed' : 'finished';
}

/** Whatever is listed verifies; gives how many that are. */
export async function checkListed(repo: string): Promise<number> {
  if (!readdirSync(join(repo, '..')).includes('repo')) return 0;
  const storage = new DirectoryStorage(repo);
  if (!(await storage.exists('repository.json'))) return 0;
  const repository = await openRepository(storage, { mode: 'read' });
  const report = await verifyRepository(repository);
  assert.deepEqual(report.findings, []);
  for (const backup of report.backups) assert.deepEqual(backup.findings, []);
  return report.backups.length;
}

/** A later backup works, and everything in the folder belongs to a backup or is allowed garbage. */
export async function checkAfterwards(url: string, repo: string): Promise<void> {
  const repository = await openRepository(new DirectoryStorage(repo), { mode: 'write' });
  const address = parseAddress(url);
  const report = await backUp({ repository, address, sourceName: 'killed', workers: 1 });
  const [source] = await listSources(repository);
  const listed = await listBackups(repository, source.id);
  assert.equal(listed.at(-1)?.id, report.id);
  assert.ok((await checkListed(repo)) >= 1);
  const ids = new Set(listed.map(({ id }) => id));
  const begun = new Set(await repository.storage.folders(`sources/${source.id}/begun/`));
  for (const id of await repository.storage.folders(`sources/${source.id}/data/`)) {
    // The rule of garbage: no manifest, and a sign of life that tells its age.
    assert.ok(ids.has(id) || begun.has(id), `the data of ${id} belongs to nothing`);
  }
  const names = readdirSync(repo, { recursive: true, encoding: 'utf8', withFileTypes: true });
  for (const entry of names) {
    const isKnown = /^(\.tmp|sources|leases|repository\.json)/.test(
      join(entry.parentPath, entry.name).slice(repo.length + 1),
    );
    assert.ok(isKnown, `${entry.parentPath}/${entry.name} was left behind`);
  }
}
