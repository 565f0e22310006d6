import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RedisAddress } from '../../src/redis/index.ts';
import { type DrillRequest, runDrill } from '../../src/rewind/drill/run-drill.ts';
import { fixtureScene, memoryRepository, onServer } from '../restore/scene.ts';
import { fixtureRecording } from '../rewind/fixture-recording.ts';
import { storeRecording } from '../rewind/recorded-log.ts';
import { planFor } from '../rewind/rewind-to.ts';
import { FaultyStorage } from '../fakes/faulty-storage.ts';
import { serverProgram } from '../support/server-program.ts';
import { findServer, notRun, type ServerName, whyMissing } from '../support/servers.ts';
import { loadPsync } from '../support/truth.ts';

const SERVER: ServerName = 'redis-7.0';
const FUNCTION = "redis.register_function('f', function() return 1 end)";
const isMissing = findServer(SERVER) === undefined;
const sandboxOf = (name: ServerName) => ({ server: serverProgram(name) });

async function backupDrill(fixture: string, name: ServerName): Promise<DrillRequest> {
  const subject = { kind: 'backup', ...(await fixtureScene(fixture)) } as const;
  return { subject, sandbox: sandboxOf(name) };
}

/** Sends commands to a sandbox that is about to be read. */
const sends =
  (...commands: readonly (readonly [string, ...(string | number)[]])[]) =>
  async ({ path }: RedisAddress): Promise<void> => {
    await onServer(path ?? '', async (pipe) => {
      for (const command of commands) await pipe.call(...command);
    });
  };

describe('a drill', () => {
  test('proves a backup by its own entries', async (t) => {
    const name = 'valkey-9';
    if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
    const report = await runDrill(await backupDrill('valkey-9.1.2', name));
    assert.equal(report.outcome, 'equal', JSON.stringify(report));
    assert.equal(report.proof, 'backup-entries');
    assert.ok((report.keys?.equal ?? 0) > 200);
    assert.ok((report.functions?.compared ?? 0) > 0);
  });

  test('proves an instant by two ways to it', async (t) => {
    if (isMissing) return notRun(t, SERVER, whyMissing(SERVER));
    const repository = await memoryRepository();
    const recording = fixtureRecording(loadPsync('redis-7.0.15.psync'));
    const { source } = await storeRecording(repository, recording);
    const { plan } = await planFor({ repository, source }, 'latest');
    const request = { subject: { kind: 'instant', plan }, sandbox: sandboxOf(SERVER) } as const;
    const report = await runDrill(request);
    assert.equal(report.outcome, 'equal', JSON.stringify(report));
    assert.equal(report.proof, 'second-path');
    assert.equal(report.offset, plan.point.offset);
    assert.ok((report.keys?.equal ?? 0) > 100);
    const damaged = await runDrill(request, { whenLoaded: sends(['SET', 'one too many', 1]) });
    assert.equal(damaged.outcome, 'different');
  });

  test('finds every kind of damage, by its key', async (t) => {
    if (isMissing) return notRun(t, SERVER, whyMissing(SERVER));
    const request = await backupDrill('redis-7.0.15.lru', SERVER);
    const scene = await runDrill(request);
    assert.equal(scene.outcome, 'equal');
    const { equal = 0 } = scene.keys ?? {};
    // A key of the backup that is a string without an expiry, found by another's eyes.
    let victim = '';
    const report = await runDrill(request, {
      whenLoaded: async ({ path }) =>
        await onServer(path ?? '', async (pipe) => {
          const keys = (await pipe.call('KEYS', '*')) as Buffer[];
          const names = keys.map(String).sort();
          victim = names[0] ?? '';
          const [, gone = '', other = ''] = names;
          await pipe.call('PEXPIREAT', victim, 4_102_444_800_000);
          await pipe.call('DEL', gone);
          await pipe.call('DEL', other);
          await pipe.call('SET', other, 'something else');
          await pipe.call('SET', 'one too many', 1);
          await pipe.call('FUNCTION', 'LOAD', `#!lua name=stray\n${FUNCTION}`);
        }),
    });
    assert.equal(report.outcome, 'different');
    const { keys, functions, differences } = report;
    assert.deepEqual(keys, { added: 1, removed: 1, changed: 1, ttlChanged: 1, equal: equal - 3 });
    assert.equal(differences.length, 4);
    assert.ok(differences.some(({ change, key }) => change === 'ttl-changed' && key === victim));
    assert.deepEqual(functions?.different, ['#!lua name=stray']);
  });

  test('reports a backup that cannot be read, instead of throwing', async (t) => {
    if (isMissing) return notRun(t, SERVER, whyMissing(SERVER));
    const request = await backupDrill('redis-7.0.15.lru', SERVER);
    const { subject } = request;
    assert.ok(subject.kind === 'backup');
    const { repository } = subject;
    const storage = new FaultyStorage(repository.storage, ({ verb }) =>
      verb === 'read' ? { kind: 'fail' } : undefined,
    );
    const damaged = { ...subject, repository: { ...repository, storage } };
    const report = await runDrill({ ...request, subject: damaged });
    assert.equal(report.outcome, 'failed');
    assert.equal(report.error?.code, 'STORAGE_FAILED');
    assert.equal(report.keys, null);
  });
});
