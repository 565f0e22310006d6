import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { backUp } from '../../src/backup/index.ts';
import { isCoded } from '../../src/base/index.ts';
import { connect, parseAddress, resolveAddress } from '../../src/redis/index.ts';
import { openRepository } from '../../src/repository/index.ts';
import { precheckSource } from '../../src/sources/index.ts';
import { storedModel } from '../backup/stored-lines.ts';
import { FakeRedis } from '../fakes/fake-redis.ts';
import { MemoryStorage } from '../fakes/memory-storage.ts';
import { freePort } from '../support/ports.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { RunningSentinel, until } from '../support/sentinel.ts';
import {
  findServer,
  notRun,
  type RunningServer,
  startServer,
  whyMissing,
} from '../support/servers.ts';

const NAME = 'redis-7.0';

async function set(server: RunningServer, key: string): Promise<void> {
  const pipe = await RespPipe.open(server.url);
  await pipe.call('SET', key, 'v');
  pipe.close();
}

describe('a sentinel:// address', () => {
  test('is the master that the Sentinel names, also after a failover', async (t) => {
    const binary = findServer(NAME);
    if (binary === undefined) return notRun(t, NAME, whyMissing(NAME));
    await using first = await startServer(binary);
    await using second = await startServer(binary, {
      config: { replicaof: `127.0.0.1 ${first.port}` },
    });
    await using sentinel = await RunningSentinel.start(binary, first);
    await set(first, 'before');
    const address = parseAddress(sentinel.url);
    assert.equal((await resolveAddress(address)).port, first.port);

    const control = await connect(parseAddress(`redis://127.0.0.1:${sentinel.port}`));
    await until('a replica that the Sentinel knows and finds healthy', async () => {
      const replicas = await control.command(['SENTINEL', 'REPLICAS', 'orders']);
      const text = JSON.stringify(replicas, (_, part) =>
        part?.type === 'Buffer' ? Buffer.from(part.data).toString() : part,
      );
      const isUp = text.includes('"master-link-status","ok"') && text.includes('"flags","slave"');
      return isUp ? true : undefined;
    });

    // A replica that has just attached may be listed as healthy before the first write reaches it.
    const replica = await connect(parseAddress(second.url));
    await until('the key at the replica', async () =>
      (await replica.command(['EXISTS', 'before'])) === 1 ? true : undefined,
    );
    replica.close();

    const findings = await precheckSource(address, { watchMs: 10 });
    assert.equal(findings.find(({ id }) => id === 'source.state')?.level, 'ok');
    const repository = await openRepository(new MemoryStorage(), { mode: 'write' });
    const one = await backUp({ repository, address });
    assert.equal(one.source.name, 'orders');
    assert.equal(one.manifest.shards[0]?.address, `redis://127.0.0.1:${second.port}`);
    assert.equal(one.manifest.shards[0]?.role, 'replica');
    const ofMaster = await backUp({ repository, address, from: 'master' });
    assert.equal(ofMaster.manifest.shards[0]?.address, `redis://127.0.0.1:${first.port}`);

    await first.kill();
    await until('the failover', async () => {
      const conn = await connect(address);
      conn.close();
      return conn.address.port === second.port ? true : undefined;
    });
    await set(second, 'after');
    const two = await backUp({ repository, address });
    assert.equal(two.source.id, one.source.id, 'the same source by its history');
    assert.equal(two.manifest.shards[0]?.address, `redis://127.0.0.1:${second.port}`);
    const model = await storedModel(repository, two.manifest);
    assert.deepEqual([...model.keys.keys()].sort(), ['0:after', '0:before']);
    control.close();
  });

  test('asks the next Sentinel when one cannot be reached', async (t) => {
    const binary = findServer(NAME);
    if (binary === undefined) return notRun(t, NAME, whyMissing(NAME));
    await using server = await startServer(binary, { config: { requirepass: 'pw' } });
    const answer = `*2\r\n$9\r\n127.0.0.1\r\n$${`${server.port}`.length}\r\n${server.port}\r\n`;
    // Wants no login, as most do: the password is the server's.
    await using fake = await FakeRedis.start({
      answers: {
        AUTH: '-ERR AUTH <password> called without any password configured\r\n',
        'SENTINEL GET-MASTER-ADDR-BY-NAME': answer,
      },
    });
    const dead = await freePort();
    const url = `sentinel://:pw@127.0.0.1:${dead},127.0.0.1:${fake.port}/m/3`;
    const conn = await connect(parseAddress(url));
    assert.equal(conn.address.port, server.port);
    assert.equal(conn.address.database, 3);
    assert.equal(await conn.command(['PING']), 'PONG');
    conn.close();
  });

  test('says that no Sentinel answers, or that none knows the name', async () => {
    const dead = await freePort();
    await assert.rejects(
      connect(parseAddress(`sentinel://127.0.0.1:${dead}/m`)),
      (error) => isCoded(error, 'CONNECT_FAILED') && /any Sentinel/.test(error.message),
    );
    await using fake = await FakeRedis.start({
      answers: { 'SENTINEL GET-MASTER-ADDR-BY-NAME': '*-1\r\n' },
    });
    await assert.rejects(connect(parseAddress(`sentinel://127.0.0.1:${fake.port}/m`)), (error) =>
      isCoded(error, 'SENTINEL_UNKNOWN_MASTER'),
    );
    await using plain = await FakeRedis.start({
      answers: { SENTINEL: "-ERR unknown command 'SENTINEL'\r\n" },
    });
    await assert.rejects(
      connect(parseAddress(`sentinel://127.0.0.1:${plain.port}/m`)),
      (error) => isCoded(error, 'CONNECT_FAILED') && /unknown command/.test(error.message),
    );
  });

  test('ends while a failover does not when it is interrupted', async () => {
    const replica = await FakeRedis.start({ answers: { ROLE: '*1\r\n$5\r\nslave\r\n' } });
    const port = `${replica.port}`;
    const answer = `*2\r\n$9\r\n127.0.0.1\r\n$${port.length}\r\n${port}\r\n`;
    await using fake = await FakeRedis.start({
      answers: { 'SENTINEL GET-MASTER-ADDR-BY-NAME': answer },
    });
    const abort = new AbortController();
    const connecting = connect(parseAddress(`sentinel://127.0.0.1:${fake.port}/m`), {
      signal: abort.signal,
    });
    await until('two looks at the role', async () =>
      replica.commands.filter((command) => command === 'ROLE').length >= 2 ? true : undefined,
    );
    abort.abort();
    await assert.rejects(connecting, (error) => isCoded(error, 'INTERRUPTED'));
    await replica[Symbol.asyncDispose]();
  });
});
