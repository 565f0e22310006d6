import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { temporaryFolder, Tidemark, tidemark, tidemarkJson, waitFor } from '../cli/run-tidemark.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';

const SERVER = 'redis-7.0';
const KEYS = 4000;

type Tasks = { readonly tasks: readonly { readonly task: string; readonly state: string }[] };
type Report = { readonly totals: Readonly<Record<string, number>> };

async function fill(url: string): Promise<void> {
  const pipe = await RespPipe.open(url);
  for (let i = 0; i < KEYS; i++) pipe.pipe('SET', `key:${i}`, `${i} `.repeat(200));
  await pipe.done();
  pipe.close();
}

/** A repository with one backup, a target, and a command line for both. */
async function stage(t: TestContext) {
  const source = await startServer(SERVER);
  t.after(() => source.stop());
  await fill(source.url);
  const folder = temporaryFolder(t);
  const repo = join(folder, 'repo');
  const backedUp = await tidemark(['backup', source.url, '--repo', repo]);
  assert.equal(backedUp.status, 0, backedUp.stderr);
  const target = await startServer(SERVER, { config: { requirepass: 'right-word' } });
  t.after(() => target.stop());
  const env = { XDG_STATE_HOME: join(folder, 'state'), TIDEMARK_TARGET_PASSWORD: 'right-word' };
  const args = ['restore', 'latest', '--to', target.url, '--repo', repo];
  return { args, env, target, folder };
}

/** Starts a restore, ends it by SIGTERM when it has written something. */
async function interrupt({ args, env, target }: Awaited<ReturnType<typeof stage>>) {
  const run = new Tidemark([...args, '--rate', '256KiB/s'], { env });
  const pipe = await RespPipe.open(target.url.replace('//', '//:right-word@'));
  await waitFor('the first keys', async () => Number(await pipe.call('DBSIZE')) > 0);
  pipe.close();
  run.kill('SIGTERM');
  return await run.finished;
}

describe('tidemark restore that is interrupted', () => {
  test('says how to go on, is listed, and goes on', async (t) => {
    if (findServer(SERVER) === undefined) return notRun(t, SERVER, whyMissing(SERVER));
    const scene = await stage(t);
    const { env } = scene;
    const { status, stderr } = await interrupt(scene);
    assert.equal(status, 130, stderr);
    const task = /tidemark restore --resume ([0-9a-f]{8})\n/.exec(stderr)?.[1] ?? '';
    const { document } = await tidemarkJson(['tasks'], { env });
    const [listed] = (document as Tasks).tasks;
    assert.deepEqual([listed?.task, listed?.state], [task, 'interrupted']);
    const shown = await tidemark(['tasks'], { env });
    assert.match(shown.stdout, new RegExp(`^${task} +interrupted \\(INTERRUPTED\\)`, 'm'));

    for (const options of [
      ['--conflict', 'skip'],
      ['--key', 'key:1'],
      ['--map-db', '0:1'],
      ['--dry-run'],
    ]) {
      const refused = await tidemark(['restore', '--resume', task, ...options], { env });
      assert.equal(refused.status, 2, refused.stderr);
      assert.match(refused.stderr, /it began otherwise/);
    }
    const resumed = await tidemarkJson(['restore', '--resume', task, '--conflict', 'rename'], {
      env,
    });
    assert.equal(resumed.status, 0, resumed.stderr);
    const { totals } = resumed.document as Report;
    assert.deepEqual([totals['selected'], totals['restored']], [KEYS, KEYS]);
    const again = await tidemark(['restore', '--resume', task], { env });
    assert.equal(again.status, 2);
    assert.match(again.stderr, /it has finished/);
    assert.match((await tidemark(['tasks'], { env })).stdout, new RegExp(`^${task} +done`, 'm'));
  });

  test('keeps no password', async (t) => {
    if (findServer(SERVER) === undefined) return notRun(t, SERVER, whyMissing(SERVER));
    const scene = await stage(t);
    const { status, stderr } = await interrupt(scene);
    assert.equal(status, 130, stderr);
    const without = { XDG_STATE_HOME: scene.env.XDG_STATE_HOME };
    const task = /--resume ([0-9a-f]{8})/.exec(stderr)?.[1] ?? '';
    const refused = await tidemark(['restore', '--resume', task], { env: without });
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /Cannot authenticate|NOAUTH|password/i);
    const resumed = await tidemark(['restore', '--resume', task], { env: scene.env });
    assert.equal(resumed.status, 0, resumed.stderr);
  });
});

describe('tidemark restore --resume', () => {
  test('says what it cannot find or use', async (t) => {
    const env = { XDG_STATE_HOME: temporaryFolder(t) };
    const unknown = await tidemark(['restore', '--resume', '0a1b2c3d'], { env });
    assert.equal(unknown.status, 1);
    assert.match(unknown.stderr, /Cannot find a restore task '0a1b2c3d'/);
    const missing = await tidemark(['restore', 'latest'], { env });
    assert.equal(missing.status, 2);
    assert.match(missing.stderr, /--to/);
    const none = await tidemark(['tasks'], { env });
    assert.match(none.stdout, /No restore tasks/);
  });
});
