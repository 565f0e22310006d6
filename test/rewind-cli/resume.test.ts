import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { temporaryFolder, Tidemark, tidemark, tidemarkJson, waitFor } from '../cli/run-tidemark.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { startServer } from '../support/servers.ts';
import { RecordedSource } from './recorded-source.ts';

const KEYS = 2000;

describe('restore of an instant', () => {
  test('goes on after it was killed, from the state that its task keeps', async (t) => {
    const recorded = await RecordedSource.start(t);
    const { pipe } = recorded;
    await recorded.backUp();
    for (let i = 0; i < KEYS; i++) pipe.pipe('SET', `key:${i}`, `${i} `.repeat(200));
    await pipe.done();
    const digest = String(await pipe.call('DEBUG', 'DIGEST'));
    await pipe.call('FLUSHALL');
    await recorded.store();
    const target = await startServer('redis-7.0');
    t.after(() => target.stop());
    const look = await RespPipe.open(target.url);
    t.after(() => look.close());
    const env = { ...recorded.env, XDG_STATE_HOME: temporaryFolder(t) };
    const tasks = join(env.XDG_STATE_HOME, 'tidemark', 'tasks');
    const how = ['--sandbox-server', recorded.sandbox, '--rate', '256KiB/s'];
    const args = ['restore', '--before', 'last:FLUSHALL', '--to', target.url, ...how];

    const run = new Tidemark(args, { env });
    await waitFor('the first keys', async () => Number(await look.call('DBSIZE')) > 0);
    run.kill('SIGKILL');
    await run.finished;
    const [task] = readdirSync(tasks);
    const instant = join(tasks, task, 'instant');
    assert.ok(existsSync(instant));
    // What the command line says of the instant is the task's already.
    const again = await tidemark(['restore', '--resume', task, '--at', 'latest'], { env });
    assert.equal(again.status, 2, again.stderr);

    const resumed = await tidemarkJson(['restore', '--resume', task], { env });
    assert.equal(resumed.status, 0, resumed.stderr);
    assert.equal(String(await look.call('DEBUG', 'DIGEST')), digest);
    assert.equal(existsSync(instant), false);
    const { totals } = resumed.document as { totals: Record<string, number> };
    assert.equal(totals['selected'], KEYS);
    const { document } = await tidemarkJson(['tasks'], { env });
    const [listed] = (document as { tasks: { state: string; backup: string }[] }).tasks;
    assert.equal(listed.state, 'done');
    assert.match(listed.backup, /^log:/);

    // One that ends as it should leaves nothing but its journal.
    const whole = await tidemark(args.slice(0, -2), { env });
    assert.equal(whole.status, 0, whole.stderr);
    for (const name of readdirSync(tasks)) {
      assert.equal(existsSync(join(tasks, name, 'instant')), false);
    }
  });
});
