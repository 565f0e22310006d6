import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { isCoded, RunControl } from '../../src/base/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import {
  listTasks,
  type RestoreReport,
  type RestoreRequest,
  resumeRestore,
} from '../../src/restore/index.ts';
import { fillServer } from '../support/data-shapes.ts';
import { readLive } from '../support/live-reader.ts';
import {
  findServer,
  notRun,
  type RunningServer,
  type StartOptions,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { diffModels } from '../support/truth.ts';
import { backUpScene, nonZero, onServer, restoreTo, type Scene } from './scene.ts';

const NAME = 'redis-7.0';
const MIB = 1 << 20;
const LONG_BYTES = 12 * MIB;

type Stage = { readonly scene: Scene; readonly target: RunningServer; readonly state: string };

/** A backup of mixed data and an empty target. */
async function onStage(
  t: TestContext,
  work: (stage: Stage) => Promise<void>,
  fill: (url: string) => Promise<unknown> = (url) =>
    fillServer(url, { bulkKeys: 8000, big: false }),
  options: StartOptions = {},
): Promise<void> {
  if (findServer(NAME) === undefined) return notRun(t, NAME, whyMissing(NAME));
  const state = mkdtempSync(join(tmpdir(), 'tidemark-tasks-'));
  t.after(() => rmSync(state, { recursive: true, force: true }));
  await using source = await startServer(NAME);
  await fill(source.url);
  const scene = await backUpScene(source.url);
  await using target = await startServer(NAME, options);
  await work({ scene, target, state });
}

async function fillLong(url: string): Promise<void> {
  await onServer(url, async (pipe) => {
    await pipe.call('SET', 'long', Buffer.alloc(LONG_BYTES, 'abcdefg'));
  });
}

/** Restores until `seen` and is interrupted then; gives the task. */
async function interrupt(
  { scene, target, state }: Stage,
  request: Partial<RestoreRequest>,
  seen: (progress: { readonly keys: number; readonly phase: string }) => boolean,
): Promise<string> {
  const controller = new AbortController();
  let resumable = '';
  const running = restoreTo(scene, target.url, {
    state,
    signal: controller.signal,
    onProgress: (progress) => {
      if (seen(progress)) controller.abort();
    },
    onResumable: (task) => {
      resumable = task;
    },
    ...request,
  });
  await assert.rejects(running, (error) => isCoded(error, 'INTERRUPTED'));
  assert.match(resumable, /^[0-9a-f]{8}$/);
  return resumable;
}

async function resume(
  { scene, target, state }: Stage,
  task: string,
  url = target.url,
): Promise<RestoreReport> {
  const { repository } = scene;
  return await resumeRestore({ repository, target: parseAddress(url), state, task });
}

const SLOW = { rateKeysPerSecond: 5000 };

describe('resumeRestore', () => {
  test('goes on where the task ended, and counts all of it', async (t) => {
    await onStage(t, async (stage) => {
      const { scene, target, state } = stage;
      const task = await interrupt(stage, SLOW, ({ keys }) => keys > 0);
      const [listed] = await listTasks(state);
      assert.deepEqual([listed?.state, listed?.code], ['interrupted', 'INTERRUPTED']);
      const report = await resume(stage, task);
      assert.equal(report.task, task);
      assert.equal(report.resumed, true);
      assert.equal((await listTasks(state))[0]?.state, 'done');
      await using fresh = await startServer(NAME);
      const whole = await restoreTo(scene, fresh.url);
      assert.deepEqual(report.totals, whole.totals);
      assert.deepEqual(diffModels(await readLive(fresh.url), await readLive(target.url)), []);
      await assert.rejects(resume(stage, task), (error) => isCoded(error, 'USAGE'));
    });
  });

  test('refuses another server, and one that was restarted', async (t) => {
    await onStage(t, async (stage) => {
      const task = await interrupt(stage, SLOW, ({ keys }) => keys > 0);
      await using other = await startServer(NAME);
      const changed = (error: unknown): boolean => isCoded(error, 'TARGET_CHANGED');
      await assert.rejects(resume(stage, task, other.url), changed);
      assert.equal(await onServer(other.url, (pipe) => pipe.call('DBSIZE')), 0);
      await stage.target.restart();
      await assert.rejects(resume(stage, task), changed);
      assert.equal((await listTasks(stage.state))[0]?.state, 'interrupted');
    });
  });

  test('refuses another repository', async (t) => {
    await onStage(t, async (stage) => {
      const task = await interrupt(stage, SLOW, ({ keys }) => keys > 0);
      const repository = { ...stage.scene.repository, id: '0'.repeat(32) };
      const scene = { ...stage.scene, repository };
      const refused = resume({ ...stage, scene }, task);
      await assert.rejects(refused, (error) => isCoded(error, 'USAGE'));
      assert.equal((await resume(stage, task)).totals.failed, 0);
    });
  });

  test('builds a long key anew, and leaves nothing of the first attempt', async (t) => {
    await onStage(
      t,
      async (stage) => {
        const { target } = stage;
        const controller = new AbortController();
        const { signal } = controller;
        const task = await onServer(target.url, async (pipe) => {
          const options = { rateBytesPerSecond: 2 * MIB, signal };
          const stopped = interrupt(stage, options, () => false);
          stopped.catch(() => {});
          const deadline = Date.now() + 20_000;
          while ((await pipe.call('DBSIZE')) === 0) assert.ok(Date.now() < deadline);
          controller.abort();
          return await stopped;
        });
        const report = await resume(stage, task);
        assert.deepEqual(nonZero(report.totals), { selected: 1, restored: 1 });
        await onServer(target.url, async (pipe) => {
          assert.deepEqual(((await pipe.call('KEYS', '*')) as Buffer[]).map(String), ['long']);
          assert.equal(await pipe.call('STRLEN', 'long'), LONG_BYTES);
          assert.equal(await pipe.call('PTTL', 'long'), -1);
        });
      },
      fillLong,
    );
  });
});

describe('a restore under control', () => {
  test('stands still while it is paused, and obeys a new rate', async (t) => {
    await onStage(t, async ({ scene, target }) => {
      const control = new RunControl({ paused: true });
      const pauses = new Set<boolean>();
      let looked: Promise<void> | undefined;
      const look = async (): Promise<void> => {
        const size = await onServer(target.url, (pipe) => pipe.call('DBSIZE'));
        control.change({ paused: false, keysPerSecond: 1e6 });
        assert.equal(size, 0);
      };
      const report = await restoreTo(scene, target.url, {
        control,
        onProgress: ({ paused }) => {
          pauses.add(paused);
          if (paused) looked ??= look();
        },
      });
      await looked;
      assert.equal(report.totals.failed, 0);
      assert.deepEqual(pauses, new Set([false, true]));
    });
  });

  test('ends before a target that evicts is full, and can be resumed', async (t) => {
    const limit = 24 * MIB;
    const config = { maxmemory: String(limit), 'maxmemory-policy': 'allkeys-lru' };
    const fill = async (url: string): Promise<void> => {
      await onServer(url, async (pipe) => {
        for (let i = 0; i < 4000; i++) pipe.pipe('SET', `key:${i}`, Buffer.alloc(10_000, `${i} `));
        await pipe.done();
      });
    };
    await onStage(
      t,
      async (stage) => {
        const { scene, target, state } = stage;
        const notices: string[] = [];
        let task = '';
        const stopped = restoreTo(scene, target.url, {
          state,
          rateBytesPerSecond: 8 * MIB,
          onNotice: (text) => notices.push(text),
          onResumable: (name) => {
            task = name;
          },
        });
        await assert.rejects(stopped, (error) => isCoded(error, 'TARGET_FULL'));
        await onServer(target.url, async (pipe) => {
          const stats = String(await pipe.call('INFO', 'stats'));
          assert.match(stats, /^evicted_keys:0\r$/m);
          await pipe.call('CONFIG', 'SET', 'maxmemory', '0');
        });
        assert.ok(
          notices.some((text) => text.includes('Slowed down')),
          notices.join('\n'),
        );
        const report = await resume(stage, task);
        assert.deepEqual(nonZero(report.totals), { selected: 4000, restored: 4000 });
      },
      fill,
      { config },
    );
  });
});
