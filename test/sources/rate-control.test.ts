import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isCoded, RunControl } from '../../src/base/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { openReplication, type RateLimit, SpooledRdb } from '../../src/sources/index.ts';
import { FakeRedis } from '../fakes/fake-redis.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import {
  findServer,
  notRun,
  type ServerName,
  startServer,
  whyMissing,
} from '../support/servers.ts';

const MIB = 1 << 20;
const OLD_SERVER: ServerName = 'redis-6.0';
const WAITING = 'state=wait_bgsave,offset=0,lag=0';

/** A reply to CONFIG GET, the same for whatever is asked. */
function configReply(name: string, value: string): string {
  return `*2\r\n$${name.length}\r\n${name}\r\n$${value.length}\r\n${value}\r\n`;
}

function waiters(count: number): string {
  return Array.from({ length: count }, (_, n) => `slave${n}:ip=10.0.0.${n},port=0,${WAITING}`).join(
    '\r\n',
  );
}

async function transfer(fake: FakeRedis, control: RunControl, onHarm: 'lift' | 'abort' = 'lift') {
  const lifted: string[] = [];
  const rateLimit: RateLimit = {
    bytesPerSecond: MIB,
    onHarm,
    onLifted: (reason) => lifted.push(reason),
  };
  const source = await openReplication(fake.address, { control, rateLimit });
  return { lifted, source };
}

describe('a running transfer under control', () => {
  test('asks nothing of the source while it is not held back', async () => {
    await using fake = await FakeRedis.start({ rdb: Buffer.alloc(MIB) });
    const { source } = await transfer(fake, new RunControl());
    assert.equal((await source.start(() => {})).bytes, MIB);
    assert.equal(
      fake.commands.some((command) => command.startsWith('INFO')),
      false,
    );
    assert.equal(fake.connections, 1);
  });

  test('is watched from its first pause on, and goes on when harm is found', async () => {
    let waiting = 1;
    const info = () => waiters(waiting);
    const control = new RunControl();
    const rdb = Buffer.alloc(32 * MIB, 'x');
    await using fake = await FakeRedis.start({ rdb, info });
    const { lifted, source } = await transfer(fake, control);
    const started = source.start(() => {
      if (waiting === 1) control.change({ paused: true });
      waiting = 2;
    });
    assert.equal((await started).bytes, rdb.length);
    assert.match(lifted.join(), /^another replica waits/);
    assert.equal(control.settings.paused, false);
  });

  test('is aborted instead when that is wanted', async () => {
    const control = new RunControl({ paused: true });
    const info = () => waiters(2);
    const plan = { rdb: Buffer.alloc(32 * MIB), info };
    await using fake = await FakeRedis.start(plan);
    const { lifted, source } = await transfer(fake, control, 'abort');
    await assert.rejects(
      source.start(() => {}),
      (error) => isCoded(error, 'RATE_LIMIT_HARM'),
    );
    assert.deepEqual(lifted, []);
  });

  test('pauses for half of repl-timeout at most where the source has a child', async () => {
    const answers = { CONFIG: configReply('repl-timeout', '1') };
    const rdb = Buffer.alloc(MIB);
    const control = new RunControl({ paused: true });
    await using fake = await FakeRedis.start({ rdb, answers });
    const { lifted, source } = await transfer(fake, control);
    assert.equal((await source.start(() => {})).bytes, MIB);
    assert.match(lifted.join(), /stands still/);
    assert.equal(control.settings.paused, false);
  });

  test('is not held back without the right to look, and says so', async () => {
    const control = new RunControl();
    const plan = { rdb: Buffer.alloc(32 * MIB), answers: { INFO: '-NOPERM no\r\n' } };
    await using fake = await FakeRedis.start(plan);
    const { lifted, source } = await transfer(fake, control);
    const started = source.start(() => {
      if (!control.settings.paused && lifted.length === 0) control.change({ paused: true });
    });
    assert.equal((await started).bytes, 32 * MIB);
    assert.match(lifted.join(), /cannot be watched/);
  });

  test('never falls below the rate at which a source takes it for dead', async () => {
    const control = new RunControl({ bytesPerSecond: 1000 });
    await using fake = await FakeRedis.start();
    const refused = transfer(fake, control);
    await assert.rejects(refused, (error) => isCoded(error, 'USAGE'));
  });

  test('goes on to the spool while what leaves the spool stands still', async () => {
    await using fake = await FakeRedis.start({ rdb: Buffer.alloc(4 * MIB, 'x') });
    const control = new RunControl({ paused: true });
    const received = Promise.withResolvers<number>();
    const spooled = new SpooledRdb(await openReplication(fake.address), {
      folder: tmpdir(),
      control,
      onReceived: received.resolve,
    });
    let bytes = 0;
    const started = spooled.start((_buffer, from, to) => {
      bytes += to - from;
    });
    assert.equal(await received.promise, 4 * MIB);
    assert.equal(bytes, 0);
    control.change({ paused: false });
    assert.equal((await started).bytes, 4 * MIB);
    assert.equal(bytes, 4 * MIB);
  });

  test('goes on before a real source drops it for its output buffer', async (t) => {
    const binary = findServer(OLD_SERVER);
    if (binary === undefined) return notRun(t, OLD_SERVER, whyMissing(OLD_SERVER));
    // 6.0 knows no rdb-only: what is written meanwhile is kept for us.
    const limits = 'replica 24mb 0 0';
    const config = { 'repl-diskless-sync': 'yes', 'client-output-buffer-limit': limits };
    await using server = await startServer(binary, { config });
    const pipe = await RespPipe.open(server.url);
    await pipe.call('CONFIG', 'SET', 'rdbcompression', 'no');
    await pipe.call('DEBUG', 'POPULATE', '40000', 'key', '985');
    const lifted = Promise.withResolvers<string>();
    const rateLimit = { bytesPerSecond: MIB, onLifted: lifted.resolve };
    const source = await openReplication(parseAddress(server.url), { rateLimit });
    const started = source.start(() => {});
    // Written in steps that the guard can see, up to what would have us dropped.
    const value = Buffer.alloc(100_000);
    let isLifted = false;
    const reason = lifted.promise.finally(() => {
      isLifted = true;
    });
    for (let n = 0; n < 400 && !isLifted; n++) {
      await pipe.call('SET', `more:${n}`, value);
      await delay(20);
    }
    assert.match(await reason, /output buffer/);
    assert.ok((await started).bytes > 39_000_000);
    pipe.close();
  });
});
