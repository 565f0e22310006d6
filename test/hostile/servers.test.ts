import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { EXIT } from '../../src/cli/index.ts';
import { runHere, type Ran } from '../cli/fake-terminal.ts';
import { temporaryFolder } from '../cli/run-tidemark.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';

const SERVER = 'redis-7.0';
const DEADLINE_MS = 30_000;

/** A listener that answers whatever is said with the same bytes, `times` times. */
async function liar(t: TestContext, answer: Buffer | string, times = 1): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', () => {
      for (let i = 0; i < times && !socket.destroyed; i++) socket.write(answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

async function backUpHere(t: TestContext, address: string, ...more: string[]): Promise<Ran> {
  const repo = join(temporaryFolder(t), 'repo');
  const ran = await runHere(['backup', address, '--repo', repo, '--json', ...more], {
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
  const listed = await runHere(['list', '--repo', repo]);
  if (ran.status === EXIT.done) return ran;
  assert.ok(listed.status !== EXIT.done || /no backups/i.test(listed.stdout));
  return ran;
}

function assertCoded(ran: Ran, expected: RegExp): void {
  assert.notEqual(ran.status, EXIT.done);
  assert.notEqual(ran.status, EXIT.interrupted, 'it would never have ended');
  const { error } = JSON.parse(ran.stdout) as { readonly error: { readonly code: string } };
  assert.match(error.code, expected, ran.stderr);
}

describe('a backup of something that is no Redis', { concurrency: true }, () => {
  const NUL = '\u0000'.repeat(64);
  const rows = [
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n'],
    ['SSH', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['zeros', NUL],
    ['a text of 2 GiB', '$2147483647\r\n'],
    ['a text of 2^60 bytes', `$${2n ** 60n}\r\n`],
    ['an array of a thousand million', '*1000000000\r\n'],
    ['arrays within arrays', '*1\r\n'.repeat(100_000)],
    ['negative lengths', '$-7\r\n*-9\r\n'],
    ['two answers for one question', '+PONG\r\n+PONG\r\n'],
    ['an error without an end', `-${'x'.repeat(300_000)}`],
    ['every answer an error', '-ERR no\r\n'],
    ['every answer PONG', '+PONG\r\n'],
    ['every answer a number', ':1\r\n'],
    ['every answer nothing', '$-1\r\n'],
  ] as const;
  for (const [what, answer] of rows) {
    test(`ends with a code when it says ${what}`, async (t) => {
      const address = `redis://:secret@${await liar(t, answer)}`;
      const ran = await backUpHere(t, address, '--mode', 'psync');
      assertCoded(ran, /^[A-Z_]+$/);
      assert.doesNotMatch(ran.stdout, /"BUG"/, ran.stderr);
      assert.equal((ran.stdout + ran.stderr).includes('secret'), false);
    });
  }

  test('ends with a code when it never ends its line', async (t) => {
    const ran = await backUpHere(t, `redis://${await liar(t, Buffer.alloc(1 << 20, 'y'), 64)}`);
    assertCoded(ran, /^(RESP_INVALID|CONNECT_|SOURCE_)/);
  });
});

describe('a backup that is not let in', { concurrency: true }, () => {
  const rows = [
    ['a wrong password', 'user default on >right ~* &* +@all\n', ':wrong@', /^AUTH_FAILED$/],
    ['no such user', 'user default on >right ~* &* +@all\n', 'other:right@', /^AUTH_FAILED$/],
    ['no password', 'user default on >right ~* &* +@all\n', '', /^AUTH_FAILED$/],
    [
      'no right at all',
      'user default off\nuser none on >p -@all\n',
      'none:p@',
      /^(NOPERM|PSYNC_FORBIDDEN|AUTH_FAILED)$/,
    ],
    ['only PING', 'user default off\nuser ping on >p +ping\n', 'ping:p@', /^(NOPERM|PSYNC_FORB)/],
  ] as const;
  for (const [what, aclFile, login, expected] of rows) {
    test(`for ${what}`, async (t) => {
      const binary = findServer(SERVER);
      if (binary === undefined) return notRun(t, SERVER, whyMissing(SERVER));
      await using server = await startServer(binary, { aclFile });
      const address = server.url.replace('//', `//${login}`);
      assertCoded(await backUpHere(t, address), expected);
    });
  }

  test('since PSYNC, SCAN and DUMP have no names', async (t) => {
    const binary = findServer(SERVER);
    if (binary === undefined) return notRun(t, SERVER, whyMissing(SERVER));
    const renamed = ['PSYNC ""', 'SYNC ""', 'SCAN ""', 'DUMP ""'];
    await using server = await startServer(binary, { config: { 'rename-command': renamed } });
    assertCoded(await backUpHere(t, server.url), /^(PSYNC_FORBIDDEN|NOPERM|COMMAND_FAILED)$/);
  });

  test('with TLS at a plain port, and without at one of TLS', async (t) => {
    const binary = findServer(SERVER);
    if (binary === undefined) return notRun(t, SERVER, whyMissing(SERVER));
    await using plain = await startServer(binary);
    await using sealed = await startServer(binary, { tls: true });
    const [first, second, third] = await Promise.all([
      backUpHere(t, plain.url.replace('redis:', 'rediss:')),
      backUpHere(t, sealed.url.replace('rediss:', 'redis:')),
      backUpHere(t, sealed.url),
    ]);
    assertCoded(first, /^(TLS_FAILED|CONNECT_TIMEOUT)$/);
    assert.match(first.stdout, /redis:\/\//);
    assertCoded(second, /^(TLS_FAILED|CONNECT_FAILED|CONNECT_TIMEOUT)$/);
    assert.match(second.stdout, /rediss:\/\//);
    assertCoded(third, /^TLS_FAILED$/);
  });
});
