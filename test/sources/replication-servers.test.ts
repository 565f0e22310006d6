import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded } from '../../src/base/index.ts';
import {
  connect,
  describeServer,
  parseAddress,
  type RedisConnection,
} from '../../src/redis/index.ts';
import { openReplication, type ReplicationOptions } from '../../src/sources/index.ts';
import {
  findServer,
  isAtLeast,
  notRun,
  type RunningServer,
  SERVER_NAMES,
  startServer,
  whyMissing,
} from '../support/servers.ts';

const KEYS = 2000;

async function withConnection<T>(
  server: RunningServer,
  act: (conn: RedisConnection) => Promise<T>,
): Promise<T> {
  const conn = await connect(parseAddress(server.url));
  try {
    return await act(conn);
  } finally {
    conn.close();
  }
}

async function fill(server: RunningServer): Promise<void> {
  await withConnection(server, async (conn) => {
    const commands = Array.from({ length: KEYS }, (_, i) => ['SET', `key:${i}`, 'v'.repeat(500)]);
    await conn.pipeline(commands);
    await conn.command(['RPUSH', 'list', Buffer.from([0, 255, 13, 10]), 'b']);
  });
}

async function receive(server: RunningServer, options: ReplicationOptions = {}) {
  const source = await openReplication(parseAddress(server.url), options);
  const chunks: Buffer[] = [];
  const end = await source.start((buffer, s, e) => chunks.push(Buffer.from(buffer.subarray(s, e))));
  const payload = Buffer.concat(chunks);
  assert.equal(end.bytes, payload.length);
  return { origin: source.origin, payload };
}

/** The opcode EOF stands before the eight bytes of the checksum: nothing is missing or added. */
function assertWholeRdb(payload: Buffer): void {
  assert.match(payload.toString('latin1', 0, 9), /^(REDIS00|VALKEY0)/);
  assert.equal(payload[payload.length - 9], 0xff);
  assert.ok(payload.includes(`key:${KEYS - 1}`));
}

for (const name of SERVER_NAMES) {
  describe(`a ${name} server`, () => {
    test('describes itself, and gives its RDB with both framings', async (t) => {
      const binary = findServer(name);
      if (!binary) return notRun(t, name, whyMissing(name));
      const server = await startServer(binary);
      t.after(() => server.stop());
      await fill(server);
      const identity = await withConnection(server, describeServer);
      assert.equal(identity.family, binary.family);
      assert.deepEqual(identity.versionNumber, binary.version);
      assert.equal(identity.role, 'master');
      assert.deepEqual(identity.keys, { 0: KEYS + 1 });
      assert.deepEqual(identity.forbidden, []);

      await withConnection(server, (conn) =>
        conn.command(['CONFIG', 'SET', 'repl-diskless-sync', 'yes']),
      );
      const diskless = await receive(server);
      assert.equal(diskless.origin.framing, 'mark');
      assert.equal(diskless.origin.rdbOnly, isAtLeast(binary, 6, 2));
      assertWholeRdb(diskless.payload);
      const isOwnFormat = binary.family === 'valkey' && isAtLeast(binary, 9);
      assert.equal(diskless.payload.toString('latin1', 0, 6) === 'VALKEY', isOwnFormat);

      const fromDisk = await receive(server, { announceEof: false });
      assert.equal(fromDisk.origin.framing, 'length');
      assert.equal(fromDisk.payload.length, fromDisk.origin.length);
      assertWholeRdb(fromDisk.payload);
      const { replid } = await withConnection(server, describeServer);
      assert.equal(fromDisk.origin.replid, replid);
    });

    test('continues with its stream, which its offset counts', async (t) => {
      const binary = findServer(name);
      if (!binary) return notRun(t, name, whyMissing(name));
      const server = await startServer(binary, { config: { 'repl-diskless-sync': 'yes' } });
      t.after(() => server.stop());
      let stream = '';
      const source = await openReplication(parseAddress(server.url), {
        onStream: {
          onBytes: (buffer, s, e) => {
            stream += buffer.toString('latin1', s, e);
          },
          ackOffset: () => 0,
          onEnd: () => {},
        },
      });
      await source.start(() => {});
      await withConnection(server, async (conn) => {
        await conn.command(['SET', 'after', 'snapshot']);
        const deadline = Date.now() + 15_000;
        while (!stream.includes('snapshot\r\n')) {
          assert.ok(Date.now() < deadline, 'waited in vain for the stream');
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        const { offset } = await describeServer(conn);
        assert.equal((source.origin.offset ?? 0) + stream.length, offset);
      });
      source.close();
    });
  });
}

describe('a server', () => {
  test('that loads its data is waited for', async (t) => {
    const server = await startServer('redis-7.0', {
      config: { 'key-load-delay': '300', 'loading-process-events-interval-bytes': '1024' },
    });
    t.after(() => server.stop());
    await fill(server);
    await withConnection(server, (conn) => conn.command(['SAVE']));
    await server.kill();
    const restarted = server.start();
    const phases: string[] = [];
    const { payload } = await receiveWhenListening(server, {
      onPhase: (phase, text) => phases.push(`${phase} ${text}`),
      deadlines: { retryMs: 30_000, retryDelayMs: 50 },
    });
    assertWholeRdb(payload);
    assert.ok(
      phases.some((phase) => /^retrying.*LOADING/.test(phase)),
      phases.join('\n'),
    );
    await restarted;
  });

  test('that is killed within the RDB is a lost source', async (t) => {
    const server = await startServer('redis-7.0');
    t.after(() => server.stop());
    await withConnection(server, (conn) =>
      conn.command(['DEBUG', 'POPULATE', 100_000, 'k', 500], { timeoutMs: 30_000 }),
    );
    const source = await openReplication(parseAddress(server.url));
    const killed: Promise<void>[] = [];
    const started = source.start(() => {
      if (killed.length === 0) killed.push(server.kill());
    });
    await assert.rejects(started, (e) => isCoded(e, 'SOURCE_LOST'));
    await Promise.all(killed);
  });

  test('that is a replica without its master refuses, and is asked again in vain', async (t) => {
    const server = await startServer('redis-7.0', { config: { replicaof: '127.0.0.1 1' } });
    t.after(() => server.stop());
    const options = { deadlines: { retryMs: 300, retryDelayMs: 50 } };
    const act = openReplication(parseAddress(server.url), options);
    await assert.rejects(act, (e) => isCoded(e, 'PSYNC_REFUSED') && /NOMASTERLINK/.test(e.message));
  });

  test('with users lets in who has the rights of a replica, and names what is missing', async (t) => {
    const server = await startServer('redis-7.0', {
      aclFile:
        'user default off\nuser bob on >pw +psync +replconf +ping\nuser eve on >pw +ping +replconf\n',
    });
    t.after(() => server.stop());
    const as = (login: string) => parseAddress(server.url.replace('//', `//${login}@`));
    const source = await openReplication(as('bob:pw'));
    assert.equal((await source.start(() => {})).bytes > 9, true);
    await assert.rejects(
      openReplication(as('eve:pw')),
      (e) => isCoded(e, 'PSYNC_FORBIDDEN') && e.hint.includes('+psync'),
    );
    await assert.rejects(openReplication(as('bob:no')), (e) => isCoded(e, 'AUTH_FAILED'));
    await assert.rejects(openReplication(as('')), (e) => isCoded(e, 'AUTH_FAILED'));
  });

  test('with renamed commands is read by their new names', async (t) => {
    const server = await startServer('redis-7.0', {
      config: { 'rename-command': ['PSYNC zync', 'REPLCONF zonf'] },
    });
    t.after(() => server.stop());
    await fill(server);
    const names = { psync: 'zync', replconf: 'zonf' };
    const { origin, payload } = await receive(server, { commandNames: names });
    assertWholeRdb(payload);
    // The server takes the new name for SYNC, which does not tell its history.
    assert.deepEqual([origin.replid, origin.offset], [null, null]);
    assert.ok(payload.includes('repl-offset'));
    await assert.rejects(receive(server), (e) => isCoded(e, 'PSYNC_FORBIDDEN'));
  });

  test('on a unix socket is read', async (t) => {
    const server = await startServer('redis-7.0', { unixSocket: true });
    t.after(() => server.stop());
    await fill(server);
    const source = await openReplication(parseAddress(`unix://${server.socketPath}`));
    assert.ok((await source.start(() => {})).bytes > KEYS * 10);
  });
});

/** The port is not open yet in the first moments of a restart. */
async function receiveWhenListening(server: RunningServer, options: ReplicationOptions) {
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      return await receive(server, options);
    } catch (error) {
      if (!isCoded(error, 'CONNECT_FAILED') || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
