import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import {
  type Result,
  temporaryFolder,
  Tidemark,
  tidemark,
  tidemarkJson,
  waitFor,
} from '../cli/run-tidemark.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { findServer, startServer, whyMissing } from '../support/servers.ts';
import { FAR_MS } from './backup-series.ts';

const SERVER = 'redis-7.0';
const missing = findServer(SERVER) === undefined;

type Diffed = {
  readonly before: { readonly backup: string | null; readonly address: string | null };
  readonly differences: readonly { readonly change: string; readonly key: string }[];
  readonly totals: Readonly<Record<string, number>>;
};

type Found = {
  readonly sources: readonly {
    readonly backups: readonly {
      readonly id: string;
      readonly versions: readonly { readonly db: number; readonly change: string | null }[];
    }[];
  }[];
  readonly read: { readonly requests: number; readonly bytes: number };
  readonly lines: readonly string[];
};

async function scene(t: TestContext) {
  const server = await startServer(SERVER);
  t.after(() => server.stop());
  const pipe = await RespPipe.open(server.url);
  t.after(() => pipe.close());
  const folder = temporaryFolder(t);
  const env = { TIDEMARK_REPO: join(folder, 'repo') };
  const backUp = async (): Promise<string> => {
    // Ids of one second have no order.
    await waitForNextSecond();
    const made = await tidemarkJson(['backup', server.url, '--source', 'shop'], { env });
    assert.equal(made.status, 0, made.stderr);
    return (made.document as { id: string }).id;
  };
  return { url: server.url, pipe, folder, env, backUp };
}

async function waitForNextSecond(): Promise<void> {
  const second = Math.floor(Date.now() / 1000);
  await waitFor('the next second', () => Math.floor(Date.now() / 1000) > second);
}

describe('tidemark find and diff', { skip: missing && whyMissing(SERVER) }, () => {
  test('answer from backups, and from a running server', async (t) => {
    const { url, pipe, folder, env, backUp } = await scene(t);
    for (let i = 0; i < 100; i++) pipe.pipe('SET', `user:${i}`, `value ${i}`);
    pipe.pipe('SET', Buffer.from([0xff, 0x00]), 'bytes');
    await pipe.done();
    const first = await backUp();
    pipe.pipe('SET', 'user:1', 'changed');
    pipe.pipe('PEXPIREAT', 'user:2', FAR_MS);
    pipe.pipe('DEL', 'user:3');
    for (let i = 0; i < 30; i++) pipe.pipe('HSET', `cart:${i}`, 'f', i);
    await pipe.done();
    const second = await backUp();

    const found = (await tidemarkJson(['find', 'user:1', '--value'], { env })) as Result<Found>;
    assert.equal(found.status, 0, found.stderr);
    const { backups } = found.document.sources[0];
    assert.deepEqual(
      backups.map(({ id, versions }) => [id, versions.map(({ db, change }) => [db, change])]),
      [
        [second, [[0, 'changed']]],
        [first, [[0, null]]],
      ],
    );
    assert.deepEqual(found.document.lines, [
      '{"db":0,"key":"user:1","type":"string","value":"changed"}',
    ]);
    assert.ok(found.document.read.requests > 3 && found.document.read.bytes > 0);
    const text = await tidemark(['find', 'user:3', '--source', 'shop', '--since', '-1h'], { env });
    assert.match(
      text.stdout,
      new RegExp(`${second} .* removed\\n  ${first} .* 0  present +string`),
    );
    assert.match(text.stdout, /found in 1 of 2 backups; read /);
    const bytes = await tidemark(['find', 'base64:/wA=', '--value', '--limit', '1'], { env });
    assert.match(bytes.stdout, /same .*5 B/);
    assert.match(
      bytes.stdout,
      /\n\{"db":0,"key":"base64:\/wA=","type":"string","value":"bytes"\}\n$/,
    );

    const shown = await tidemark(['diff', 'latest~1', 'latest', '--values'], { env });
    assert.equal(shown.status, 0, shown.stderr);
    assert.match(shown.stdout, new RegExp(`^before  shop ${first}, .*\nafter   shop ${second}, `));
    assert.match(
      shown.stdout,
      /\nchanged +db 0 {2}user:1 {2}\(string\)\n {2}- \{.*1"\}\n {2}\+ \{/,
    );
    assert.match(shown.stdout, /\nttl-changed {2}db 0 {2}user:2 {2}\(string, expires never → 2/);
    assert.match(shown.stdout, /\nadded +… and 10 more\n/);
    assert.match(shown.stdout, /\n0 +30 +1 +1 +1 +98\n/);
    assert.match(shown.stdout, /\n0 +cart: +30 +0 +0 +0\n0 +user: +0 +1 +1 +1\n/);

    const some = (await tidemarkJson(['diff', first, 'latest'], { env })) as Result<Diffed>;
    assert.equal(some.document.before.backup, first);
    assert.equal(some.document.differences.length, 23);
    assert.deepEqual(some.document.totals, {
      added: 30,
      removed: 1,
      changed: 1,
      ttlChanged: 1,
      equal: 98,
    });
    const all = (await tidemarkJson(['diff', first, second, '--keys'], { env })) as Result<Diffed>;
    assert.equal(all.document.differences.length, 33);
    const lines = await tidemark(['diff', first, second, '--jsonl', '--type', 'string'], { env });
    const changes = lines.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    assert.deepEqual(changes.map((one) => (one as Diffed['differences'][number]).change).sort(), [
      'changed',
      'removed',
      'ttl-changed',
    ]);

    const asked = await tidemark(['diff', first, second, '--exit-code'], { env });
    assert.equal(asked.status, 5);
    const same = await tidemark(['diff', second, second, '--exit-code'], { env });
    assert.equal(same.status, 0);
    assert.match(same.stdout, /no differences: 130 keys/);
    const both = await tidemark(['diff', first, second, '--json', '--jsonl'], { env });
    assert.equal(both.status, 2);

    const temp = join(folder, 'temp');
    mkdirSync(temp);
    pipe.pipe('SELECT', 3);
    pipe.pipe('SET', 'elsewhere', 'x');
    await pipe.done();
    const live = (await tidemarkJson(['diff', url, 'latest', '--temp', temp], {
      env,
    })) as Result<Diffed>;
    assert.equal(live.status, 0, live.stderr);
    assert.deepEqual(
      live.document.differences.map(({ change, key }) => [change, key]),
      [['removed', 'elsewhere']],
    );
    assert.equal(live.document.before.address, url);
    const narrow = await tidemark(['diff', 'latest', `${url}/0`, '--temp', temp], { env });
    assert.match(narrow.stdout, /no differences: 130 keys/);
    assert.doesNotMatch(narrow.stderr, /selections/);
    assert.deepEqual(readdirSync(temp), []);
    const nothing = await tidemark(['diff', 'latest', 'latest~9', '--temp', temp], { env });
    assert.equal(nothing.status, 1);
  });

  test('leave nothing behind when they are interrupted', async (t) => {
    const { url, pipe, folder, env, backUp } = await scene(t);
    for (let i = 0; i < 20_000; i++) pipe.pipe('SET', `key:${i}`, `value ${i}`.repeat(20));
    await pipe.done();
    await backUp();
    const temp = join(folder, 'temp');
    mkdirSync(temp);
    const running = new Tidemark(['diff', 'latest', url, '--temp', temp], { env });
    await waitFor('the throw-away backup', () => readdirSync(temp).length > 0);
    running.kill('SIGINT');
    const { status, stderr } = await running.finished;
    // It may just have been done.
    assert.ok(status === 130 || status === 0, stderr);
    assert.deepEqual(readdirSync(temp), []);
  });
});
