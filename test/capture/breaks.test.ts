import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { listBackups, type Repository } from '../../src/repository/index.ts';
import { CaptureHere, type CapturePlace, capturePlace, openPlace } from '../support/capture.ts';
import { RawReplica } from '../support/raw-replica.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../cli/run-tidemark.ts';
import { offsetOf, proveSame, storedLineages, writeSome } from './proof.ts';

const CUTS = 25;

async function scene(t: TestContext): Promise<{ place: CapturePlace; repository: Repository }> {
  const place = capturePlace();
  t.after(() => place.remove());
  return { place, repository: await openPlace(place) };
}

describe('a capture whose link breaks', { concurrency: 2 }, () => {
  test(`at random bytes, ${CUTS} times, has recorded every byte`, async (t) => {
    const random = new SeededRandom(20261122);
    await using server = await startServer('redis-7.0');
    await using proxy = await TcpProxy.start(server.port);
    const { place, repository } = await scene(t);
    const pipe = await RespPipe.open(server.url);
    await using replica = await RawReplica.attach(server.port);
    await using capture = await CaptureHere.start(proxy.url, place, {
      repository,
      retryMs: 5,
      segmentBytes: 64 << 10,
    });
    await capture.waitFull();
    proxy.cutAfter = () => 500 + random.below(20_000);
    proxy.cut();
    for (let round = 0; proxy.cuts < CUTS && round < 2000; round++) {
      await writeSome(pipe, 40, round);
      const seen = await offsetOf(pipe);
      await capture.waitFor('what was written', ({ receivedOffset, phase }) => {
        return (receivedOffset ?? 0) >= seen - 200_000 || phase === 'failed';
      });
    }
    assert.ok(proxy.cuts >= CUTS, `only ${proxy.cuts} cuts`);
    proxy.cutAfter = () => Number.POSITIVE_INFINITY;
    const end = await offsetOf(pipe);
    await capture.waitDurable(end);
    await capture.stop();
    const lineages = await storedLineages(repository);
    assert.equal(lineages.length, 1, capture.story());
    await proveSame(repository, lineages[0], replica, end);
    assert.ok(lineages[0].segments.length > 1);
  });

  test('for longer than the backlog lasts, shows a gap and takes a full backup', async (t) => {
    const config = { 'repl-backlog-size': '16kb' };
    await using server = await startServer('redis-8.0', { config });
    await using proxy = await TcpProxy.start(server.port);
    const { place, repository } = await scene(t);
    const pipe = await RespPipe.open(server.url);
    await using capture = await CaptureHere.start(proxy.url, place, { repository });
    await capture.waitFull();
    await writeSome(pipe, 100);
    const before = await offsetOf(pipe);
    await capture.waitDurable(before);
    proxy.isRefusing = true;
    proxy.cut();
    await writeSome(pipe, 2000, 2);
    proxy.isRefusing = false;
    await capture.waitFor('a gap', ({ gaps }) => gaps.length === 1);
    await using replica = await RawReplica.attach(server.port);
    await writeSome(pipe, 100, 3);
    const end = await offsetOf(pipe);
    await capture.waitDurable(end);
    await waitFor('a second full backup', () => fullsOf(capture) === 2);
    await capture.stop();
    const [first, second, ...more] = await storedLineages(repository);
    assert.equal(more.length, 0);
    assert.equal(first.lastOffset >= before, true);
    assert.equal(second.record.gap?.lineage, first.record.lineage);
    assert.equal(second.record.gap?.endOffset, first.lastOffset);
    assert.equal(second.record.gap?.orphanFrom, null);
    assert.ok(second.record.startOffset > first.lastOffset);
    assert.ok(capture.notices.some((text) => text.startsWith('GAP')));
    assert.equal((await listBackups(repository, first.source)).length, 2);
    await proveSame(repository, second, replica, end);
  });

  test('by a restart of its master with its dump goes on; without, shows a gap', async (t) => {
    await using server = await startServer('redis-8.0', { config: { save: '3600 1' } });
    const { place, repository } = await scene(t);
    const pipe = await RespPipe.open(server.url);
    await using capture = await CaptureHere.start(server.url, place, { repository });
    await writeSome(pipe, 100);
    await capture.waitDurable(await offsetOf(pipe));
    await capture.waitFull();
    // A shutdown waits for replicas to have everything: also for us, and not for long.
    const beganAt = performance.now();
    await server.kill('SIGTERM');
    assert.ok(performance.now() - beganAt < 8000, 'the shutdown waited for us');
    await server.start();
    const again = await RespPipe.open(server.url);
    await capture.waitFor('the link', ({ phase, reconnects }) => {
      return phase === 'recording' && reconnects > 0;
    });
    await using replica = await RawReplica.attach(server.port);
    await writeSome(again, 100, 2);
    const end = await offsetOf(again);
    await capture.waitDurable(end);
    assert.deepEqual(capture.latest()?.gaps, [], capture.story());
    await server.kill('SIGKILL');
    await server.start();
    const gone = await capture.waitFor('a gap', ({ gaps }) => gaps.length === 1);
    assert.ok(gone.gaps[0].endOffset >= end);
    await capture.stop();
    const [first, second] = await storedLineages(repository);
    await proveSame(repository, first, replica, end);
    assert.equal(first.replids.length, 2);
    assert.equal(second.record.gap?.lineage, first.record.lineage);
  });
});

/** How many full backups a capture has told of. */
function fullsOf(capture: CaptureHere): number {
  return capture.notices.filter((text) => /^Full backup .* is stored/.test(text)).length;
}

describe('a capture over a failover', { concurrency: 2 }, () => {
  test('of the replica that it follows goes on under the new id', async (t) => {
    await using master = await startServer('valkey-8');
    const config = { replicaof: `127.0.0.1 ${master.port}` };
    await using promoted = await startServer('valkey-8', { config });
    const { place, repository } = await scene(t);
    const pipe = await RespPipe.open(master.url);
    const other = await RespPipe.open(promoted.url);
    await inSync(pipe, other);
    await using capture = await CaptureHere.start(promoted.url, place, { repository });
    await writeSome(pipe, 200);
    await capture.waitDurable(await offsetOf(pipe));
    await capture.waitFull();
    await inSync(pipe, other);
    await master.kill();
    await other.call('REPLICAOF', 'NO', 'ONE');
    await using replica = await RawReplica.attach(promoted.port);
    await writeSome(other, 200, 2);
    const end = await offsetOf(other);
    await capture.waitDurable(end);
    await capture.stop();
    const lineages = await storedLineages(repository);
    assert.equal(lineages.length, 1, capture.story());
    assert.equal(lineages[0].replids.length, 2);
    await proveSame(repository, lineages[0], replica, end);
  });

  test('to a replica that knew less keeps what it had as an orphan tail', async (t) => {
    await using master = await startServer('redis-7.0');
    await using feed = await TcpProxy.start(master.port);
    const config = { replicaof: `127.0.0.1 ${feed.port}` };
    await using promoted = await startServer('redis-7.0', { config });
    await using proxy = await TcpProxy.start(master.port);
    const { place, repository } = await scene(t);
    const pipe = await RespPipe.open(master.url);
    const other = await RespPipe.open(promoted.url);
    await inSync(pipe, other);
    await using capture = await CaptureHere.start(proxy.url, place, { repository, from: 'master' });
    await capture.waitFull();
    await writeSome(pipe, 100);
    await inSync(pipe, other);
    // The replica is cut off; the master, and we, go on for a while.
    feed.isRefusing = true;
    feed.cut();
    const known = await offsetOf(pipe);
    await writeSome(pipe, 100, 2);
    const ahead = await offsetOf(pipe);
    await capture.waitDurable(ahead);
    await master.kill();
    await other.call('REPLICAOF', 'NO', 'ONE');
    const promotedAt = Number(
      /second_repl_offset:(\d+)/.exec(String(await other.call('INFO', 'replication')))?.[1],
    );
    proxy.target = promoted.port;
    await capture.waitFor('a gap', ({ gaps }) => gaps.length === 1);
    await capture.stop();
    const [first, second] = await storedLineages(repository);
    assert.ok(promotedAt - 1 < ahead && promotedAt - 1 <= known);
    assert.equal(second.record.gap?.orphanFrom, promotedAt - 1);
    assert.equal(first.orphanFrom, promotedAt - 1);
    assert.ok(first.lastOffset >= ahead);
  });

  test('is not needed to read a chained replica, which begins in any database', async (t) => {
    const binary = findServer('valkey-9');
    if (binary === undefined) return notRun(t, 'valkey-9', whyMissing('valkey-9'));
    await using master = await startServer(binary);
    const config = { replicaof: `127.0.0.1 ${master.port}` };
    await using chained = await startServer(binary, { config });
    const { place, repository } = await scene(t);
    const pipe = await RespPipe.open(master.url);
    const other = await RespPipe.open(chained.url);
    await inSync(pipe, other);
    await pipe.call('SELECT', '7');
    await pipe.call('HSET', 'hash', 'field', 'value');
    await pipe.call('HEXPIRE', 'hash', '1000', 'FIELDS', '1', 'field');
    await inSync(pipe, other);
    await using capture = await CaptureHere.start(chained.url, place, { repository });
    await capture.waitFull();
    // No SELECT comes: the database is known from the head of the dump alone.
    await pipe.call('SET', 'in seven', '1');
    const end = await offsetOf(pipe);
    await capture.waitDurable(end);
    await capture.stop();
    const [lineage] = await storedLineages(repository);
    assert.equal(lineage.segments[0]?.database, 7);
  });
});

/** Resolves when the replica has everything that its master has. */
async function inSync(master: RespPipe, replica: RespPipe): Promise<void> {
  await waitFor('the replica', async () => {
    const info = String(await replica.call('INFO', 'replication'));
    const offset = Number(/slave_repl_offset:(\d+)/.exec(info)?.[1] ?? -1);
    return /master_link_status:up/.test(info) && offset === (await offsetOf(master));
  });
}
