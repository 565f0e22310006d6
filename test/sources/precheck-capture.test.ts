import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseAddress } from '../../src/redis/index.ts';
import {
  type Finding,
  precheckCapture,
  type PrecheckCaptureOptions,
} from '../../src/sources/index.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { findServer, notRun, SERVER_NAMES, startServer, whyMissing } from '../support/servers.ts';

async function check(url: string, options: PrecheckCaptureOptions = {}) {
  const findings = await precheckCapture(parseAddress(url), { watchMs: 10, ...options });
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

for (const name of SERVER_NAMES) {
  describe(`precheckCapture on ${name}`, () => {
    test('finds rights, WAIT, a missing replica, and what the ACL line mends', async (t) => {
      const binary = findServer(name);
      if (!binary) return notRun(t, name, whyMissing(name));
      const channels = name === 'redis-6.0' ? '' : ' &*';
      const users = [
        `user default on nopass ~*${channels} +@all`,
        'user eve on >pw +multi +discard +psync',
      ];
      await using server = await startServer(binary, {
        aclFile: `${users.join('\n')}\n`,
        config: { 'repl-diskless-sync': 'yes' },
      });
      const usual = name === 'redis-6.0' ? 'source.output-buffer' : 'capture.failover';
      assert.deepEqual(bad(await check(server.url)), [`warning ${usual}`]);

      const pipe = await RespPipe.open(server.url);
      await pipe.call('WAIT', 0, 10);
      assert.equal((await check(server.url)).get('capture.wait')?.level, 'error');
      assert.equal((await check(server.url, { ack: 'durable' })).get('capture.wait')?.level, 'ok');
      await pipe.call('CONFIG', 'SET', 'min-replicas-to-write', '1');
      assert.equal((await check(server.url)).get('capture.min-replicas')?.level, 'error');

      const eve = server.url.replace('//', '//eve:pw@');
      const line = (await check(eve)).get('source.replconf-right')?.remedy ?? '';
      assert.match(line, /^ACL SETUSER eve \+replconf \+ping \+info \+config\|get \+time$/);
      await pipe.call(...line.split(' '));
      const mended = await check(eve);
      assert.deepEqual(
        [...mended.values()].filter(({ id, level }) => id.endsWith('-right') && level !== 'ok'),
        [],
      );
      const stats = (await pipe.call('INFO', 'stats')) as Buffer;
      assert.match(stats.toString(), /^sync_full:0\r$/m);
      pipe.close();
    });
  });
}

describe('precheckCapture', () => {
  test('follows a healthy replica, where the promises of the master do not count', async (t) => {
    const binary = findServer('redis-7.0');
    if (!binary) return notRun(t, 'redis-7.0', whyMissing('redis-7.0'));
    await using master = await startServer(binary);
    await using replica = await startServer(binary, {
      config: { replicaof: `127.0.0.1 ${master.port}` },
    });
    const pipe = await RespPipe.open(master.url);
    assert.equal(await pipe.call('WAIT', 1, 20_000), 1);
    const role = async (): Promise<string> =>
      (await check(master.url)).get('capture.node')?.message ?? '';
    const deadline = Date.now() + 20_000;
    while (!(await role()).startsWith('A replica')) assert.ok(Date.now() < deadline);
    const found = await check(master.url);
    assert.equal(found.has('capture.wait'), false);
    assert.match(found.get('source.reach')?.message ?? '', new RegExp(`:${replica.port}$`));
    const ofMaster = await check(master.url, { from: 'master' });
    assert.equal(ofMaster.get('capture.wait')?.level, 'error');
    assert.equal(ofMaster.get('capture.failover')?.level, 'ok');

    let isChecked = false;
    const checking = check(master.url, { from: 'master', watchMs: 100 }).finally(() => {
      isChecked = true;
    });
    for (const value = 'x'.repeat(20_000); !isChecked; await pipe.done()) {
      pipe.pipe('SET', 'k', value);
    }
    const busy = await checking;
    const text = busy.get('source.backlog');
    assert.match(`${text?.message} ${text?.remedy}`, /covers \d+ s .* repl-backlog-size \d+mb$/);
    pipe.close();
    await replica.kill();
    const none = await check(master.url, { from: 'replica' });
    assert.deepEqual(bad(none), ['error capture.node']);
    assert.deepEqual(bad(await check('redis://127.0.0.1:1')), ['error source.reach']);
  });
});
