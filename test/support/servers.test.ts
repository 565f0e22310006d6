import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { findServer, notRun, SERVER_NAMES, startServer, whyMissing } from './servers.ts';

describe('startServer', () => {
  for (const name of SERVER_NAMES) {
    test(`${name} starts, answers and leaves nothing behind`, async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      const server = await startServer(binary);
      t.diagnostic(`${name} is ${binary.version.join('.')}`);
      const { pid, dir } = server;
      assert.match(await ask(server.port, 'INFO server'), /_version:\d/);
      await server.stop();
      assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
      assert.equal(existsSync(dir), false);
      await server.stop();
    });

    test(`${name} speaks TLS when asked`, async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      await using server = await startServer(binary, { tls: true });
      assert.ok(server.tls);
      assert.match(server.url, /^rediss:/);
      const socket = connectTls({ port: server.port, ca: readFileSync(server.tls.ca) });
      socket.write('PING\r\n');
      const [reply] = await once(socket);
      assert.equal(String(reply), '+PONG\r\n');
      socket.destroy();
    });
  }

  test('keeps data and port over a restart, with a unix socket and repeated directives', async (t) => {
    const binary = findServer('redis-7.0');
    if (binary === undefined) return notRun(t, 'redis-7.0', whyMissing('redis-7.0'));
    const config = { appendonly: 'yes', appendfsync: 'always', save: ['900 1', '300 10'] };
    await using server = await startServer(binary, { unixSocket: true, config });
    assert.ok(server.socketPath !== undefined && existsSync(server.socketPath));
    await ask(server.port, 'SET k v');
    const before = server.pid;
    await server.restart();
    assert.notEqual(server.pid, before);
    assert.equal(await ask(server.port, 'GET k'), '$1\r\nv\r\n');
    assert.match(await ask(server.port, 'CONFIG GET save'), /900 1 300 10/);
  });

  test('is ready although an ACL file shuts everybody out', async (t) => {
    const binary = findServer('redis-7.0');
    if (binary === undefined) return notRun(t, 'redis-7.0', whyMissing('redis-7.0'));
    const aclFile = 'user default off\nuser admin on >secret ~* &* +@all\n';
    await using server = await startServer(binary, { aclFile });
    assert.match(await ask(server.port, 'GET k'), /^-NOAUTH/);
    assert.equal(await ask(server.port, 'AUTH admin secret'), '+OK\r\n');
  });

  test('dies with the process that started it, even when that is killed', async (t) => {
    const binary = findServer('redis-7.0');
    if (binary === undefined) return notRun(t, 'redis-7.0', whyMissing('redis-7.0'));
    if (spawnSync('setpriv', ['--version']).status !== 0) return notRun(t, 'setpriv', 'no setpriv');
    const dir = mkdtempSync(join(tmpdir(), 'tidemark-orphan-'));
    t.after(() => rmSync(dir, { recursive: true }));
    const code = `import { startServer } from ${JSON.stringify(import.meta.resolve('./servers.ts'))};
      const server = await startServer('redis-7.0', { dir: ${JSON.stringify(dir)} });
      console.log(server.pid);
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code]);
    const [said] = await once(child.stdout);
    const pid = Number(String(said));
    process.kill(pid, 0);
    child.kill('SIGKILL');
    const deadline = Date.now() + 10_000;
    while (isAlive(pid)) {
      assert.ok(Date.now() < deadline, 'the server outlived its owner');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });

  test('reports the log of a server that refuses its configuration', async (t) => {
    const binary = findServer('redis-7.0');
    if (binary === undefined) return notRun(t, 'redis-7.0', whyMissing('redis-7.0'));
    const started = startServer(binary, { config: { 'no-such-directive': 'yes' } });
    await assert.rejects(started, /ended at its start[^]*no-such-directive/);
  });
});

async function ask(port: number, command: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.write(`${command}\r\n`);
  const [reply] = await once(socket);
  socket.destroy();
  return String(reply);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function once(socket: NodeJS.EventEmitter): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    socket.once('data', (...args) => resolve(args));
    socket.once('error', reject);
  });
}
