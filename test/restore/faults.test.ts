import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ErrorCode, isCoded } from '../../src/base/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { precheckTarget } from '../../src/restore/index.ts';
import { digestServer, readLive } from '../support/live-reader.ts';
import { fillServer } from '../support/data-shapes.ts';
import {
  findServer,
  notRun,
  type RunningServer,
  type StartOptions,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { diffModels } from '../support/truth.ts';
import { backUpScene, countKeys, importScene, onServer, restoreTo, type Scene } from './scene.ts';
import { rdbFile, str } from '../support/relic-builder.ts';

const NAME = 'redis-7.0';
const MIB = 1 << 20;

async function backUpFilled(bulkKeys: number): Promise<Scene> {
  await using source = await startServer(NAME);
  await fillServer(source.url, { bulkKeys, big: false });
  return await backUpScene(source.url);
}

/** The target is refused, with this code and a message that says why. */
async function refuses(scene: Scene, url: string, code: ErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(restoreTo(scene, url), (error) => {
    assert.ok(isCoded(error, code), String(error));
    assert.match(error.message, message);
    return true;
  });
}

async function levels(server: RunningServer, url = server.url): Promise<Record<string, string>> {
  const findings = await precheckTarget({ target: parseAddress(url) });
  return Object.fromEntries(findings.map(({ id, level }) => [id, level]));
}

describe('a target that cannot be restored to', () => {
  const withTarget = async (
    t: Parameters<typeof notRun>[0],
    options: StartOptions,
    work: (scene: Scene, server: RunningServer) => Promise<void>,
  ): Promise<void> => {
    if (findServer(NAME) === undefined) return notRun(t, NAME, whyMissing(NAME));
    const scene = await importScene(rdbFile(11, 'fe 00', [0, str('key'), str('value')]));
    await using server = await startServer(NAME, options);
    await work(scene, server);
  };

  test('a replica is refused before anything is sent', async (t) => {
    await withTarget(t, {}, async (scene, server) => {
      await onServer(server.url, (pipe) => pipe.call('REPLICAOF', '127.0.0.1', 1));
      await refuses(scene, server.url, 'TARGET_UNSUITABLE', /is a replica/);
      assert.equal((await levels(server))['target.role'], 'error');
    });
  });

  test('a server in cluster mode is refused', async (t) => {
    await withTarget(t, { config: { 'cluster-enabled': 'yes' } }, async (scene, server) => {
      await refuses(scene, server.url, 'TARGET_UNSUITABLE', /cluster mode/);
      assert.equal((await levels(server))['target.mode'], 'error');
    });
  });

  test('a wrong password is an authentication error', async (t) => {
    await withTarget(t, { config: { requirepass: 'secret' } }, async (scene, server) => {
      const wrong = server.url.replace('//', '//:nonsense@');
      await refuses(scene, wrong, 'AUTH_FAILED', /Cannot authenticate/);
      const report = await restoreTo(scene, server.url.replace('//', '//:secret@'));
      assert.equal(report.totals.restored, 1);
      assert.doesNotMatch(JSON.stringify(report), /secret/);
    });
  });

  test('a user without the right to write is told what is missing', async (t) => {
    const aclFile =
      'user default on nopass ~* &* +@all\nuser reader on >pw ~* +@read +info +select\n';
    await withTarget(t, { aclFile }, async (scene, server) => {
      const url = server.url.replace('//', '//reader:pw@');
      await refuses(scene, url, 'TARGET_REFUSED', /NOPERM/);
    });
  });

  test('a server without memory refuses, and takes the rest later', async (t) => {
    await withTarget(t, { config: { maxmemory: '6mb' } }, async (_, server) => {
      const entries = Array.from({ length: 200 }, (_, i) => [0, str(`k${i}`), ...large(i)]);
      const scene = await importScene(rdbFile(11, 'fe 00', ...(entries as never[])));
      await refuses(scene, server.url, 'TARGET_REFUSED', /OOM/);
      await onServer(server.url, (pipe) => pipe.call('CONFIG', 'SET', 'maxmemory', '0'));
      const before = Number(await onServer(server.url, (pipe) => pipe.call('DBSIZE')));
      assert.ok(before < 200, `${before} keys fitted`);
      const report = await restoreTo(scene, server.url);
      assert.deepEqual([report.totals.unchanged, report.totals.restored], [before, 200 - before]);
    });
  });

  test('nobody there is a connection error', async (t) => {
    await withTarget(t, {}, async (scene, server) => {
      await server.kill();
      await refuses(scene, server.url, 'CONNECT_FAILED', /Cannot connect/);
    });
  });
});

/** A string of 64 KiB with a 32-bit length. */
function large(i: number): [string, Buffer] {
  return ['80 00 01 00 00', Buffer.alloc(64 << 10, `${i} `)];
}

describe('a restore that is cut off', () => {
  test('by the death of the target ends with TARGET_LOST, and can be run again', async (t) => {
    if (findServer(NAME) === undefined) return notRun(t, NAME, whyMissing(NAME));
    const scene = await backUpFilled(20_000);
    await using target = await startServer(NAME, { config: { appendonly: 'yes' } });
    let killed: Promise<void> | undefined;
    const failed = restoreTo(scene, target.url, {
      rateKeysPerSecond: 10_000,
      onProgress: ({ keys }) => {
        if (keys > 0) killed ??= target.kill();
      },
    });
    await assert.rejects(failed, (error) => isCoded(error, 'TARGET_LOST'));
    await killed;
    await target.start();
    const report = await restoreTo(scene, target.url);
    const { selected, restored, unchanged } = report.totals;
    assert.equal(restored + unchanged, selected, JSON.stringify(report.totals));
    await using fresh = await startServer(NAME);
    await restoreTo(scene, fresh.url);
    const differences = diffModels(await readLive(fresh.url), await readLive(target.url));
    assert.deepEqual(differences, []);
  });

  test('in the middle of a long key leaves only what expires, and can be run again', async (t) => {
    if (findServer(NAME) === undefined) return notRun(t, NAME, whyMissing(NAME));
    await using target = await startServer(NAME);
    await onServer(target.url, async (pipe) => {
      await pipe.call('SET', 'long', Buffer.alloc(20 * MIB, 'abcdefg'));
    });
    const digest = await digestServer(target.url);
    const scene = await backUpScene(target.url);
    await onServer(target.url, (pipe) => pipe.call('FLUSHALL'));
    const controller = new AbortController();
    const { signal } = controller;
    const stopped = restoreTo(scene, target.url, { signal, rateBytesPerSecond: 2 * MIB });
    stopped.catch(() => {});
    await onServer(target.url, async (pipe) => {
      const deadline = Date.now() + 20_000;
      while ((await pipe.call('DBSIZE')) === 0) assert.ok(Date.now() < deadline);
      controller.abort();
      await assert.rejects(stopped, (error) => isCoded(error, 'INTERRUPTED'));
      const keys = (await pipe.call('KEYS', '*')) as Buffer[];
      for (const key of keys) {
        assert.match(String(key), /^\{long\}_dbs_[0-9a-f]+_\d+_building$/);
        const left = Number(await pipe.call('PTTL', key));
        assert.ok(left > 0 && left <= 3_600_000, `${left} ms left`);
        await pipe.call('DEL', key);
      }
    });
    const report = await restoreTo(scene, target.url);
    assert.equal(report.totals.restored, 1);
    assert.equal(await digestServer(target.url), digest);
    assert.deepEqual(await countKeys(target.url), { 0: 1 });
  });

  test('by its caller says so, whether or not it had begun', async (t) => {
    if (findServer(NAME) === undefined) return notRun(t, NAME, whyMissing(NAME));
    const scene = await backUpFilled(3000);
    await using target = await startServer(NAME);
    const early = AbortSignal.abort();
    await assert.rejects(restoreTo(scene, target.url, { signal: early }), (error) =>
      isCoded(error, 'INTERRUPTED'),
    );
    const controller = new AbortController();
    const { signal } = controller;
    const onProgress = ({ keys }: { keys: number }): void => {
      if (keys > 0) controller.abort();
    };
    const running = restoreTo(scene, target.url, { signal, onProgress, rateKeysPerSecond: 5000 });
    await assert.rejects(running, (error) => isCoded(error, 'INTERRUPTED'));
    const report = await restoreTo(scene, target.url);
    const { restored, unchanged, selected } = report.totals;
    assert.equal(restored + unchanged, selected);
  });

  test('by a damaged block says which object it was', async (t) => {
    if (findServer(NAME) === undefined) return notRun(t, NAME, whyMissing(NAME));
    const scene = await backUpFilled(20_000);
    await using target = await startServer(NAME);
    const { storage } = scene.repository;
    const damaged = new Proxy(storage, {
      get(from, name) {
        if (name !== 'read') return Reflect.get(from, name).bind?.(from) ?? Reflect.get(from, name);
        return async (...args: Parameters<typeof storage.read>) => {
          const bytes = Buffer.from(await from.read(...args));
          const isBlock = args[0].includes('/data/') && (args[1]?.start ?? 0) > 0;
          if (isBlock && bytes.length > 100_000) bytes[5000] ^= 1;
          return bytes;
        };
      },
    });
    const repository = { ...scene.repository, storage: damaged };
    await assert.rejects(restoreTo({ ...scene, repository }, target.url), (error) => {
      const names = scene.manifest.files.map(({ name }) => name);
      return isCoded(error, 'OBJECT_CORRUPT') && names.includes(error.object ?? '');
    });
  });
});
