import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ErrorCode, isCoded } from '../../src/base/index.ts';
import type { RedisAddress } from '../../src/redis/index.ts';
import { openReplication, type ReplicationOptions } from '../../src/sources/index.ts';
import { FAKE_REPLID, type FakePlan, FakeRedis } from '../fakes/fake-redis.ts';

const QUICK: ReplicationOptions = {
  deadlines: {
    connectMs: 300,
    handshakeMs: 300,
    forkMs: 300,
    silenceMs: 300,
    retryMs: 500,
    retryDelayMs: 20,
  },
};
const RDB = Buffer.from(`REDIS0011${'payload '.repeat(30)}`);

async function receive(address: RedisAddress, options: ReplicationOptions = {}) {
  const source = await openReplication(address, { ...QUICK, ...options });
  const chunks: Buffer[] = [];
  const end = await source.start((buffer, s, e) => chunks.push(Buffer.from(buffer.subarray(s, e))));
  return { origin: source.origin, end, payload: Buffer.concat(chunks) };
}

async function failsWith(code: ErrorCode, plan: FakePlan, options: ReplicationOptions = {}) {
  await using fake = await FakeRedis.start(plan);
  const error = await receive(fake.address, options).then(
    () => assert.fail(`no error, expected ${code}`),
    (e: unknown) => e,
  );
  assert.ok(isCoded(error, code), `${String(error)}, expected ${code}`);
  await until(() => fake.openConnections === 0, 'the link is closed');
  return { error, fake };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 3000;
  while (!condition()) {
    if (Date.now() > deadline) assert.fail(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('openReplication', () => {
  test('shakes hands one command at a time and asks for the RDB only', async () => {
    await using fake = await FakeRedis.start({ rdb: RDB, offset: 77 });
    const { origin, end, payload } = await receive(fake.address);
    assert.deepEqual(payload, RDB);
    assert.equal(end.bytes, RDB.length);
    const { snapshotAtMs, ...facts } = origin;
    assert.ok(Math.abs(snapshotAtMs - Date.now()) < 5000);
    assert.deepEqual(facts, {
      kind: 'replication',
      node: `redis://127.0.0.1:${fake.port}`,
      replid: FAKE_REPLID,
      offset: 77,
      framing: 'mark',
      length: null,
      rdbOnly: true,
    });
    assert.deepEqual(fake.commands, [
      'PING',
      'HELLO 2',
      'REPLCONF listening-port 0',
      'REPLCONF capa eof capa psync2',
      'REPLCONF rdb-only 1',
      'PSYNC ? -1',
    ]);
  });

  test('tells its version to Valkey and to servers without HELLO', async () => {
    const hello = '*2\r\n$6\r\nserver\r\n$6\r\nvalkey\r\n';
    for (const answer of [hello, "-ERR unknown command 'HELLO'\r\n"]) {
      await using fake = await FakeRedis.start({ rdb: RDB, answers: { HELLO: answer } });
      await receive(fake.address);
      assert.ok(fake.commands.includes('REPLCONF version 9.1.2'));
    }
  });

  test('goes on where options are unknown', async () => {
    const no = '-ERR Unrecognized REPLCONF option\r\n';
    await using fake = await FakeRedis.start({ rdb: RDB, answers: { REPLCONF: no } });
    const { origin, payload } = await receive(fake.address);
    assert.equal(origin.rdbOnly, false);
    assert.deepEqual(payload, RDB);
    await until(() => fake.openConnections === 0, 'the link is closed at the end of the RDB');
  });

  test('closes the link at the end of the RDB when the server leaves it open', async () => {
    await using fake = await FakeRedis.start({ rdb: RDB, staysOpen: true });
    assert.equal((await receive(fake.address)).end.bytes, RDB.length);
    await until(() => fake.openConnections === 0, 'the link is closed');
  });

  test('uses commands by their other names', async () => {
    await using fake = await FakeRedis.start({ answers: { XPSYNC: '-ERR not now\r\n' } });
    const options = { commandNames: { psync: 'XPSYNC', replconf: 'XCONF' } };
    await assert.rejects(receive(fake.address, options), (e) => isCoded(e, 'PSYNC_FORBIDDEN'));
    assert.ok(fake.commands.includes('XCONF listening-port 0'));
  });

  for (const framing of ['length', 'mark'] as const) {
    test(`takes the ${framing} framing cut at every position, keepalives everywhere`, async () => {
      const plan: FakePlan = { rdb: RDB.subarray(0, 60), framing, keepalives: 3 };
      await using fake = await FakeRedis.start(plan);
      for (let cut = 1; cut < 220; cut++) {
        fake.plan = { ...plan, cuts: [cut] };
        const { payload } = await receive(fake.address);
        assert.deepEqual(payload, plan.rdb, `cut at ${cut}`);
      }
      fake.plan = { ...plan, cuts: Array.from({ length: 220 }, (_, i) => i) };
      assert.deepEqual((await receive(fake.address)).payload, plan.rdb);
    });
  }

  test('takes an empty payload with either framing', async () => {
    for (const framing of ['length', 'mark'] as const) {
      await using fake = await FakeRedis.start({ rdb: Buffer.alloc(0), framing });
      assert.equal((await receive(fake.address)).end.bytes, 0);
    }
  });
});

describe('openReplication, when refused', () => {
  test('tries again after "not now", each time on a new connection', async () => {
    const refusals = ['-LOADING Redis is loading', "-NOMASTERLINK Can't SYNC", '-BUSY script'];
    await using fake = await FakeRedis.start({ rdb: RDB, refusals });
    const phases: string[] = [];
    const { payload } = await receive(fake.address, { onPhase: (phase) => phases.push(phase) });
    assert.deepEqual(payload, RDB);
    assert.equal(fake.connections, 4);
    assert.equal(phases.filter((phase) => phase === 'retrying').length, 3);
  });

  const rows: readonly (readonly [string, ErrorCode])[] = [
    ['-LOADING Redis is loading the dataset in memory', 'SOURCE_LOADING'],
    ["-NOMASTERLINK Can't SYNC while not connected with my master", 'PSYNC_REFUSED'],
  ];
  for (const [line, code] of rows) {
    test(`gives up with ${code} when ${line.slice(1, 12)} does not end`, async () => {
      const { fake } = await failsWith(code, { answers: { PSYNC: `${line}\r\n` } });
      assert.ok(fake.connections > 2);
    });
  }

  const final: readonly (readonly [string, string, ErrorCode])[] = [
    ['PSYNC', "-NOPERM this user has no permissions to run the 'psync' command", 'PSYNC_FORBIDDEN'],
    ['PSYNC', "-ERR unknown command 'PSYNC'", 'PSYNC_FORBIDDEN'],
    ['REPLCONF', "-NOPERM no permissions to run the 'replconf' command", 'PSYNC_FORBIDDEN'],
    ['PING', '-NOAUTH Authentication required.', 'AUTH_FAILED'],
    ['PSYNC', `+CONTINUE ${FAKE_REPLID}`, 'SOURCE_GARBAGE'],
    ['PSYNC', 'HTTP/1.1 400 Bad Request', 'SOURCE_GARBAGE'],
    ['HELLO', '<html>', 'RESP_INVALID'],
  ];
  for (const [command, line, code] of final) {
    test(`does not hammer after ${command} ${line.slice(0, 24)}`, async () => {
      const { fake } = await failsWith(code, { answers: { [command]: `${line}\r\n` } });
      assert.equal(fake.connections, 1);
    });
  }

  test('reports a save that failed after FULLRESYNC', async () => {
    const header = "-ERR BGSAVE failed, replication can't continue";
    const { error } = await failsWith('PSYNC_REFUSED', { header });
    assert.match(error.message, /BGSAVE failed/);
  });

  test('stops on a header that is none', async () => {
    await failsWith('SOURCE_GARBAGE', { header: '+OK' });
  });
});

describe('openReplication, when the link fails', () => {
  test('a handshake without an answer ends with its reason', async () => {
    const { error } = await failsWith('CONNECT_TIMEOUT', {
      answers: { 'REPLCONF CAPA': 'SILENCE' },
    });
    assert.match(error.message, /the reply to REPLCONF capa/);
  });

  test('a handshake that is closed is a lost source', async () => {
    await failsWith('SOURCE_LOST', { answers: { 'REPLCONF RDB-ONLY': 'CLOSE' } });
  });

  test('an address without a listener is CONNECT_FAILED', async () => {
    const fake = await FakeRedis.start();
    const { address } = fake;
    await fake[Symbol.asyncDispose]();
    await assert.rejects(receive(address), (e) => isCoded(e, 'CONNECT_FAILED'));
  });

  for (const framing of ['length', 'mark'] as const) {
    test(`a close at every byte is a lost source (${framing})`, async () => {
      const plan: FakePlan = { rdb: RDB.subarray(0, 30), framing, keepalives: 1 };
      await using fake = await FakeRedis.start(plan);
      const whole = fake.wire().length;
      for (let at = 1; at < whole; at += 3)
        await failsWith('SOURCE_LOST', { ...plan, closeAt: at });
      await failsWith('SOURCE_LOST', { ...plan, closeAt: whole - 1 });
    });
  }

  test('a stall while the source forks, or within the payload, ends with its reason', async () => {
    const forking = await failsWith('SOURCE_STALLED', { rdb: RDB, stallAt: 30 });
    assert.match(forking.error.message, /reply to PSYNC/);
    const begun = await failsWith('SOURCE_STALLED', { rdb: RDB, stallAt: 60 });
    assert.match(begun.error.message, /RDB to begin/);
    const within = await failsWith('SOURCE_STALLED', { rdb: RDB, framing: 'length', stallAt: 100 });
    assert.match(within.error.message, /receiving the RDB, after \d+ of 249 bytes/);
  });

  test('a length that promises too much is a lost source', async () => {
    await failsWith('SOURCE_LOST', { rdb: RDB, framing: 'length', lengthLie: 1 });
  });

  test('a consumer that throws ends the source with its own error', async () => {
    await using fake = await FakeRedis.start({ rdb: RDB });
    const source = await openReplication(fake.address, QUICK);
    const thrown = new Error('no room');
    const started = source.start(() => {
      throw thrown;
    });
    await assert.rejects(started, (e) => e === thrown);
    await until(() => fake.openConnections === 0, 'the link is closed');
  });

  test('a signal or close interrupts, before and while receiving', async () => {
    await using fake = await FakeRedis.start({ rdb: RDB, stallAt: 30 });
    const early = new AbortController();
    const opening = openReplication(fake.address, { ...QUICK, signal: early.signal });
    await until(() => fake.commands.includes('PSYNC ? -1'), 'PSYNC came');
    early.abort();
    await assert.rejects(opening, (e) => isCoded(e, 'INTERRUPTED'));
    fake.plan = { rdb: RDB, stallAt: 200 };
    const late = new AbortController();
    const source = await openReplication(fake.address, QUICK);
    const started = source.start(() => late.abort(), late.signal);
    await assert.rejects(started, (e) => isCoded(e, 'INTERRUPTED'));
    await until(() => fake.openConnections === 0, 'the links are closed');
  });
});

describe('ReplicationStream', () => {
  test('holds everything back while paused, without losing or reordering bytes', async () => {
    const rdb = Buffer.alloc(8 << 20, 'REDIS0011 0123456789');
    for (const framing of ['length', 'mark'] as const) {
      await using fake = await FakeRedis.start({ rdb, framing });
      const source = await openReplication(fake.address, QUICK);
      const chunks: Buffer[] = [];
      let afterPause = 0;
      let isPaused = false;
      const end = await source.start((buffer, s, e) => {
        if (isPaused) afterPause++;
        chunks.push(Buffer.from(buffer.subarray(s, e)));
        if (chunks.length % 7 !== 0) return;
        source.pause();
        isPaused = true;
        setTimeout(() => {
          isPaused = false;
          source.resume();
        }, 1);
      });
      assert.equal(end.bytes, rdb.length);
      assert.ok(Buffer.concat(chunks).equals(rdb));
      assert.ok(afterPause <= chunks.length / 7);
    }
  });

  test('a pause longer than the deadline for silence is no silence', async () => {
    await using fake = await FakeRedis.start({ rdb: Buffer.alloc(4 << 20, 'x') });
    const deadlines = { ...QUICK.deadlines, silenceMs: 50 };
    const source = await openReplication(fake.address, { deadlines });
    let bytes = 0;
    const end = await source.start((_buffer, s, e) => {
      if (bytes === 0) {
        source.pause();
        setTimeout(() => source.resume(), 200);
      }
      bytes += e - s;
    });
    assert.equal(end.bytes, 4 << 20);
  });

  test('hands on the stream after the RDB and acknowledges what it is told', async () => {
    const stream = Buffer.from('*1\r\n$4\r\nPING\r\n');
    for (const framing of ['length', 'mark'] as const) {
      await using fake = await FakeRedis.start({ rdb: RDB, framing, stream });
      let got = '';
      let ended: Error | null = null;
      const source = await openReplication(fake.address, {
        ...QUICK,
        deadlines: { ...QUICK.deadlines, silenceMs: 5000 },
        onStream: {
          onBytes: (buffer, s, e) => {
            got += buffer.toString('latin1', s, e);
          },
          ackOffset: () => 12,
          onEnd: (error) => {
            ended = error;
          },
        },
      });
      assert.equal(source.origin.rdbOnly, false);
      assert.equal((await source.start(() => {})).bytes, RDB.length);
      await until(() => got === stream.toString(), 'the stream came');
      await until(() => fake.acknowledged.length >= 2, 'two acknowledgements came');
      assert.deepEqual(new Set(fake.acknowledged), new Set([12]));
      source.close();
      assert.ok(isCoded(ended, 'INTERRUPTED'));
    }
  });
});
