import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { notRun } from '../support/servers.ts';
import { temporaryFolder, Tidemark, tidemark, waitFor } from './run-tidemark.ts';

const WHY = 'neither redis-server nor valkey-server is on PATH';
const found = ['redis-server', 'valkey-server'].some(
  (name) => spawnSync(name, ['--version']).status === 0,
);

function portIn(output: string): number | undefined {
  const port = /redis:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1];
  return port === undefined ? undefined : Number(port);
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Whether a process has this folder in its environment; only Linux can tell. */
function isMentioned(folder: string): boolean {
  if (process.platform !== 'linux') return false;
  return readdirSync('/proc').some((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'utf8').includes(folder);
    } catch {
      // It has just ended, or is not ours.
      return false;
    }
  });
}

describe('tidemark demo', () => {
  test('ends well, within a minute, and leaves nothing', async (t) => {
    if (!found) return notRun(t, 'demo', WHY);
    const folder = temporaryFolder(t);
    const begunAt = performance.now();
    const run = await tidemark(['demo'], { env: { TMPDIR: folder } });
    assert.equal(run.status, 0, run.stdout + run.stderr);
    assert.equal(performance.now() - begunAt < 60_000, true);
    const said = run.stdout;
    assert.match(said, /\n\$ tidemark capture redis:\/\/127\.0\.0\.1:\d+ --source shop .*&\n/);
    assert.match(said, /\nredis> FLUSHALL\n {2}OK\n/);
    assert.match(said, /\n\$ tidemark log --marks\n[^$]*FLUSHALL/);
    assert.match(said, /\n\$ tidemark restore --before last:FLUSHALL --to .* --conflict skip /);
    assert.equal(said.match(/^ {2}good /gm)?.length, 2);
    assert.doesNotMatch(said, /BAD/);
    const last =
      /([\d,]+) keys: all as they should be\nRPO 0\.0 s\n[\d.]+ seconds from FLUSHALL to recovery\n$/;
    assert.match(said, last);
    assert.deepEqual(readdirSync(folder), []);
    assert.equal(await isListening(portIn(run.stdout) as number), false);
  });

  for (const [signal, expected, command] of [
    ['SIGINT', 130, 'restore'],
    ['SIGTERM', 130, 'capture'],
    ['SIGKILL', null, 'capture'],
    ['SIGKILL', null, 'restore'],
  ] as const) {
    test(`leaves nothing when stopped by ${signal} during ${command}`, async (t) => {
      if (!found) return notRun(t, 'demo', WHY);
      const folder = temporaryFolder(t);
      const run = new Tidemark(['demo'], { env: { TMPDIR: folder } });
      await waitFor(command, () => run.stdout.includes(`$ tidemark ${command}`));
      const port = portIn(run.stdout) as number;
      run.kill(signal);
      assert.equal((await run.finished).status, expected);
      await waitFor('the end of the server', async () => !(await isListening(port)));
      await waitFor('the end of its commands', () => !isMentioned(folder));
      await waitFor('the end of its folder', () => readdirSync(folder).length === 0);
    });
  }

  test('gives its facts as one document with --json', async (t) => {
    if (!found) return notRun(t, 'demo', WHY);
    const run = await tidemark(['demo', '--json'], { env: { TMPDIR: temporaryFolder(t) } });
    assert.equal(run.status, 0, run.stderr);
    const facts = JSON.parse(run.stdout) as Record<string, unknown>;
    assert.equal(facts['missing'], 0);
    assert.equal(facts['harmed'], 0);
    assert.ok(Number(facts['writesAfter']) > 0);
    assert.ok(Number(facts['writes']) > Number(facts['writesAfter']));
  });

  test('says what it needs where there is no server', async () => {
    const run = await tidemark(['demo', '--server', 'no-such-server']);
    assert.equal(run.status, 2);
    assert.match(run.stderr, /Cannot find no-such-server .*\nhint: Install redis-server/);
    assert.equal((await tidemark(['demo', '--server', process.execPath])).status, 2);
  });
});
