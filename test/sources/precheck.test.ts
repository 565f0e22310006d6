import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect, describeServer, parseAddress } from '../../src/redis/index.ts';
import {
  collectInstance,
  type Finding,
  precheckSource,
  type PrecheckOptions,
} from '../../src/sources/index.ts';
import { FakeRedis } from '../fakes/fake-redis.ts';
import {
  findServer,
  notRun,
  type RunningServer,
  SERVER_NAMES,
  startServer,
  whyMissing,
} from '../support/servers.ts';

async function check(url: string, options: PrecheckOptions = {}) {
  const findings = await precheckSource(parseAddress(url), { watchMs: 10, ...options });
  const byId = new Map(findings.map((finding) => [finding.id, finding]));
  assert.equal(byId.size, findings.length, 'each finding comes once');
  for (const finding of findings) {
    assert.equal(finding.remedy === null, finding.level === 'ok', finding.id);
  }
  return byId;
}

function bad(findings: Map<string, Finding>): string[] {
  return [...findings.values()].filter((f) => f.level !== 'ok').map((f) => `${f.level} ${f.id}`);
}

function as(server: RunningServer, login: string): string {
  return server.url.replace('//', `//${login}@`);
}

for (const name of SERVER_NAMES) {
  describe(`precheckSource on ${name}`, () => {
    test('finds the rights without attaching, and the missing ones in one line', async (t) => {
      const binary = findServer(name);
      if (!binary) return notRun(t, name, whyMissing(name));
      const aclFile = [
        'user default on nopass ~* &* +@all',
        'user bob on >pw +psync +replconf +ping',
        'user eve on >pw +info +multi +discard',
      ].join('\n');
      const server = await startServer(binary, {
        aclFile: `${name === 'redis-6.0' ? aclFile.replace(' &*', '') : aclFile}\n`,
        config: { 'repl-diskless-sync': 'yes' },
      });
      t.after(() => server.stop());

      const open = await check(server.url);
      assert.equal(open.get('source.psync-right')?.level, 'ok');
      assert.equal(open.get('source.replconf-right')?.level, 'ok');
      const expected = name === 'redis-6.0' ? ['warning source.output-buffer'] : [];
      assert.deepEqual(bad(open), expected);

      const bob = await check(as(server, 'bob:pw'));
      const line = 'ACL SETUSER bob +info +config|get';
      assert.equal(bob.get('source.info-right')?.remedy, line);
      assert.equal(bob.get('source.info-right')?.level, 'warning');
      assert.equal(bob.get('source.replconf-right')?.level, 'ok');
      // Before 7.0 only MULTI shows the right without using it; without MULTI it stays open.
      const psync = bob.get('source.psync-right')?.level;
      assert.equal(psync, name === 'redis-6.0' ? 'warning' : 'ok');
      const throttled = await check(as(server, 'bob:pw'), { rateBytesPerSecond: 1 << 20 });
      assert.equal(throttled.get('source.info-right')?.level, 'error');

      const eve = await check(as(server, 'eve:pw'));
      assert.equal(eve.get('source.psync-right')?.level, 'error');
      const needed = 'ACL SETUSER eve +psync +replconf +config|get';
      assert.equal(eve.get('source.psync-right')?.remedy, needed);
      const wrong = await check(as(server, 'bob:no'));
      assert.deepEqual(bad(wrong), ['error source.auth']);

      const conn = await connect(parseAddress(server.url));
      await conn.command(['ACL', 'SETUSER', 'eve', ...needed.split(' ').slice(3)]);
      assert.equal((await check(as(server, 'eve:pw'))).get('source.psync-right')?.level, 'ok');
      const { info } = await describeServer(conn);
      assert.equal(info['sync_full'], '0');
      conn.close();
    });

    test('collectInstance keeps settings and no secrets', async (t) => {
      const binary = findServer(name);
      if (!binary) return notRun(t, name, whyMissing(name));
      const server = await startServer(binary, {
        config: { requirepass: 'hunter2', masterauth: 'hunter2' },
      });
      t.after(() => server.stop());
      const conn = await connect(parseAddress(server.url, { password: 'hunter2' }));
      const lines = await collectInstance(conn, { acl: false });
      assert.doesNotMatch(JSON.stringify(lines), /hunter2/);
      assert.deepEqual(
        lines.map((line) => line.type),
        ['info', 'config', 'modules'],
      );
      const config = lines.find((line) => line.type === 'config');
      assert.equal(config?.value['maxmemory-policy'], 'noeviction');
      assert.equal(config?.value['requirepass'], '(removed)');
      const sealed = await collectInstance(conn, { acl: true });
      const acl = sealed.find((line) => line.type === 'acl');
      assert.match(acl?.value[0] ?? '', /^user default on .*#[0-9a-f]{64}/);
      await conn.command(['ACL', 'SETUSER', 'bob', 'on', 'nopass', '+ping']);
      conn.close();
      const bob = await connect(parseAddress(as(server, 'bob:x')));
      const refused = await collectInstance(bob, { acl: true });
      assert.deepEqual(
        refused.map((line) => line.type === 'forbidden' && line.command),
        ['INFO everything', 'CONFIG GET', 'MODULE LIST', 'ACL LIST'],
      );
      bob.close();
    });
  });
}

describe('precheckSource', () => {
  test('names what a server hides, or where nothing is', async () => {
    await using fake = await FakeRedis.start({
      answers: { PSYNC: "-ERR unknown command 'PSYNC'\r\n" },
    });
    const hidden = await check(`redis://127.0.0.1:${fake.port}`);
    assert.match(hidden.get('source.psync-right')?.message ?? '', /does not know PSYNC/);
    assert.deepEqual(bad(await check('redis://127.0.0.1:1')), ['error source.reach']);
  });

  test('never sends a PSYNC that an old server would grant', async () => {
    const info = () => 'redis_version:6.2.14\r\nrole:master\r\n';
    await using fake = await FakeRedis.start({ info, answers: { MULTI: '-NOPERM no\r\n' } });
    const findings = await check(`redis://127.0.0.1:${fake.port}`);
    assert.equal(findings.get('source.psync-right')?.level, 'warning');
    assert.ok(!fake.commands.some((command) => command.startsWith('PSYNC')));
  });

  test('sees a sentinel, loading, a lost master, a failed save, and a small machine', async () => {
    const rows: readonly (readonly [string, string])[] = [
      ['redis_mode:sentinel', 'error source.state'],
      ['loading:1', 'error source.state'],
      ['master_host:10.0.0.1\r\nmaster_link_status:down', 'error source.state'],
      ['redis_mode:cluster', 'warning source.state'],
      ['rdb_bgsave_in_progress:0\r\nrdb_last_bgsave_status:err', 'warning source.bgsave'],
      ['rdb_bgsave_in_progress:1', 'warning source.bgsave'],
      ['used_memory:60\r\ntotal_system_memory:100', 'warning source.fork-memory'],
    ];
    for (const [fields, expected] of rows) {
      const info = () => `redis_version:7.0.15\r\nrole:master\r\n${fields}\r\n`;
      await using fake = await FakeRedis.start({ info });
      const found = bad(await check(`redis://127.0.0.1:${fake.port}`));
      assert.ok(found.includes(expected), `${fields}: ${found.join()}`);
    }
  });

  test('measures how long the backlog lasts', async () => {
    let offset = 1000;
    const info = () => {
      offset += 100_000;
      const fields = [`master_repl_offset:${offset}`, 'repl_backlog_size:1048576'];
      return ['redis_version:7.0.15', 'role:master', ...fields].join('\r\n');
    };
    await using fake = await FakeRedis.start({ info });
    const found = (await check(`redis://127.0.0.1:${fake.port}`)).get('source.backlog');
    assert.equal(found?.level, 'warning');
    assert.match(found?.remedy ?? '', /^CONFIG SET repl-backlog-size \d+mb$/);
  });

  test('warns of plaintext over a network', async () => {
    await using fake = await FakeRedis.start();
    // Any other name of this machine would do as well.
    const findings = await check(`redis://0.0.0.0:${fake.port}`);
    assert.equal(findings.get('source.tls')?.level, 'warning');
  });
});
