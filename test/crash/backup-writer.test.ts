import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  listBackups,
  listSources,
  type Manifest,
  openRepository,
  type Repository,
} from '../../src/repository/index.ts';
import { verifyRepository } from '../../src/verify/index.ts';
import { crashAt, FaultyStorage, randomFaults } from '../fakes/faulty-storage.ts';
import { MemoryStorage } from '../fakes/memory-storage.ts';
import { writeSampleBackup } from '../fakes/sample-backup.ts';

/** A repository that already holds one good backup, so that there is something to lose. */
async function prepared(): Promise<{ storage: MemoryStorage; first: Manifest }> {
  const storage = new MemoryStorage();
  const repository = await openRepository(storage, { mode: 'write' });
  return { storage, first: await writeSampleBackup(repository) };
}

async function idsOf(repository: Repository): Promise<string[]> {
  const ids: string[] = [];
  for (const source of await listSources(repository)) {
    for (const backup of await listBackups(repository, source.id)) ids.push(backup.id);
  }
  return ids;
}

/** After whatever happened: opens, lists, verifies, and can be written to again. */
async function checkConsistent(storage: MemoryStorage, committed: readonly string[]) {
  const repository = await openRepository(storage, { mode: 'write' });
  const report = await verifyRepository(repository);
  assert.deepEqual(report.findings, []);
  for (const backup of report.backups) assert.deepEqual(backup.findings, []);
  const listed = await idsOf(repository);
  for (const id of committed) assert.ok(listed.includes(id), `${id} is lost`);
  const next = await writeSampleBackup(repository);
  assert.ok((await idsOf(repository)).includes(next.id));
}

async function tryBackup(storage: FaultyStorage): Promise<Manifest | undefined> {
  try {
    const repository = await openRepository(storage, { mode: 'write' });
    return await writeSampleBackup(repository);
  } catch {
    return undefined;
  }
}

async function countCalls(storage: MemoryStorage): Promise<number> {
  const counting = new FaultyStorage(storage);
  assert.notEqual(await tryBackup(counting), undefined);
  return counting.calls.length;
}

describe('a backup that is stopped at any call of the storage', () => {
  for (const kind of ['fail', 'fail-after'] as const) {
    test(`leaves a consistent repository (${kind})`, async () => {
      const { storage, first } = await prepared();
      const calls = await countCalls(storage.copy());
      assert.ok(calls > 30, String(calls));
      for (let index = 0; index < calls; index++) {
        const copy = storage.copy();
        const made = await tryBackup(new FaultyStorage(copy, crashAt(index, kind)));
        await checkConsistent(copy, made === undefined ? [first.id] : [first.id, made.id]);
      }
    });

    test(`leaves a consistent repository when it was the very first (${kind})`, async () => {
      const calls = await countCalls(new MemoryStorage());
      for (let index = 0; index < calls; index++) {
        const empty = new MemoryStorage();
        const made = await tryBackup(new FaultyStorage(empty, crashAt(index, kind)));
        await checkConsistent(empty, made === undefined ? [] : [made.id]);
      }
    });
  }

  test('leaves no data behind where only one call failed', async () => {
    const { storage } = await prepared();
    const before = new Set(storage.objects.keys());
    const calls = await countCalls(storage.copy());
    for (let index = 0; index < calls; index++) {
      const copy = storage.copy();
      const plan = (call: { index: number }) =>
        call.index === index ? ({ kind: 'fail' } as const) : undefined;
      const made = await tryBackup(new FaultyStorage(copy, plan));
      const left = [...copy.objects.keys()].filter((name) => !before.has(name));
      if (made === undefined) {
        assert.deepEqual(
          left.filter((name) => name.includes('/backups/')),
          [],
        );
        const data = left.filter((name) => name.includes('/data/'));
        assert.ok(data.length <= 1, `${index}: ${data.join()}`);
      }
      await checkConsistent(copy, made === undefined ? [] : [made.id]);
    }
  });
});

test('backups through a storage that fails now and then lose nothing that was committed', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const storage = new MemoryStorage();
    const committed: string[] = [];
    for (let round = 0; round < 4; round++) {
      const faults = randomFaults(seed * 100 + round, 0.02, ['fail', 'fail-after', 'delay']);
      const made = await tryBackup(new FaultyStorage(storage, faults));
      if (made !== undefined) committed.push(made.id);
    }
    await checkConsistent(storage, committed);
  }
});
