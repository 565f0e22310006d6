import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded, RunControl } from '../../src/base/index.ts';
import { connect, describeServer, parseAddress } from '../../src/redis/index.ts';
import { openScan, type ScanOptions, type ScanStream } from '../../src/sources/index.ts';
import { FakeRedis } from '../fakes/fake-redis.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';
import { collectKeys } from '../support/value-collector.ts';

const NAME = 'redis-7.0';

async function open(url: string, options: ScanOptions = {}): Promise<ScanStream> {
  const address = parseAddress(url);
  const conn = await connect(address);
  const identity = await describeServer(conn);
  conn.close();
  return await openScan(address, identity, options);
}

/** The whole RDB; `onFirst` runs when its first bytes have come. */
async function receive(
  scan: ScanStream,
  onFirst?: () => void,
  signal?: AbortSignal,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await scan.start((buffer, start, end) => {
    chunks.push(Buffer.from(buffer.subarray(start, end)));
    if (chunks.length === 1) onFirst?.();
  }, signal);
  return Buffer.concat(chunks);
}

function keysOf(rdb: Buffer) {
  const version = Number(rdb.toString('latin1', 5, 9));
  return collectKeys(rdb, { version, dialect: 'redis' });
}

async function fill(url: string, keys: number, bytes: number): Promise<RespPipe> {
  const pipe = await RespPipe.open(url);
  const value = Buffer.alloc(bytes, 'abcdefgh');
  for (let i = 0; i < keys; i++) {
    value.write(`${i}:${Math.imul(i, 0x9e3779b1)}`, 0);
    pipe.pipe('SET', `key:${i}`, Buffer.from(value));
  }
  await pipe.done();
  return pipe;
}

/** Values that LZF does not make small. */
async function fillRandom(url: string, keys: number, bytes: number): Promise<RespPipe> {
  const pipe = await RespPipe.open(url);
  for (let i = 0; i < keys; i++) {
    const value = Buffer.allocUnsafe(bytes);
    let state = i + 1;
    for (let at = 0; at < bytes; at++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      value[at] = state >>> 24;
    }
    pipe.pipe('SET', `key:${i}`, value);
  }
  await pipe.done();
  return pipe;
}

describe('openScan', () => {
  test('counts keys that vanish after they were listed, and leaves them out', async (t) => {
    const binary = findServer(NAME);
    if (binary === undefined) return notRun(t, NAME, whyMissing(NAME));
    await using server = await startServer(binary);
    const pipe = await fillRandom(server.url, 400, 8192);
    const scan = await open(server.url, { threads: 1 });
    const rdb = await receive(scan, () => {
      scan.pause();
      void pipe.call('FLUSHALL').then(() => scan.resume());
    });
    pipe.close();
    const keys = keysOf(rdb);
    assert.ok(keys.length > 0 && keys.length < 400);
    assert.equal(scan.counts.vanished, 400 - keys.length);
    assert.equal(new Set(keys.map(({ key }) => key)).size, keys.length);
  });

  for (const wholeBytes of [0, 64 << 20]) {
    const outcome = wholeBytes === 0 ? 'counts it as changed' : 'reads it whole in the end';
    test(`retries a big key that keeps changing, and ${outcome}`, async (t) => {
      const binary = findServer(NAME);
      if (binary === undefined) return notRun(t, NAME, whyMissing(NAME));
      await using server = await startServer(binary);
      const pipe = await RespPipe.open(server.url);
      for (let i = 0; i < 3000; i++) pipe.pipe('HSET', 'big', `field:${i}`, `value:${i}`);
      pipe.pipe('PEXPIREAT', 'big', 4_102_444_800_000);
      await pipe.done();
      const bigKeys = { bytes: 1000, partBytes: 4096, wholeBytes };
      const scan = await open(server.url, { bigKeys });
      let isDone = false;
      const writing = (async () => {
        for (let i = 0; !isDone; i++) await pipe.call('HSET', 'big', 'busy', i);
      })();
      const rdb = await receive(scan);
      isDone = true;
      await writing;
      pipe.close();
      const [{ key, value, expireAtMs }] = keysOf(rdb);
      assert.equal(key, 'big');
      assert.equal(expireAtMs, 4_102_444_800_000);
      assert.ok(value.kind === 'hash');
      const fields = new Map(value.fields.map(([field, text]) => [field, text]));
      for (let i = 0; i < 3000; i++) assert.equal(fields.get(`field:${i}`), `value:${i}`);
      const { changed, readWhole } = scan.counts;
      if (wholeBytes === 0) assert.deepEqual([changed, readWhole], [1, {}]);
      else assert.deepEqual([changed, readWhole], [0, { 'it kept changing': 1 }]);
    });
  }

  const rights = [
    ['without MULTI', '+scan +dump +pexpiretime +pttl +time +select +memory +type +info'],
    ['without MEMORY', '+scan +dump +pttl +time +select +type +strlen +hlen +info +@transaction'],
    ['with nothing else', '+scan +dump +pttl +select'],
  ] as const;
  for (const [what, acl] of rights) {
    test(`reads ${what} as well`, async (t) => {
      const binary = findServer(NAME);
      if (binary === undefined) return notRun(t, NAME, whyMissing(NAME));
      const aclFile = `user default on nopass ~* &* +@all\nuser eve on >pw ~* ${acl} +ping\n`;
      await using server = await startServer(binary, { aclFile });
      const pipe = await fill(server.url, 200, 20);
      pipe.pipe('HSET', 'hash', 'f', 'v');
      pipe.pipe('PEXPIREAT', 'key:7', 4_102_444_800_000);
      pipe.pipe('SELECT', 5);
      pipe.pipe('SET', 'elsewhere', 1);
      await pipe.done();
      pipe.close();
      const scan = await open(server.url.replace('//', '//eve:pw@'), { bigKeys: { bytes: 1 } });
      const keys = keysOf(await receive(scan));
      assert.equal(keys.length, 202);
      assert.deepEqual(keys.find(({ key }) => key === 'elsewhere')?.db, 5);
      const expireAtMs = keys.find(({ key }) => key === 'key:7')?.expireAtMs ?? 0;
      const isExact = Math.abs(expireAtMs - 4_102_444_800_000) < 1000;
      assert.ok(isExact, `${expireAtMs}`);
    });
  }

  test('reads a large hash whole where expiries of its fields are hidden', async (t) => {
    const name = 'redis-8.0';
    const binary = findServer(name);
    if (binary === undefined) return notRun(t, name, whyMissing(name));
    const rights = '~* +@read -hpexpiretime +@transaction +select +time +info';
    const aclFile = `user default on nopass ~* &* +@all\nuser eve on >pw ${rights}\n`;
    await using server = await startServer(binary, { aclFile });
    const pipe = await RespPipe.open(server.url);
    pipe.pipe('HSET', 'hash', 'stays', 'v', 'goes', 'v');
    pipe.pipe('HPEXPIREAT', 'hash', 4_102_444_800_000, 'FIELDS', 1, 'goes');
    await pipe.done();
    pipe.close();
    for (const login of ['', 'eve:pw@']) {
      const scan = await open(server.url.replace('//', `//${login}`), { bigKeys: { bytes: 1 } });
      const [{ value }] = keysOf(await receive(scan));
      assert.ok(value.kind === 'hash');
      const expiries = new Map(value.fields.map(([field, , expireAt]) => [field, expireAt]));
      assert.deepEqual([expiries.get('stays'), expiries.get('goes')], [null, 4_102_444_800_000]);
      const whole = Object.keys(scan.counts.readWhole);
      assert.equal(whole.length, login === '' ? 0 : 1);
    }
  });

  for (const name of ['redis-7.0', 'redis-8.0', 'valkey-8'] as const) {
    test(`leaves the frequencies of ${name} alone where it can, and says where not`, async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      const config = { 'maxmemory-policy': 'allkeys-lfu', 'lfu-log-factor': '0' };
      await using server = await startServer(binary, { config });
      const pipe = await fill(server.url, 1, 20);
      const before = await pipe.call('OBJECT', 'FREQ', 'key:0');
      const notices: string[] = [];
      const scan = await open(server.url, { onNotice: (text) => notices.push(text) });
      await receive(scan);
      const after = await pipe.call('OBJECT', 'FREQ', 'key:0');
      pipe.close();
      const isTouched = name === 'redis-7.0';
      assert.equal(after !== before, isTouched);
      assert.equal(notices.length, isTouched ? 1 : 0);
    });
  }

  test('keeps to a rate, and stands still while its control says so', async (t) => {
    const binary = findServer(NAME);
    if (binary === undefined) return notRun(t, NAME, whyMissing(NAME));
    await using server = await startServer(binary);
    const pipe = await fillRandom(server.url, 300, 2048);
    pipe.close();
    const limited = await open(server.url, { bytesPerSecond: 500_000 });
    const startedAt = performance.now();
    await receive(limited);
    // 600 KB, of which a quarter of a second is free.
    assert.ok(performance.now() - startedAt > 800);

    const control = new RunControl({ paused: true, bytesPerSecond: 1 });
    const scan = await open(server.url, { control, bytesPerSecond: 1 });
    const receiving = receive(scan);
    const isPaused = connect(parseAddress(server.url)).then((conn) => conn.close());
    const first = await Promise.race([receiving, isPaused]);
    assert.equal(first, undefined, 'nothing came while it was paused');
    control.change({ paused: false, bytesPerSecond: null });
    assert.equal(keysOf(await receiving).length, 300);
  });

  test('ends with a reason when the server stalls, is lost, or we are interrupted', async (t) => {
    const binary = findServer(NAME);
    if (binary === undefined) return notRun(t, NAME, whyMissing(NAME));
    await using server = await startServer(binary);
    const pipe = await fillRandom(server.url, 2000, 4096);

    const abort = new AbortController();
    const interrupted = receive(await open(server.url), () => abort.abort(), abort.signal);
    await assert.rejects(interrupted, (error) => isCoded(error, 'INTERRUPTED'));
    const late = await open(server.url);
    late.close();
    await assert.rejects(receive(late), (error) => isCoded(error, 'INTERRUPTED', 'SOURCE_LOST'));

    const stalling = await open(server.url, { silenceMs: 200, threads: 2 });
    const stalled = receive(stalling, () => process.kill(server.pid, 'SIGSTOP'));
    await assert.rejects(stalled, (error) => isCoded(error, 'SOURCE_STALLED'));
    process.kill(server.pid, 'SIGCONT');

    const scan = await open(server.url);
    const lost = receive(scan, () => process.kill(server.pid, 'SIGKILL'));
    await assert.rejects(lost, (error) => isCoded(error, 'SOURCE_LOST'));
    pipe.close();
  });

  test('believes no payload with a wrong checksum, and no answer that is none', async () => {
    const answers = {
      SCAN: '*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n',
      MULTI: '+OK\r\n',
      RANDOMKEY: '$-1\r\n',
      DBSIZE: ':1\r\n',
      PEXPIRETIME: '+QUEUED\r\n',
      DUMP: '+QUEUED\r\n',
      MEMORY: ':50\r\n',
    };
    const damaged = { ...answers, EXEC: '*2\r\n:-1\r\n$13\r\nabcdefghijklm\r\n' };
    await using fake = await FakeRedis.start({ answers: damaged });
    const scan = await open(`redis://127.0.0.1:${fake.port}`, { threads: 1 });
    await assert.rejects(receive(scan), (error) => isCoded(error, 'RDB_CHECKSUM'));
    for (const bad of [
      { EXEC: '*2\r\n:-1\r\n:5\r\n' },
      { EXEC: '+OK\r\n' },
      { EXEC: damaged.EXEC, SCAN: '+OK\r\n' },
    ]) {
      fake.plan = { answers: { ...answers, ...bad } };
      const garbage = await open(`redis://127.0.0.1:${fake.port}`, { threads: 1 });
      await assert.rejects(receive(garbage), (error) => isCoded(error, 'SOURCE_GARBAGE'));
    }
  });

  test('needs SCAN and DUMP, and says which ACL line gives them', async () => {
    const noDump = { SCAN: '*2\r\n$1\r\n0\r\n*0\r\n', DUMP: '-NOPERM no dump\r\n' };
    await using fake = await FakeRedis.start({ answers: noDump });
    const url = `redis://127.0.0.1:${fake.port}`;
    await assert.rejects(
      open(url),
      (error) => isCoded(error, 'NOPERM') && error.hint.includes('ACL SETUSER default ~* +@read'),
    );
    fake.plan = { answers: { SCAN: "-ERR unknown command 'SCAN'\r\n" } };
    await assert.rejects(open(url), (error) => isCoded(error, 'SOURCE_UNSUPPORTED'));
    await assert.rejects(open(url, { threads: 33 }), (error) => isCoded(error, 'USAGE'));
  });
});
