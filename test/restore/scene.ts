import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { backUp, importRdb } from '../../src/backup/index.ts';
import type { Clock } from '../../src/base/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { type Manifest, openRepository, type Repository } from '../../src/repository/index.ts';
import {
  type Counts,
  restoreBackup,
  type RestoreReport,
  type RestoreRequest,
} from '../../src/restore/index.ts';
import { MemoryStorage } from '../fakes/memory-storage.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { loadRdb } from '../support/truth.ts';

/** A backup in a repository of its own, ready to be restored as often as a test wants. */
export type Scene = Pick<RestoreRequest, 'repository' | 'source' | 'manifest'>;

export type SceneOptions = { readonly clock?: Clock };

export async function memoryRepository(options: SceneOptions = {}): Promise<Repository> {
  return await openRepository(new MemoryStorage(), { mode: 'write', ...options });
}

export async function importScene(rdb: Buffer, options: SceneOptions = {}): Promise<Scene> {
  const repository = await memoryRepository(options);
  const stdin = Readable.from([rdb]);
  const imported = await importRdb({ repository, sourceName: 'file', files: ['-'], stdin });
  return { repository, source: imported.source, manifest: imported.manifest };
}

export async function fixtureScene(name: string): Promise<Scene> {
  return await importScene(loadRdb(name));
}

export async function backUpScene(url: string, options: SceneOptions = {}): Promise<Scene> {
  const repository = await memoryRepository(options);
  const { source, manifest } = await backUp({ repository, address: parseAddress(url) });
  return { repository, source, manifest };
}

/** The same backup with another instant, as if it had been taken then. */
export function takenAt(scene: Scene, snapshotAtMs: number): Scene {
  const manifest: Manifest = {
    ...scene.manifest,
    snapshotAt: new Date(snapshotAtMs).toISOString(),
  };
  return { ...scene, manifest };
}

/** Restores, and checks what holds of every report. */
export async function restoreTo(
  scene: Scene,
  url: string,
  request: Partial<RestoreRequest> = {},
): Promise<RestoreReport> {
  const report = await restoreBackup({ ...scene, target: parseAddress(url), ...request });
  for (const counts of [report.totals, ...report.databases]) assertBalanced(counts);
  return report;
}

function assertBalanced(counts: Counts): void {
  const { selected, inexact, ...outcomes } = counts;
  const sum = Object.values(outcomes)
    .filter((value) => typeof value === 'number')
    .reduce((a, b) => a + b, 0);
  const db = 'db' in counts ? Number(counts.db) : 0;
  assert.equal(sum - db, selected, `the outcomes do not add up: ${JSON.stringify(counts)}`);
  assert.ok(inexact <= selected);
}

/** The counts that are not zero. */
export function nonZero(counts: Counts): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, value]) => value !== 0));
}

/** Works on a server by commands, over a connection that ends with the work. */
export async function onServer<T>(url: string, work: (pipe: RespPipe) => Promise<T>): Promise<T> {
  const pipe = await RespPipe.open(url);
  try {
    return await work(pipe);
  } finally {
    pipe.close();
  }
}

export async function emptyServer(url: string): Promise<void> {
  await onServer(url, async (pipe) => {
    await pipe.call('FLUSHALL');
    await pipe.call('FUNCTION', 'FLUSH').catch(() => undefined);
  });
}

/** Keys by database, as the server counts them. */
export async function countKeys(url: string): Promise<Record<string, number>> {
  const info = await onServer(url, (pipe) => pipe.call('INFO', 'keyspace'));
  const found = String(info).matchAll(/^db(\d+):keys=(\d+)/gm);
  return Object.fromEntries([...found].map(([, db = '', keys]) => [db, Number(keys)]));
}
