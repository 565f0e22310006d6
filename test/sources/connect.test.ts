import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { type ErrorCode, isCoded } from '../../src/base/index.ts';
import {
  connect,
  type ConnectOptions,
  parseAddress,
  type RedisConnection,
} from '../../src/redis/index.ts';
import { ReplyError } from '../../src/resp/index.ts';
import { openReplication } from '../../src/sources/index.ts';
import { FakeRedis } from '../fakes/fake-redis.ts';
import { type RunningServer, startServer } from '../support/servers.ts';

async function refuses(url: string, options: ConnectOptions, code: ErrorCode, hint?: RegExp) {
  const connecting = connect(parseAddress(url), { connectTimeoutMs: 500, ...options });
  await assert.rejects(connecting, (error) => {
    assert.ok(isCoded(error, code), `${String(error)}, expected ${code}`);
    if (hint) assert.match(error.hint, hint);
    return true;
  });
}

describe('connect, with TLS', () => {
  test('verifies, takes client certificates, and tells the mismatches apart', async (t) => {
    const server = await startServer('redis-7.0', {
      tls: true,
      config: { 'tls-auth-clients': 'yes' },
    });
    t.after(() => server.stop());
    const files = server.tls as NonNullable<RunningServer['tls']>;
    const full = { caFile: files.ca, certFile: files.clientCert, keyFile: files.clientKey };
    const conn = await connect(parseAddress(server.url), { tls: full });
    assert.equal(await conn.command(['PING']), 'PONG');
    conn.close();

    const { ca: caFile, clientCert: certFile } = files;
    await refuses(server.url, {}, 'TLS_FAILED');
    await refuses(server.url, { tls: { caFile } }, 'TLS_FAILED');
    await refuses(server.url, { tls: { ...full, servername: 'other.example' } }, 'TLS_FAILED');
    await refuses(server.url, { tls: { caFile: '/nowhere.pem' } }, 'USAGE');
    await refuses(server.url, { tls: { certFile } }, 'USAGE');
    await refuses(server.url, { tls: { ...full, keyFile: files.ca } }, 'TLS_FAILED');
    await refuses(server.url.replace('rediss', 'redis'), {}, 'CONNECT_FAILED', /rediss/);
    const insecure = { certFile, keyFile: files.clientKey, insecure: true };
    (await connect(parseAddress(server.url), { tls: insecure })).close();
  });

  test('gives up on a plaintext port that does not answer the hello', async (t) => {
    const server = await startServer('redis-7.0');
    t.after(() => server.stop());
    await refuses(server.url.replace('redis', 'rediss'), {}, 'CONNECT_TIMEOUT', /redis:\/\//);
  });

  test('carries a backup with pauses, to its last byte', async (t) => {
    const server = await startServer('redis-7.0', {
      tls: true,
      config: { 'repl-diskless-sync': 'yes' },
    });
    t.after(() => server.stop());
    const tls = { caFile: server.tls?.ca ?? '' };
    const address = parseAddress(server.url);
    const conn = await connect(address, { tls });
    await conn.command(['DEBUG', 'POPULATE', 30_000, 'k', 400], { timeoutMs: 30_000 });
    conn.close();
    for (const announceEof of [true, false]) {
      const source = await openReplication(address, { tls, announceEof });
      let chunks = 0;
      let last = Buffer.alloc(0);
      const end = await source.start((buffer, s, e) => {
        last = Buffer.concat([last, buffer.subarray(s, e)]).subarray(-9);
        if (++chunks % 5 !== 0) return;
        source.pause();
        setImmediate(() => source.resume());
      });
      assert.equal(last[0], 0xff);
      if (source.origin.length !== null) assert.equal(end.bytes, source.origin.length);
    }
  });
});

describe('connect', () => {
  test('logs in with a password, or user and password, and selects a database', async (t) => {
    const server = await startServer('redis-7.0', {
      config: { requirepass: '"se cret"', databases: '4' },
    });
    t.after(() => server.stop());
    const address = parseAddress(server.url, { password: 'se cret' });
    const conn = await connect(address, { database: 3 });
    await conn.command(['SET', 'k', Buffer.from([0, 255])]);
    assert.deepEqual(await conn.command(['GET', 'k']), Buffer.from([0, 255]));
    conn.close();
    (await connect(parseAddress(server.url, { password: 'default:se cret' }))).close();
    await refuses(server.url, {}, 'AUTH_FAILED', /password/);
    await refuses(server.url.replace('//', '//:no@'), {}, 'AUTH_FAILED');
    const wrong = connect(address, { database: 4 });
    await assert.rejects(wrong, (e) => isCoded(e, 'USAGE') && !e.message.includes('se cret'));
  });

  test('names what cannot be reached', async () => {
    await refuses('redis://127.0.0.1:1', {}, 'CONNECT_FAILED');
    await refuses('unix:///nowhere/redis.sock', {}, 'CONNECT_FAILED');
    await refuses('redis://no-such-host.invalid', {}, 'CONNECT_FAILED');
  });

  test('gives up on a server that takes the connection and is silent', async () => {
    await using fake = await FakeRedis.start({ answers: { PING: 'SILENCE' } });
    await refuses(`redis://127.0.0.1:${fake.port}`, { connectTimeoutMs: 50 }, 'CONNECT_TIMEOUT');
  });

  test('tells a server of another kind', async (t) => {
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    server.listen(0, '127.0.0.1');
    t.after(() => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await refuses(`redis://127.0.0.1:${port}`, {}, 'RESP_INVALID');
  });

  test('is interrupted by its signal', async () => {
    await using fake = await FakeRedis.start({ answers: { PING: 'SILENCE' } });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    const { signal } = controller;
    await refuses(`redis://127.0.0.1:${fake.port}`, { signal }, 'INTERRUPTED');
    await refuses(`redis://127.0.0.1:${fake.port}`, { signal }, 'INTERRUPTED');
  });
});

describe('RedisConnection', () => {
  async function open(plan: Parameters<typeof FakeRedis.start>[0], options: ConnectOptions = {}) {
    const fake = await FakeRedis.start(plan);
    return { fake, conn: await connect(fake.address, options) };
  }

  test('throws error replies by their code, or gives them as values', async () => {
    const rows: readonly (readonly [string, ErrorCode])[] = [
      ['-NOPERM no', 'NOPERM'],
      ['-LOADING wait', 'SOURCE_LOADING'],
      ['-NOAUTH who', 'AUTH_FAILED'],
      ['-ERR what', 'COMMAND_FAILED'],
    ];
    for (const [line, code] of rows) {
      const { fake, conn } = await open({ answers: { GET: `${line}\r\n` } });
      await assert.rejects(conn.command(['GET', 'k']), (e) => isCoded(e, code));
      assert.deepEqual(await conn.attempt(['GET', 'k']), new ReplyError(line.slice(1)));
      conn.close();
      await fake[Symbol.asyncDispose]();
    }
  });

  test('matches pipelined replies in order', async () => {
    const { fake, conn } = await open({ answers: { GET: '$1\r\nx\r\n', INCR: ':7\r\n' } });
    const replies = await conn.pipeline([['GET'], ['INCR'], ['PING'], ['NOPE'], ['GET']]);
    const expected = [Buffer.from('x'), 7, 'PONG', new ReplyError("ERR unknown command 'NOPE'")];
    assert.deepEqual(replies, [...expected, Buffer.from('x')]);
    conn.close();
    await fake[Symbol.asyncDispose]();
  });

  const breakers: readonly (readonly [string, (conn: RedisConnection) => Promise<unknown>])[] = [
    ['the server closes it', (conn) => conn.command(['GET'])],
    ['it is used after that', (conn) => conn.command(['PING'])],
  ];
  test('fails everything pending when the link breaks, with the code of its side', async () => {
    for (const lostCode of ['SOURCE_LOST', 'TARGET_LOST', 'CONNECT_FAILED'] as const) {
      const { fake, conn } = await open(
        { answers: { GET: 'CLOSE', SET: 'SILENCE' } },
        { lostCode },
      );
      const pending = conn.command(['SET']);
      const lost = (error: unknown) => isCoded(error, lostCode);
      const pendingFails = assert.rejects(pending, lost);
      for (const [, act] of breakers) await assert.rejects(act(conn), lost);
      await pendingFails;
      assert.equal(conn.isOpen, false);
      await fake[Symbol.asyncDispose]();
    }
  });

  test('closes when a reply does not come in time, saying what it waited for', async () => {
    const { fake, conn } = await open({ answers: { GET: 'SILENCE' } }, { commandTimeoutMs: 30 });
    const silent = conn.command(['GET', 'k']);
    await assert.rejects(silent, (e) => isCoded(e, 'CONNECT_TIMEOUT') && /GET/.test(e.message));
    assert.equal(conn.isOpen, false);
    await fake[Symbol.asyncDispose]();
  });

  test('passes raw bytes both ways after detach, with backpressure', async (t) => {
    const server = await startServer('redis-7.0');
    t.after(() => server.stop());
    const conn = await connect(parseAddress(server.url));
    const done = Promise.withResolvers<void>();
    let received = 0;
    let drains = 0;
    const value = Buffer.from(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$65536\r\n${'v'.repeat(65536)}\r\n`);
    const link = conn.detach({
      onBytes: (_buffer, start, end) => {
        received += end - start;
        if (received === 5 * 400) done.resolve();
      },
      onEnd: done.reject,
      onDrain: () => drains++,
    });
    let flushed = 0;
    for (let i = 0; i < 400; i++) {
      if (link.write(value, () => flushed++)) continue;
      while (link.queuedBytes > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await done.promise;
    assert.equal(flushed, 400);
    assert.ok(drains > 0);
    link.close();
  });
});
