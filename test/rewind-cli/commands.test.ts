import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { readShardLogs } from '../../src/repository/index.ts';
import { temporaryFolder, tidemark, tidemarkJson } from '../cli/run-tidemark.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { type RunningServer, startServer } from '../support/servers.ts';
import { nextMillisecond, RecordedSource } from './recorded-source.ts';

type Point = { readonly offset: number; readonly at: string; readonly lineage: string };

/** A shop whose data is flushed by accident between two instants. */
type Story = {
  readonly recorded: RecordedSource;
  /** When a key was there that has expired since. */
  readonly alive: string;
  /** Before the accident, after it, and what the whole data set was then. */
  readonly before: { readonly at: string; readonly digest: string };
  readonly after: { readonly at: string; readonly digest: string };
};

async function digestOf(pipe: RespPipe): Promise<string> {
  return String(await pipe.call('DEBUG', 'DIGEST'));
}

async function tell(t: TestContext): Promise<Story> {
  const recorded = await RecordedSource.start(t);
  const { pipe } = recorded;
  for (let i = 0; i < 200; i++) pipe.pipe('SET', `user:${i}`, `value ${i}`);
  pipe.pipe('HSET', 'cart:1', 'apple', '2', 'pear', '3');
  pipe.pipe('FUNCTION', 'LOAD', "#!lua name=shop\nredis.register_function('f', function() end)");
  pipe.pipe('SET', 'based', 'in the backup', 'PX', '1000');
  await pipe.done();
  await recorded.backUp();
  pipe.pipe('HINCRBY', 'cart:1', 'apple', '5');
  pipe.pipe('MULTI');
  pipe.pipe('SELECT', '3');
  pipe.pipe('RPUSH', 'orders', 'first', 'second');
  pipe.pipe('EXEC');
  pipe.pipe('SET', 'brief', 'gone soon', 'PX', '400');
  await recorded.settle();
  const alive = new Date(await nextMillisecond()).toISOString();
  pipe.pipe('DEL', 'brief');
  pipe.pipe('SELECT', '0');
  pipe.pipe('SET', 'lasting', 'stays', 'PX', '600000');
  pipe.pipe('DEL', 'user:7', 'based');
  await recorded.settle();
  await nextMillisecond();
  const before = { at: new Date(await nextMillisecond()).toISOString(), digest: '' };
  before.digest = await digestOf(pipe);
  await pipe.call('FLUSHALL');
  await pipe.call('SET', 'user:1', 'after the accident');
  await recorded.settle();
  const digest = await digestOf(pipe);
  const after = { at: new Date(await nextMillisecond()).toISOString(), digest };
  await pipe.call('SET', 'later', '1');
  await recorded.store();
  return { recorded, alive, before, after };
}

async function startTarget(t: TestContext): Promise<{ target: RunningServer; pipe: RespPipe }> {
  const target = await startServer('redis-7.0');
  t.after(() => target.stop());
  const pipe = await RespPipe.open(target.url);
  t.after(() => pipe.close());
  return { target, pipe };
}

const lines = (text: string): string[] => text.trimEnd().split('\n');

describe('an instant of the log', () => {
  test('is read by every command that reads a backup', async (t) => {
    const { recorded, alive, before, after } = await tell(t);
    const { env, sandbox } = recorded;
    const with_ = ['--sandbox-server', sandbox];
    const dir = temporaryFolder(t);

    await t.test('cat prints it, and says on standard error what it understood', async () => {
      const args = ['cat', '--at', before.at, '--match', 'cart:*', ...with_];
      const { status, stdout, stderr } = await tidemark(args, { env });
      assert.equal(status, 0, stderr);
      const [line] = lines(stdout);
      assert.deepEqual(JSON.parse(line).value, { apple: '7', pear: '3' });
      assert.match(stderr, /instant: .* local time \(2\d{3}-.*Z\), .* ago/);
      assert.match(stderr, /last command: DEL in database 0/);
    });

    await t.test('cat shows also what has expired since, as it was recorded', async () => {
      const args = ['cat', '--at', alive, '--match', 'b*', '--match', 'orders', ...with_];
      const { status, stdout, stderr } = await tidemark(args, { env });
      assert.equal(status, 0, stderr);
      const found = lines(stdout).map((line) => JSON.parse(line));
      assert.deepEqual(
        found.map(({ key }) => String(key)).sort((a, b) => (a < b ? -1 : 1)),
        ['based', 'brief', 'orders'],
      );
      assert.ok(found.find(({ key }) => key === 'brief').expireAt > Date.parse(alive));
    });

    await t.test('find gives one key with its value', async () => {
      const args = ['find', 'cart:1', '--before', 'last:FLUSHALL', '--value', ...with_];
      const { status, document, stderr } = await tidemarkJson(args, { env });
      assert.equal(status, 0, stderr);
      const { instant, lines: found } = document as { instant: Point; lines: string[] };
      assert.equal(JSON.parse(found[0]).value.apple, '7');
      assert.equal(typeof instant.offset, 'number');
      const gone = await tidemarkJson(['find', 'cart:1', '--at', after.at, ...with_], { env });
      type Found = { sources: { backups: { versions: { present: boolean }[] }[] }[] };
      const [{ backups }] = (gone.document as Found).sources;
      assert.equal(backups[0].versions[0].present, false);
    });

    await t.test('diff compares two of them', async () => {
      const args = ['diff', 'before:last:FLUSHALL', `at:${after.at}`, ...with_];
      const { status, document, stderr } = await tidemarkJson(args, { env });
      assert.equal(status, 0, stderr);
      const { totals } = document as { totals: Record<string, number> };
      // user:0 … 199 without 7; user:1 has come back changed; cart:1, orders, lasting.
      assert.equal(totals['changed'], 1);
      assert.equal(totals['removed'], 198 + 3);
      assert.equal(totals['added'], 0);
    });

    await t.test('export writes it as JSON Lines', async () => {
      const out = join(dir, 'after.jsonl');
      const args = ['export', '--at', after.at, '--format', 'jsonl', '--out', out, ...with_];
      const { status, stderr } = await tidemark(args, { env });
      assert.equal(status, 0, stderr);
      assert.deepEqual(
        lines(readFileSync(out, 'utf8')).map((line) => JSON.parse(line)),
        [{ db: 0, key: 'user:1', type: 'string', value: 'after the accident' }],
      );
    });

    await t.test(
      'restore writes it, functions included, with the report of a restore',
      async () => {
        const { target, pipe } = await startTarget(t);
        const args = ['restore', '--before', 'last:FLUSHALL', '--to', target.url, ...with_];
        const { status, document, stderr } = await tidemarkJson(args, { env });
        assert.equal(status, 0, stderr);
        assert.equal(await digestOf(pipe), before.digest);
        assert.match(String(await pipe.call('FUNCTION', 'LIST')), /shop/);
        const report = document as { backup: string; instant: Point; totals: { failed: number } };
        assert.equal(report.totals.failed, 0);
        assert.equal(report.backup, `log:${report.instant.lineage}@${report.instant.offset}`);
        const again = await tidemarkJson(args, { env });
        type Report = { totals: { unchanged: number; selected: number; expired: number } };
        const { unchanged, selected, expired } = (again.document as Report).totals;
        assert.equal(unchanged + expired, selected);
      },
    );

    await t.test('restore --ttl remaining counts from the instant', async () => {
      const { target, pipe } = await startTarget(t);
      const which = ['--at', alive, '--key', 'based', '--key', 'brief'];
      const args = ['restore', ...which, '--ttl', 'remaining', '--to', target.url, ...with_];
      const { status, document, stderr } = await tidemarkJson(args, { env });
      assert.equal(status, 0, stderr);
      const { totals } = document as { totals: Record<string, number> };
      assert.deepEqual([totals['restored'], totals['expired']], [2, 0]);
      const left = Number(await pipe.call('PTTL', 'based'));
      assert.ok(left === -2 || (left > 0 && left <= 1000), `${left}`);
    });

    await t.test('export takes an empty server of somebody, and leaves it empty', async () => {
      const { target, pipe } = await startTarget(t);
      const out = join(dir, 'before.rdb');
      const how = ['--format', 'rdb', '--out', out, '--sandbox-url', target.url];
      const args = ['export', '--before', 'last:FLUSHALL', ...how];
      const { status, stderr } = await tidemark(args, { env });
      assert.equal(status, 0, stderr);
      assert.equal(readFileSync(out).subarray(0, 5).toString(), 'REDIS');
      assert.equal(await pipe.call('DBSIZE'), 0);
      assert.match(String(await pipe.call('ROLE')), /^master/);
      assert.equal(String(await pipe.call('CONFIG', 'GET', 'masterauth')), 'masterauth,');
      await pipe.call('SET', 'mine', '1');
      const refused = await tidemark([...args, '--force'], { env });
      assert.equal(refused.status, 3);
      assert.match(refused.stderr, /it has keys/);
    });

    await t.test('refuses what cannot be reached, and contradictions', async () => {
      const late = await tidemark(['cat', '--at', '-0s', ...with_], { env });
      assert.equal(late.status, 3);
      assert.match(late.stderr, /not stored yet[\s\S]*Nearest: --at /);
      const early = await tidemark(['cat', '--at', '-7d'], { env });
      assert.equal(early.status, 3);
      for (const args of [
        ['cat', 'latest', '--at', '-1m'],
        ['cat'],
        ['cat', '--at', 'yesterday'],
        ['find', 'a', '--at', '-1m', '--history'],
        ['backup', recorded.server.url, '--at', '-1m'],
        ['backup', recorded.server.url, '--from-log'],
      ]) {
        const { status, stderr } = await tidemark(args, { env });
        assert.equal(status, 2, `${args.join(' ')}: ${stderr}`);
      }
    });

    await t.test('backup --from-log makes one that later rewinds begin with', async () => {
      const args = ['backup', '--from-log', '--at', after.at, '--label', 'why=test', ...with_];
      const { status, document, stderr } = await tidemarkJson(args, { env });
      assert.equal(status, 0, stderr);
      const { id, instant } = document as { id: string; instant: Point };
      const shown = await tidemarkJson(['show', id], { env });
      type Shown = { manifest: { shards: { replayed: object; lineage: string }[] } };
      const [shard] = (shown.document as Shown).manifest.shards;
      assert.ok(shard.replayed !== undefined);
      assert.equal(shard.lineage, instant.lineage);
      const later = await tidemarkJson(['find', 'later', '--at', 'latest', ...with_], { env });
      const { instant: point } = later.document as { instant: { base: string } };
      assert.equal(point.base, id);
      const verified = await tidemark(['verify'], { env });
      assert.equal(verified.status, 0, verified.stderr);
    });
    const [log] = await readShardLogs(recorded.repository, recorded.source.id);
    assert.deepEqual(log.findings, []);
  });
});
