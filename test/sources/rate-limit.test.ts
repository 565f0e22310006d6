import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded } from '../../src/base/index.ts';
import { connect, parseAddress } from '../../src/redis/index.ts';
import { openReplication, type RateLimit } from '../../src/sources/index.ts';
import { FakeRedis } from '../fakes/fake-redis.ts';
import { startServer } from '../support/servers.ts';

const MIB = 1 << 20;
const WAITING = 'state=wait_bgsave,offset=0,lag=0';

describe('a rate limit', () => {
  test('is kept while it does no harm', async () => {
    await using fake = await FakeRedis.start({ rdb: Buffer.alloc(4 * MIB, 'x') });
    const startedAt = performance.now();
    const source = await openReplication(fake.address, { rateLimit: { bytesPerSecond: 8 * MIB } });
    assert.equal((await source.start(() => {})).bytes, 4 * MIB);
    const seconds = (performance.now() - startedAt) / 1000;
    assert.ok(seconds > 0.2 && seconds < 3, `${seconds} s`);
  });

  test('is lifted and reported, or aborts, when another replica begins to wait', async () => {
    for (const onHarm of ['lift', 'abort'] as const) {
      let slaves = [`slave0:ip=127.0.0.1,port=0,${WAITING}`];
      const info = () => ['redis_version:7.0.15', ...slaves].join('\r\n');
      await using fake = await FakeRedis.start({ rdb: Buffer.alloc(64 * MIB, 'x'), info });
      const lifted: string[] = [];
      const rateLimit: RateLimit = {
        bytesPerSecond: MIB,
        onHarm,
        onLifted: (reason) => lifted.push(reason),
      };
      const source = await openReplication(fake.address, { rateLimit });
      const startedAt = performance.now();
      const started = source.start(() => {
        slaves = [...slaves.slice(0, 1), `slave1:ip=10.0.0.2,port=6379,${WAITING}`];
      });
      if (onHarm === 'lift') {
        assert.equal((await started).bytes, 64 * MIB);
        assert.match(lifted.join(), /^another replica waits/);
      } else {
        await assert.rejects(started, (e) => isCoded(e, 'RATE_LIMIT_HARM'));
        assert.deepEqual(lifted, []);
      }
      assert.ok(performance.now() - startedAt < 10_000);
    }
  });

  test('is lifted when the source cannot be watched any more', async () => {
    let answers = 0;
    const info = () => {
      if (++answers > 2) fake.drop(1);
      return 'redis_version:7.0.15';
    };
    await using fake = await FakeRedis.start({ rdb: Buffer.alloc(32 * MIB, 'x'), info });
    const lifted: string[] = [];
    const onLifted = (reason: string) => lifted.push(reason);
    const rateLimit = { bytesPerSecond: MIB, onLifted };
    const source = await openReplication(fake.address, { rateLimit });
    assert.equal((await source.start(() => {})).bytes, 32 * MIB);
    assert.match(lifted.join(), /cannot be watched/);
  });

  test('is refused without the right to INFO, and when it is too low', async () => {
    await using fake = await FakeRedis.start({ answers: { INFO: '-NOPERM no\r\n' } });
    const blind = openReplication(fake.address, { rateLimit: { bytesPerSecond: MIB } });
    await assert.rejects(blind, (e) => isCoded(e, 'NOPERM') && e.hint.includes('+info'));
    const slow = openReplication(fake.address, { rateLimit: { bytesPerSecond: 1000 } });
    await assert.rejects(slow, (e) => isCoded(e, 'USAGE'));
  });

  test('gives way on a real server as soon as a replica attaches', async (t) => {
    const master = await startServer('redis-7.0', { config: { 'repl-diskless-sync': 'yes' } });
    t.after(() => master.stop());
    const conn = await connect(parseAddress(master.url));
    const populate = ['DEBUG', 'POPULATE', 40_000, 'k', 1000];
    await conn.command(['CONFIG', 'SET', 'rdbcompression', 'no']);
    await conn.command(populate, { timeoutMs: 30_000 });
    const lifted = Promise.withResolvers<string>();
    const rateLimit = { bytesPerSecond: MIB, onLifted: lifted.resolve };
    const source = await openReplication(parseAddress(master.url), { rateLimit });
    const started = source.start(() => {});
    const replica = await startServer('redis-7.0', {
      config: { replicaof: `127.0.0.1 ${master.port}` },
    });
    t.after(() => replica.stop());
    assert.match(await lifted.promise, /another replica waits/);
    assert.ok((await started).bytes > 40 * 1000 * 1000);
    conn.close();
  });
});
