import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { CodedError, isCoded, RunControl } from '../../src/base/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import {
  feedPartsOf,
  planRewind,
  readHistory,
  replaceInstance,
  type ReplaceRequest,
  resolveInstant,
  type WantedInstant,
} from '../../src/rewind/index.ts';
import { tidemark, tidemarkJson } from '../cli/run-tidemark.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { type RunningServer, type StartOptions, startServer } from '../support/servers.ts';
import { RecordedSource } from './recorded-source.ts';

type Target = {
  readonly server: RunningServer;
  readonly pipe: RespPipe;
  /** What --yes-replace takes. */
  readonly name: string;
};

async function startTarget(t: TestContext, options: StartOptions = {}): Promise<Target> {
  const server = await startServer('redis-7.0', options);
  t.after(() => server.stop());
  const pipe = await RespPipe.open(server.url);
  t.after(() => pipe.close());
  return { server, pipe, name: `127.0.0.1:${server.port}` };
}

/** Everything that `restore --replace-instance` needs to be allowed. */
function replacing({ server, name }: Target, ...more: string[]): string[] {
  const how = ['--replace-instance', '--to', server.url, '--yes-replace', name];
  return ['restore', ...how, ...more];
}

async function role(pipe: RespPipe): Promise<string> {
  const info = String(await pipe.call('INFO', 'replication'));
  return /^role:(\w+)/m.exec(info)?.[1] ?? '';
}

async function record(t: TestContext): Promise<RecordedSource & { readonly digest: string }> {
  const recorded = await RecordedSource.start(t);
  const { pipe } = recorded;
  for (let i = 0; i < 100; i++) pipe.pipe('SET', `user:${i}`, `value ${i}`);
  pipe.pipe('FUNCTION', 'LOAD', "#!lua name=shop\nredis.register_function('f', function() end)");
  await pipe.done();
  await recorded.backUp();
  pipe.pipe('SET', 'lasting', 'stays', 'PX', '600000');
  pipe.pipe('SELECT', '3');
  pipe.pipe('RPUSH', 'orders', 'first');
  pipe.pipe('SELECT', '0');
  await pipe.done();
  const digest = String(await pipe.call('DEBUG', 'DIGEST'));
  await pipe.call('FLUSHALL');
  await recorded.store();
  return Object.assign(recorded, { digest });
}

describe('restore --replace-instance', () => {
  test('feeds the target, keeps what it held, and can put that back', async (t) => {
    const recorded = await record(t);
    const { env } = recorded;
    const target = await startTarget(t, { config: { 'replica-read-only': 'no' } });
    const { pipe } = target;
    await pipe.call('SET', 'old', 'data');
    await pipe.call(
      'FUNCTION',
      'LOAD',
      '#!lua name=old\nredis.register_function("o", function() end)',
    );
    const old = String(await pipe.call('DEBUG', 'DIGEST'));

    const args = replacing(target, '--before', 'last:FLUSHALL');
    const dry = await tidemark([...args, '--dry-run'], { env });
    assert.equal(dry.status, 0, dry.stderr);
    assert.equal(String(await pipe.call('DEBUG', 'DIGEST')), old);

    const { status, document, stderr } = await tidemarkJson(args, { env });
    assert.equal(status, 0, stderr);
    assert.equal(String(await pipe.call('DEBUG', 'DIGEST')), recorded.digest);
    const functions = String(await pipe.call('FUNCTION', 'LIST'));
    assert.ok(functions.includes('shop') && !functions.includes('old'), functions);
    assert.equal(await role(pipe), 'master');
    assert.equal(
      String(await pipe.call('CONFIG', 'GET', 'replica-read-only')),
      'replica-read-only,no',
    );
    type Report = { before: { keys: number; undo: string }; keys: Record<string, number> };
    const { before, keys } = document as Report;
    assert.equal(before.keys, 1);
    assert.deepEqual(keys, { 0: 101, 3: 1 });

    const undo = ['--source', `undo-127.0.0.1-${target.server.port}`, before.undo];
    const back = await tidemark(replacing(target, '--no-undo', ...undo), { env });
    assert.equal(back.status, 0, back.stderr);
    assert.equal(String(await pipe.call('DEBUG', 'DIGEST')), old);
    assert.ok(String(await pipe.call('FUNCTION', 'LIST')).includes('old'));
    // The source of the undo point is in nobody's way.
    assert.equal((await tidemark(['cat', 'latest'], { env })).status, 0);
  });

  test('refuses without the address again, and targets that must not be replaced', async (t) => {
    const recorded = await record(t);
    const { env } = recorded;
    const target = await startTarget(t);
    const { server, pipe } = target;
    await pipe.call('SET', 'old', 'data');
    const at = ['--before', 'last:FLUSHALL'];
    const plain = ['restore', '--replace-instance', '--to', server.url, ...at];
    const unasked = await tidemark(plain, { env });
    assert.equal(unasked.status, 3);
    assert.match(unasked.stderr, new RegExp(`--yes-replace ${target.name}`));
    const other = await tidemark([...plain, '--yes-replace', '127.0.0.1:1'], { env });
    assert.equal(other.status, 3);
    for (const more of [
      ['--db', '0'],
      ['--conflict', 'skip'],
      ['--map-db', '0:1'],
    ]) {
      const { status, stderr } = await tidemark([...plain, ...more], { env });
      assert.equal(status, 2, stderr);
    }

    const replica = await startTarget(t);
    await replica.pipe.call('REPLICAOF', '127.0.0.1', server.port);
    const deadline = Date.now() + 10_000;
    while (!String(await pipe.call('INFO', 'replication')).includes('state=online')) {
      assert.ok(Date.now() < deadline, 'the replica does not come up');
    }
    const withReplica = await tidemark(replacing(target, ...at), { env });
    assert.equal(withReplica.status, 3);
    assert.match(withReplica.stderr, /has replicas/);
    const ofReplica = await tidemark(replacing(replica, ...at), { env });
    assert.equal(ofReplica.status, 3);
    assert.match(ofReplica.stderr, /is a replica of 127.0.0.1/);
    const cluster = await startTarget(t, { config: { 'cluster-enabled': 'yes' } });
    const ofCluster = await tidemark(replacing(cluster, ...at), { env });
    assert.equal(ofCluster.status, 3);
    assert.match(ofCluster.stderr, /cluster/);
    assert.equal(await pipe.call('GET', 'old').then(String), 'data');
  });

  test('leaves a target alone that cannot reach us', async (t) => {
    const recorded = await record(t);
    const target = await startTarget(t);
    await target.pipe.call('SET', 'old', 'data');
    const request = await requestOf(recorded, target);
    // No network of anybody's, so that connecting fails at once.
    const unreachable = { ...request, feedHost: '240.0.0.1', reachMs: 1000 };
    await assert.rejects(replaceInstance(unreachable), { code: 'FEED_REFUSED' });
    assert.equal(await role(target.pipe), 'master');
    assert.equal(String(await target.pipe.call('GET', 'old')), 'data');
  });

  test('refuses what the target cannot replay while it still has its data', async (t) => {
    const recorded = await RecordedSource.start(t);
    await recorded.backUp();
    await recorded.pipe.call('FUNCTION', 'FLUSH');
    await recorded.pipe.call('SELECT', '12');
    await recorded.pipe.call('SET', 'far', 'away');
    await recorded.store();
    const target = await startTarget(t, { config: { databases: '4' } });
    await target.pipe.call('SET', 'old', 'data');
    const wanted = { kind: 'at', text: 'latest' } as const;
    const request = await requestOf(recorded, target, wanted);
    await assert.rejects(replaceInstance(request), { code: 'REPLAY_INEXACT', message: /12/ });
    assert.equal(await role(target.pipe), 'master');
    assert.equal(String(await target.pipe.call('GET', 'old')), 'data');
  });

  test('leaves a target that is half done read-only, and goes on from there', async (t) => {
    const recorded = await record(t);
    const target = await startTarget(t);
    const { pipe } = target;
    await pipe.call('SET', 'old', 'data');
    const request = await requestOf(recorded, target);
    const stop = new AbortController();
    const interrupted = replaceInstance({
      ...request,
      control: new RunControl({ bytesPerSecond: 500 }),
      onProgress: ({ phase, bytes }) => {
        if (phase === 'loading' && bytes > 0) stop.abort(new CodedError('INTERRUPTED', 'stop'));
      },
      signal: stop.signal,
    });
    await assert.rejects(interrupted, { code: 'INTERRUPTED', message: /read-only|stop/ });
    assert.equal(await role(pipe), 'slave');
    assert.match(String(await pipe.call('SET', 'x', '1').catch(String)), /READONLY/);
    const report = await replaceInstance(request);
    assert.equal(String(await pipe.call('DEBUG', 'DIGEST')), recorded.digest);
    assert.match(report.notices.join(' '), /failed before/);
    assert.equal(await role(pipe), 'master');
  });

  test('fails when the target dies in the middle', async (t) => {
    const recorded = await record(t);
    const target = await startTarget(t);
    const request = await requestOf(recorded, target);
    let killed: Promise<void> | undefined;
    const failing = replaceInstance({
      ...request,
      control: new RunControl({ bytesPerSecond: 500 }),
      onProgress: ({ phase, bytes }) => {
        if (phase === 'loading' && bytes > 0) killed ??= target.server.kill();
      },
    });
    await assert.rejects(failing, (error: unknown) => {
      assert.ok(isCoded(error, 'FEED_LOST', 'TARGET_LOST'), String(error));
      assert.match(error.message, /cannot be told what to be/);
      return true;
    });
    await killed;
  });
});

/** As the command line would ask, without an undo point. */
async function requestOf(
  recorded: RecordedSource,
  { server }: Target,
  wanted: WantedInstant = { kind: 'before', text: 'last:FLUSHALL' },
): Promise<ReplaceRequest> {
  const history = await readHistory(recorded.repository, recorded.source);
  const { point } = await resolveInstant(history, wanted, { nowMs: Date.now() });
  const plan = await planRewind(history, point);
  return {
    parts: feedPartsOf(plan),
    server: plan.server,
    atMs: point.atMs,
    target: parseAddress(server.url),
    undo: null,
  };
}
