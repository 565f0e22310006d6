import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type TestContext, test } from 'node:test';
import { isCoded, RunControl } from '../../src/base/index.ts';
import { connect, type RedisConnection, Secret } from '../../src/redis/index.ts';
import {
  Feed,
  type FeedOptions,
  type FedPiece,
  Sandbox,
  type SandboxOptions,
} from '../../src/replay/index.ts';
import { type CommandArg, encodeCommand, replyText } from '../../src/resp/index.ts';
import { diffModels } from '../support/diff-models.ts';
import { readLive } from '../support/live-reader.ts';
import { freePort } from '../support/ports.ts';
import { sandboxServer } from '../support/sandbox-servers.ts';
import {
  findServer,
  notRun,
  SERVER_NAMES,
  type ServerName,
  whyMissing,
} from '../support/servers.ts';
import { Recording } from './recording.ts';

/** Commands that came at `atMs`. */
function piece(commands: readonly (readonly CommandArg[])[], atMs = Date.now()): FedPiece {
  return { bytes: Buffer.concat(commands.map((words) => encodeCommand(words))), atMs };
}

async function startSandbox(
  t: TestContext,
  name: ServerName,
  options: SandboxOptions = {},
): Promise<Sandbox> {
  const sandbox = await Sandbox.start(sandboxServer(name), options);
  t.after(() => sandbox.close());
  return sandbox;
}

async function listen(t: TestContext, options: FeedOptions): Promise<Feed> {
  const feed = await Feed.listen(options);
  t.after(() => feed.close());
  return feed;
}

async function ask(t: TestContext, sandbox: Sandbox): Promise<RedisConnection> {
  const connection = await connect(sandbox.address);
  t.after(() => connection.close());
  return connection;
}

const BASE: readonly (readonly CommandArg[])[] = [
  ['SET', 'base', '1'],
  ['RPUSH', 'list', ...Array.from({ length: 300 }, (_, i) => i)],
  ['EVAL', "for i=1,2000 do redis.call('SET','k'..i,string.rep('v',i%90)) end", 0],
];

const LOAD: readonly (readonly CommandArg[])[] = [
  ['SET', 'a', '1', 'EX', 5000],
  ['SETEX', 'b', 5000, 'v'],
  ['SELECT', 3],
  ['HSET', 'h', 'f', 'v', 'g', 'w'],
  ['MULTI'],
  ['INCR', 'n'],
  ['SADD', 'set', 'x', 'y', 'z'],
  ['SPOP', 'set'],
  ['EXEC'],
  ['ZADD', 'z', 1.5, 'm', '-inf', 'low'],
  ['XADD', 's', '*', 'f', 'v'],
  ['SET', 'big', 'x'.repeat(3_000_000)],
  ['APPEND', 'big', 'y'.repeat(100_000)],
  ['EVAL', "for i=1,50 do redis.call('INCRBY','n',i) redis.call('LPUSH','l',i) end", 0],
  ['MOVE', 'set', 5],
  ['SELECT', 0],
  ['RENAME', 'list', 'moved'],
  ['EXPIRE', 'moved', 5000],
  ['DEL', 'k1', 'k2'],
];

/** A server's own, then ones that read what it wrote. */
const PAIRS: readonly (readonly [ServerName, readonly ServerName[]])[] = [
  ['redis-6.0', ['redis-6.0', 'redis-7.0', 'redis-8.0']],
  ['redis-7.0', ['redis-7.0', 'redis-8.0', 'valkey-8', 'valkey-9']],
  ['redis-8.0', ['redis-8.0']],
  ['valkey-8', ['valkey-8', 'valkey-9']],
  ['valkey-9', ['valkey-9']],
];

for (const [from, into] of PAIRS) {
  test(`a sandbox fed from ${from} holds what that held: ${into.join(', ')}`, async (t) => {
    if (findServer(from) === undefined) return notRun(t, from, whyMissing(from));
    const recording = await Recording.begin(t, from, async (connection) => {
      await connection.pipeline(BASE);
    });
    await recording.connection.pipeline(LOAD);
    await recording.end();
    const truth = await readLive(recording.server.url);
    for (const name of into) {
      if (findServer(name) === undefined) {
        t.diagnostic(`not run: ${name}: ${whyMissing(name)}`);
        continue;
      }
      const port = await freePort();
      const sandbox = await startSandbox(t, name, { port });
      const recordedFrom = { family: from.split('-')[0] ?? '', version: '6.0.16' };
      const source = () => recording.source();
      const feed = await listen(t, { source, server: sandbox.target, recordedFrom });
      const { replica, failed } = await sandbox.fill(feed);
      assert.deepEqual(failed, []);
      assert.equal(replica.streamBytes, recording.source().streamBytes);
      const model = await readLive(`redis://127.0.0.1:${port}`);
      const expiryToleranceMs = from === 'redis-6.0' ? 200 : 0;
      assert.deepEqual(diffModels(truth, model, { access: false, expiryToleranceMs }), [], name);
      await sandbox.close();
      await feed.close();
    }
  });
}

for (const name of SERVER_NAMES) {
  const title = `${name} as a sandbox: expiry, errors, an end in the middle`;
  test(title, { concurrency: true }, async (t) => {
    if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
    const recording = await Recording.begin(t, name, async (connection) => {
      await connection.command(['SET', 'base', '1']);
    });
    await recording.end();

    const expiry = t.test('keeps what has expired until it is promoted', async (t) => {
      const sandbox = await startSandbox(t, name);
      const anHourAgo = Date.now() - 3_600_000;
      const hasFields = ['redis-8.0', 'redis-newest', 'valkey-9'].includes(name);
      const fields = [
        ['HSET', 'hash', 'gone', '1', 'kept', '2'],
        ['HPEXPIREAT', 'hash', anHourAgo + 5000, 'FIELDS', 2, 'gone', 'kept'],
        ['HPERSIST', 'hash', 'FIELDS', 1, 'kept'],
      ];
      const past = piece(
        [
          ['SETEX', 'gone', 5, 'v'],
          ['SETEX', 'kept', 5, 'v'],
          ['APPEND', 'kept', 'w'],
          ['PERSIST', 'kept'],
          ...(hasFields ? fields : [['HSET', 'hash', 'kept', '2']]),
        ],
        anHourAgo,
      );
      const source = () => recording.source([past]);
      await sandbox.fill(await listen(t, { source, server: sandbox.target }));
      const connection = await ask(t, sandbox);
      assert.equal(await connection.command(['DBSIZE']), 4);
      assert.equal(replyText(await connection.command(['GET', 'kept'])), 'vw');
      const hash = (await connection.command(['HGETALL', 'hash'])) as Buffer[];
      assert.deepEqual(hash.map(String), ['kept', '2']);
      await sandbox.promote();
      assert.equal(await connection.command(['EXISTS', 'gone']), 0);
      assert.equal(await connection.command(['SET', 'writable', '1']), 'OK');
    });

    const errors = t.test('counts what it refused, which ends the replay', async (t) => {
      const sandbox = await startSandbox(t, name);
      // Nothing is said of what the server knows, so that nothing is held back.
      const { family, version } = sandbox.target;
      const wrong = piece([
        ['NOSUCHCOMMAND', 'k'],
        ['SELECT', 99],
        ['SET', 'astray', '1'],
      ]);
      const source = () => recording.source([wrong]);
      const feed = await listen(t, { source, server: { family, version } });
      await assert.rejects(sandbox.fill(feed), (error) => {
        assert.ok(isCoded(error, 'REPLAY_INEXACT'), String(error));
        assert.match(error.message, /NOSUCHCOMMAND.*select|select.*NOSUCHCOMMAND/);
        return true;
      });
    });

    const death = t.test('that dies in the middle ends the replay', async (t) => {
      const sandbox = await startSandbox(t, name);
      const { promise: never, resolve } = Promise.withResolvers<void>();
      t.after(() => resolve());
      const source = () => ({
        ...recording.source(),
        readStream: async function* () {
          yield piece([['SET', 'k', 'v']]);
          await never;
        },
      });
      const feed = await listen(t, { source, server: sandbox.target });
      const filled = sandbox.fill(feed);
      filled.catch(() => {});
      const connection = await ask(t, sandbox);
      await until(async () => (await connection.command(['EXISTS', 'k'])) === 1);
      const info = replyText(await connection.command(['INFO', 'server']));
      process.kill(Number(/process_id:(\d+)/.exec(info)?.[1]), 'SIGKILL');
      await assert.rejects(filled, (error) => isCoded(error, 'SANDBOX_FAILED', 'FEED_LOST'));
    });
    await Promise.all([expiry, errors, death]);
  });
}

test('a feed: what one server is enough for', async (t) => {
  const name = 'redis-7.0';
  if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
  const recording = await Recording.begin(t, name, async (connection) => {
    await connection.command(['SET', 'base', '1', 'PX', 600_000]);
  });
  await recording.run(['SET', 'x', 'v']);
  await recording.end();
  const source = () => recording.source();

  await t.test('feeds several replicas at once, each with a source of its own', async (t) => {
    const [one, two] = [await startSandbox(t, name), await startSandbox(t, name)];
    let sources = 0;
    const events: string[] = [];
    const feed = await listen(t, {
      source: () => {
        sources++;
        return source();
      },
      server: one.target,
      onEvent: ({ kind }) => events.push(kind),
    });
    const { host, port } = feed.address;
    for (const sandbox of [one, two]) {
      const connection = await ask(t, sandbox);
      await connection.command(['REPLICAOF', host, port]);
    }
    const replicas = [await feed.fed(), await feed.fed()];
    assert.equal(new Set(replicas.map(({ peer }) => peer)).size, 2);
    assert.equal(sources, 2);
    assert.deepEqual(events.toSorted(), ['attached', 'attached', 'fed', 'fed']);
    assert.ok(feed.progress.every(({ phase }) => phase === 'fed'));

    // One that comes back gets everything anew.
    const connection = await ask(t, two);
    await connection.command(['REPLICAOF', 'NO', 'ONE']);
    await until(() => events.includes('left'));
    await connection.command(['SET', 'own', '1']);
    await connection.command(['REPLICAOF', host, port]);
    await feed.fed();
    assert.equal(await connection.command(['EXISTS', 'own', 'base']), 1);
    assert.equal(sources, 3);
  });

  await t.test('names a command that the server does not know before it sends it', async (t) => {
    const sandbox = await startSandbox(t, name);
    const newer = piece([['HSETEX', 'h', 'FIELDS', 1, 'f', 'v']]);
    const feed = await listen(t, {
      source: () => recording.source([newer]),
      server: sandbox.target,
    });
    await assert.rejects(sandbox.fill(feed), (error) => {
      return isCoded(error, 'REPLAY_INEXACT') && error.message.includes('HSETEX');
    });
  });

  await t.test('skips and counts it where that is allowed', async (t) => {
    const sandbox = await startSandbox(t, name);
    const pieces = [
      piece([
        ['HSETEX', 'h', 'FIELDS', 1, 'f', 'v'],
        ['SELECT', 77],
        ['SET', 'lost', '1'],
        ['SELECT', 0],
        ['SET', 'k', 'v'],
      ]),
    ];
    const feed = await listen(t, {
      source: () => recording.source(pieces),
      server: sandbox.target,
      allowInexact: true,
    });
    const { replica, failed } = await sandbox.fill(feed);
    assert.deepEqual(failed, []);
    assert.deepEqual(Object.keys(replica.translation.inexact), ['HSETEX', 'SET']);
    const connection = await ask(t, sandbox);
    assert.equal(await connection.command(['EXISTS', 'k', 'lost']), 1);
  });

  await t.test('shifts the expiries of the stream for a sandbox to look around in', async (t) => {
    const sandbox = await startSandbox(t, name);
    const yearAgo = Date.now() - 365 * 86_400_000;
    const pieces = [piece([['SETEX', 'k', 60, 'v']], yearAgo)];
    const feed = await listen(t, {
      source: () => recording.source(pieces),
      server: sandbox.target,
      shiftMs: Date.now() - yearAgo,
    });
    await sandbox.fill(feed);
    await sandbox.promote();
    const connection = await ask(t, sandbox);
    const ttl = Number(await connection.command(['PTTL', 'k']));
    assert.ok(ttl > 30_000 && ttl <= 60_000, `${ttl} ms`);
  });

  await t.test('serves only replicas that say its password', async (t) => {
    const sandbox = await startSandbox(t, name);
    const feed = await listen(t, {
      source,
      server: sandbox.target,
      password: new Secret(randomUUID()),
      deadlines: { attachMs: 300 },
    });
    const connection = await ask(t, sandbox);
    const { host, port } = feed.address;
    await connection.command(['REPLICAOF', host, port]);
    await assert.rejects(feed.fed(), (error) => isCoded(error, 'FEED_REFUSED'));
    await connection.command(['REPLICAOF', 'NO', 'ONE']);
    await sandbox.fill(feed);
  });

  await t.test('keeps to its rate, and stands still while it is paused', async (t) => {
    const sandbox = await startSandbox(t, name);
    const control = new RunControl({ bytesPerSecond: 1 << 20, paused: true });
    const value = 'v'.repeat(40_000);
    const pieces = Array.from({ length: 20 }, (_, i) => piece([['SET', `k${i}`, value]]));
    const feed = await listen(t, {
      source: () => recording.source(pieces),
      server: sandbox.target,
      control,
    });
    const filled = sandbox.fill(feed);
    await until(() => feed.progress.length === 1);
    assert.equal(feed.progress[0]?.streamBytes, 0);
    const begin = performance.now();
    control.change({ paused: false });
    await filled;
    const seconds = (performance.now() - begin) / 1000;
    assert.ok(seconds > 0.4 && seconds < 3, `${seconds} s for 0.8 MB at 1 MiB/s`);
  });

  await t.test('tells a sandbox that is too big for the memory with the figure', async () => {
    const expectedBytes = 1 << 30;
    await assert.rejects(
      Sandbox.start(sandboxServer(name), { expectedBytes, availableBytes: 1 << 29 }),
      (error) => isCoded(error, 'SANDBOX_UNAVAILABLE') && /1364 MiB.*512 MiB/.test(error.message),
    );
  });

  await t.test('fills an empty server of somebody else, and leaves it empty', async (t) => {
    const theirs = await startSandbox(t, name);
    const sandbox = await Sandbox.attach(theirs.address);
    t.after(() => sandbox.close());
    await sandbox.fill(await listen(t, { source, server: sandbox.target }));
    const connection = await ask(t, theirs);
    assert.equal(await connection.command(['DBSIZE']), 2);
    await sandbox.close();
    assert.equal(await connection.command(['DBSIZE']), 0);
    await connection.command(['SET', 'k', 'v']);
    await assert.rejects(Sandbox.attach(theirs.address), (error) => {
      return isCoded(error, 'SANDBOX_UNAVAILABLE') && error.message.includes('it has keys');
    });
  });
});

test('a source newer than the sandbox: nothing is skipped in silence', async (t) => {
  const [older, newer] = ['redis-7.0', 'redis-8.0'] as const;
  for (const name of [older, newer]) {
    if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
  }
  const nothing = async (): Promise<void> => {};
  // A base that both can read, as a repository would write it.
  const empty = await Recording.begin(t, older, nothing);
  const recording = await Recording.begin(t, newer, nothing);
  await recording.run(
    ['HSET', 'h', 'f', 'v'],
    ['HEXPIRE', 'h', 1000, 'FIELDS', 1, 'f'],
    ['HSETEX', 'h', 'EX', 1000, 'FIELDS', 1, 'g', 'w'],
  );
  await recording.end();
  const base = empty.source();
  const source = () => ({
    ...recording.source(),
    writeBase: (...all: Parameters<typeof base.writeBase>) => base.writeBase(...all),
  });
  const recordedFrom = { family: 'redis', version: '8.0.2' };

  const told = await startSandbox(t, older);
  const careful = await listen(t, { source, server: told.target, recordedFrom });
  await assert.rejects(told.fill(careful), (error) => {
    return isCoded(error, 'REPLAY_INEXACT') && error.message.includes('HPEXPIREAT');
  });

  // The same with a feed that does not know what the server knows.
  const untold = await startSandbox(t, older);
  const { family, version } = untold.target;
  const blind = await listen(t, { source, server: { family, version }, recordedFrom });
  await assert.rejects(untold.fill(blind), (error) => {
    const names = ['HPEXPIREAT', 'HSETEX'];
    return isCoded(error, 'REPLAY_INEXACT') && names.every((name) => error.message.includes(name));
  });
});

async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isDone())) {
    if (Date.now() > deadline) throw new Error('it did not come to pass within 20 s');
    await delay(10);
  }
}
