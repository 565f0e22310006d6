import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded } from '../../src/base/index.ts';
import {
  connect,
  describeServer,
  parseAddress,
  type ServerIdentity,
} from '../../src/redis/index.ts';
import { chooseNode, openReplication } from '../../src/sources/index.ts';
import { FakeRedis } from '../fakes/fake-redis.ts';
import { type RunningServer, startServer } from '../support/servers.ts';

async function until(
  server: RunningServer,
  condition: (identity: ServerIdentity) => boolean,
): Promise<void> {
  const conn = await connect(parseAddress(server.url));
  const deadline = Date.now() + 20_000;
  while (!condition(await describeServer(conn))) {
    assert.ok(Date.now() < deadline, 'waited in vain for the replicas');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  conn.close();
}

describe('chooseNode', () => {
  test('takes a healthy replica, its history, and falls back when it is gone', async (t) => {
    const master = await startServer('redis-7.0', { config: { requirepass: 'pw' } });
    t.after(() => master.stop());
    const config = {
      replicaof: `127.0.0.1 ${master.port}`,
      requirepass: 'pw',
      masterauth: 'pw',
    };
    const replica = await startServer('redis-7.0', { config });
    t.after(() => replica.stop());
    const login = (server: RunningServer) => parseAddress(server.url, { password: 'pw' });
    const masterConn = await connect(login(master));
    const deadline = Date.now() + 20_000;
    for (;;) {
      const { replicas } = await describeServer(masterConn);
      if (replicas?.[0]?.state === 'online') break;
      assert.ok(Date.now() < deadline, 'waited in vain for the replica');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const chosen = await chooseNode(login(master), 'auto');
    assert.deepEqual([chosen.role, chosen.address.port], ['replica', replica.port]);
    assert.match(chosen.why, /healthy replica/);
    const source = await openReplication(chosen.address);
    assert.ok((await source.start(() => {})).bytes > 9);
    assert.equal(source.origin.replid, (await describeServer(masterConn)).replid);

    const asked = await chooseNode(login(master), 'master');
    assert.deepEqual([asked.role, asked.address.port], ['master', master.port]);
    const named = await chooseNode(login(replica), 'auto');
    assert.deepEqual([named.role, named.address.port], ['replica', replica.port]);
    const followed = await chooseNode(login(replica), 'master');
    assert.deepEqual([followed.role, followed.address.port], ['master', master.port]);

    const replicaConn = await connect(login(replica));
    await replicaConn.command(['CONFIG', 'SET', 'requirepass', 'other']);
    replicaConn.close();
    const fallback = await chooseNode(login(master), 'auto');
    assert.equal(fallback.role, 'master');
    assert.match(fallback.passedOver[0]?.why ?? '', /WRONGPASS/);
    const insisted = chooseNode(login(master), 'replica');
    await assert.rejects(insisted, (e) => isCoded(e, 'REPLICA_UNAVAILABLE'));

    await replica.kill();
    assert.equal((await chooseNode(login(master), 'auto')).role, 'master');
    masterConn.close();
  });

  test('passes over a replica that has lost its master', async (t) => {
    const master = await startServer('redis-7.0');
    t.after(() => master.stop());
    const replica = await startServer('redis-7.0', {
      config: { replicaof: `127.0.0.1 ${master.port}` },
    });
    t.after(() => replica.stop());
    await until(master, (identity) => identity.replicas?.[0]?.state === 'online');
    const text = await (async () => {
      const conn = await connect(parseAddress(master.url));
      const { info } = await describeServer(conn);
      conn.close();
      return Object.entries(info).map(([name, value]) => `${name}:${value}`);
    })();
    await master.kill();
    await until(replica, (identity) => identity.master?.linkUp === false);
    // A master that still lists the replica, which itself knows better.
    await using fake = await FakeRedis.start({ info: () => text.join('\r\n') });
    const choice = await chooseNode(fake.address, 'auto');
    assert.equal(choice.role, 'master');
    assert.match(choice.passedOver[0]?.why ?? '', /lost the link/);
  });

  test('passes over readers like ourselves, replicas not ready, and those that lag', async () => {
    const listed = [
      'slave0:ip=10.0.0.1,port=0,state=online,offset=9,lag=0',
      'slave1:ip=10.0.0.2,port=6379,state=wait_bgsave,offset=8,lag=0',
      'slave2:ip=10.0.0.3,port=6379,state=online,offset=7,lag=44',
    ];
    const info = () => ['redis_version:7.0.15', 'role:master', ...listed].join('\r\n');
    await using fake = await FakeRedis.start({ info });
    const choice = await chooseNode(fake.address, 'auto');
    assert.equal(choice.role, 'master');
    const whys = choice.passedOver.map((replica) => replica.why);
    assert.deepEqual(whys, ['listens nowhere', 'is in state wait_bgsave', 'lags 44 s behind']);
  });

  test('takes what it is given where INFO is forbidden', async () => {
    await using fake = await FakeRedis.start({ answers: { INFO: '-NOPERM no\r\n' } });
    const choice = await chooseNode(fake.address, 'auto');
    assert.equal(choice.role, 'unknown');
    assert.deepEqual(choice.identity.forbidden.slice(0, 1), ['INFO']);
    const insisted = chooseNode(fake.address, 'replica');
    await assert.rejects(insisted, (e) => isCoded(e, 'REPLICA_UNAVAILABLE'));
  });
});
