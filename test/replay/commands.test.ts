import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type TestContext, test } from 'node:test';
import { Tidemark, tidemark } from '../cli/run-tidemark.ts';
import { nextMillisecond, RecordedSource } from '../rewind-cli/recorded-source.ts';
import { freePort } from '../support/ports.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { startServer } from '../support/servers.ts';

type Recorded = {
  readonly source: RecordedSource;
  /** Before the accident. */
  readonly at: string;
  readonly digest: string;
  /** Of a key that lives for ten minutes from some moment before it, Unix milliseconds. */
  readonly expireAt: number;
};

async function record(t: TestContext): Promise<Recorded> {
  const source = await RecordedSource.start(t);
  const { pipe } = source;
  for (let i = 0; i < 100; i++) pipe.pipe('SET', `user:${i}`, `value ${i}`);
  await pipe.done();
  await source.backUp();
  await pipe.call('HSET', 'cart', 'apple', '2');
  await pipe.call('SET', 'lives', 'v', 'PX', '600000');
  const expireAt = Number(await pipe.call('PEXPIRETIME', 'lives'));
  await pipe.call('DEL', 'user:1');
  await source.settle();
  await nextMillisecond();
  const at = new Date(await nextMillisecond()).toISOString();
  const digest = String(await pipe.call('DEBUG', 'DIGEST'));
  await nextMillisecond();
  await pipe.call('FLUSHALL');
  await source.store();
  return { source, at, digest, expireAt };
}

async function until(isDone: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await isDone())) {
    if (Date.now() > deadline) throw new Error(`within 30 s: ${what()}`);
    await delay(20);
  }
}

/** Starts a command that stays, and gives the document that it prints when it is ready. */
async function start(t: TestContext, args: readonly string[], source: RecordedSource) {
  const running = new Tidemark([...args, '--json'], { env: source.env });
  t.after(() => running.kill('SIGKILL'));
  let ended = false;
  void running.finished.then(() => (ended = true));
  await until(
    () => ended || running.stdout.endsWith('}\n'),
    () => running.stderr,
  );
  assert.ok(running.stdout !== '', running.stderr);
  return { running, document: JSON.parse(running.stdout) as Record<string, unknown> };
}

async function open(t: TestContext, url: string): Promise<RespPipe> {
  const pipe = await RespPipe.open(url);
  t.after(() => pipe.close());
  return pipe;
}

test('sandbox and feed give what an instant held', async (t) => {
  const { source, at, digest, expireAt } = await record(t);
  const program = ['--sandbox-server', source.sandbox];

  await t.test('sandbox: as it could be read then, writable, until Ctrl-C', async (t) => {
    const port = await freePort();
    const from = Date.now() - Date.parse(at);
    const args = ['sandbox', '--at', at, '--port', String(port), ...program];
    const { running, document } = await start(t, args, source);
    const to = Date.now() - Date.parse(at);
    assert.equal(document['ttl'], 'remaining');
    assert.deepEqual(document['inexact'], []);
    const pipe = await open(t, `redis://127.0.0.1:${port}`);
    assert.equal(await pipe.call('DBSIZE'), 101);
    const shift = Number(await pipe.call('PEXPIRETIME', 'lives')) - expireAt;
    assert.ok(shift >= from && shift <= to, `${shift} is not within ${from} and ${to}`);
    assert.equal(String(await pipe.call('SET', 'mine', '1')), 'OK');
    running.kill('SIGINT');
    assert.equal((await running.finished).status, 0);
    await assert.rejects(RespPipe.open(`redis://127.0.0.1:${port}`));
  });

  await t.test('sandbox: of a backup, on a socket of ours alone', async (t) => {
    const { running, document } = await start(t, ['sandbox', ...program], source);
    const folder = dirname(String(document['address']).replace('unix://', ''));
    assert.ok(existsSync(folder));
    assert.equal(document['instant'], null);
    assert.equal(document['port'], null);
    running.kill('SIGTERM');
    assert.equal((await running.finished).status, 0);
    assert.ok(!existsSync(folder));
  });

  await t.test('feed: a server that is told REPLICAOF becomes it', async (t) => {
    const args = ['feed', '--at', at, '--listen', '127.0.0.1:0', '--once'];
    const { running, document } = await start(t, args, source);
    const target = await startServer('redis-7.0');
    t.after(() => target.stop());
    const pipe = await open(t, target.url);
    await pipe.call('SET', 'gone', '1');
    await pipe.call('REPLICAOF', '127.0.0.1', String(document['port']));
    const { status, stderr } = await running.finished;
    assert.equal(status, 0, stderr);
    assert.match(stderr, /has everything/);
    await pipe.call('REPLICAOF', 'NO', 'ONE');
    assert.equal(String(await pipe.call('DEBUG', 'DIGEST')), digest);
    assert.equal(await pipe.call('PEXPIRETIME', 'lives'), expireAt);
  });

  await t.test('refuse what they cannot do', async () => {
    const { env } = source;
    for (const [args, status, message] of [
      [['feed'], 2, /backup/],
      [['feed', 'latest', '--listen', 'nowhere'], 2, /Cannot listen on 'nowhere'/],
      [['sandbox', 'latest', '--at', at], 2, /both/],
      [['sandbox', '--sandbox-server', '/nowhere/redis-server'], 3, /nowhere/],
    ] as const) {
      const ended = await tidemark(args, { env });
      assert.equal(ended.status, status, ended.stderr);
      assert.match(ended.stderr, message);
    }
  });
});
