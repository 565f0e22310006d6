import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { RespPipe } from '../support/resp-pipe.ts';
import {
  findServer,
  notRun,
  type RunningServer,
  SERVER_NAMES,
  type ServerName,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { type Result, temporaryFolder, tidemark, tidemarkJson, waitFor } from './run-tidemark.ts';

const FUTURE_MS = 4_102_444_800_000;
const DEFAULT: ServerName = 'redis-7.0';

async function start(t: TestContext, name: ServerName, options = {}): Promise<RunningServer> {
  const server = await startServer(name, options);
  t.after(() => server.stop());
  return server;
}

async function open(t: TestContext, url: string): Promise<RespPipe> {
  const pipe = await RespPipe.open(url);
  t.after(() => pipe.close());
  return pipe;
}

async function fill(pipe: RespPipe): Promise<void> {
  for (let i = 0; i < 2_000; i++) pipe.pipe('SET', `user:${i}`, `value ${i}`);
  pipe.pipe('SET', 'brief', 'x', 'PX', 3_600_000);
  pipe.pipe('HSET', 'cart:1', 'a', '1', 'b', '2');
  pipe.pipe('PEXPIREAT', 'cart:1', FUTURE_MS);
  pipe.pipe('RPUSH', 'list', ...Array.from({ length: 500 }, (_, i) => `item ${i}`));
  pipe.pipe('SADD', 'numbers', 1, 2, 3);
  pipe.pipe('ZADD', 'scores', '1.5', 'ann', '-2', 'bob');
  pipe.pipe('XADD', 'stream', '1-1', 'f', 'v');
  pipe.pipe('SET', Buffer.from([0xff, 0x00, 0x0a]), Buffer.from([0xfe, 0xff]));
  pipe.pipe('SELECT', 3);
  pipe.pipe('SET', 'elsewhere', 'three');
  pipe.pipe('SELECT', 0);
  await pipe.done();
}

type Digest = { readonly digest: string; readonly sizes: readonly string[] };

async function digestOf(pipe: RespPipe): Promise<Digest> {
  const digest = String(await pipe.call('DEBUG', 'DIGEST'));
  const sizes: string[] = [];
  for (const db of [0, 3, 5]) {
    await pipe.call('SELECT', db);
    sizes.push(String(await pipe.call('DBSIZE')));
  }
  await pipe.call('SELECT', 0);
  return { digest, sizes };
}

type Listed = {
  readonly sources: readonly { readonly name: string; readonly backups: { id: string }[] }[];
};
type Restored = {
  readonly totals: Readonly<Record<string, number>>;
  readonly problemCount: number;
};

describe('tidemark', () => {
  for (const name of SERVER_NAMES) {
    test(`backs up, lists, shows, prints, restores and verifies ${name}`, async (t) => {
      if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
      const source = await start(t, name);
      const target = await start(t, name);
      const [from, to] = [await open(t, source.url), await open(t, target.url)];
      await fill(from);
      const repo = join(temporaryFolder(t), 'repo');
      const env = { TIDEMARK_REPO: repo };

      const made = (await tidemarkJson(
        ['backup', source.url, '--source', 'shop', '--label', 'team=a'],
        { env },
      )) as Result<{ id: string; keys: number }>;
      assert.equal(made.status, 0, made.stderr);
      assert.equal(made.document.keys, 2_008);
      const { id } = made.document;

      const listed = (await tidemarkJson(['list'], { env })) as Result<Listed>;
      assert.deepEqual(
        listed.document.sources.map(({ name, backups }) => [name, backups.map((b) => b.id)]),
        [['shop', [id]]],
      );
      const table = await tidemark(['list'], { env });
      assert.match(table.stdout, new RegExp(`^shop \\(.*team=a\\n.*\\n  ${id} `));

      const shown = await tidemark(['show', id.slice(0, 12), '--source', 'shop'], { env });
      assert.equal(shown.status, 0, shown.stderr);
      assert.match(shown.stdout, /string 2,002/);
      assert.match(shown.stdout, /consistency: +point-in-time/);

      const printed = await tidemark(['cat', 'latest', '--key', 'user:7', '--key', 'cart:1'], {
        env,
      });
      assert.deepEqual(printed.stdout.trimEnd().split('\n').sort(), [
        `{"db":0,"key":"cart:1","type":"hash","expireAt":${FUTURE_MS},"value":{"a":"1","b":"2"}}`,
        '{"db":0,"key":"user:7","type":"string","value":"value 7"}',
      ]);
      const bytes = await tidemark(['cat', 'latest', '--key', 'base64:/wAK'], { env });
      assert.equal(
        bytes.stdout,
        '{"db":0,"key":"base64:/wAK","type":"string","value":"base64:/v8="}\n',
      );

      const restored = (await tidemarkJson(['restore', id, '--to', target.url], {
        env,
      })) as Result<Restored>;
      assert.equal(restored.status, 0, restored.stderr);
      assert.equal(restored.document.totals['restored'], 2_008);
      assert.deepEqual(await digestOf(to), await digestOf(from));

      const again = await tidemark(['restore', id, '--to', target.url], { env });
      assert.equal(again.status, 0, again.stderr);
      assert.match(again.stdout, /all +2,008 +0 +2,008/);

      const verified = (await tidemarkJson(['verify'], { env })) as Result<{ ok: boolean }>;
      assert.equal(verified.status, 0);
      assert.equal(verified.document.ok, true);
    });
  }
});

describe('tidemark restore', () => {
  test('keeps to its selection, its database map and its conflict policy', async (t) => {
    if (findServer(DEFAULT) === undefined) return notRun(t, DEFAULT, whyMissing(DEFAULT));
    const [source, target] = [await start(t, DEFAULT), await start(t, DEFAULT)];
    const [from, to] = [await open(t, source.url), await open(t, target.url)];
    await fill(from);
    const env = { TIDEMARK_REPO: join(temporaryFolder(t), 'repo') };
    assert.equal((await tidemark(['backup', source.url], { env })).status, 0);
    const restore = (...args: string[]) =>
      tidemarkJson(['restore', 'latest', '--to', target.url, ...args], { env }) as Promise<
        Result<Restored>
      >;

    const mapped = await restore('--db', '3', '--map-db', '3:5');
    assert.equal(mapped.document.totals['restored'], 1);
    assert.deepEqual((await digestOf(to)).sizes, ['0', '0', '1']);
    const addressed = await tidemark(
      ['restore', 'latest', '--to', `${target.url}/5`, '--key', 'elsewhere', '--db', '3'],
      { env },
    );
    assert.equal(addressed.status, 0, addressed.stderr);
    assert.match(addressed.stdout, /db 3 +1 +0 +1/);
    const many = await tidemark(['restore', 'latest', '--to', `${target.url}/5`], { env });
    assert.equal(many.status, 2, many.stdout);

    const dry = await restore('--match', 'user:1*', '--dry-run');
    assert.equal(dry.document.totals['selected'], 1_111);
    assert.deepEqual((await digestOf(to)).sizes, ['0', '0', '1']);

    await to.call('SET', 'user:1', 'changed');
    const refused = await restore('--key', 'user:1', '--conflict', 'fail');
    assert.equal(refused.status, 3);
    const unasked = await restore('--key', 'user:1', '--conflict', 'overwrite');
    assert.equal(unasked.status, 3);
    assert.deepEqual(
      (unasked.document as unknown as { error: { code: string } }).error.code,
      'CONFIRMATION_REQUIRED',
    );
    assert.equal(String(await to.call('GET', 'user:1')), 'changed');
    const renamed = await restore('--key', 'user:1');
    assert.equal(renamed.document.totals['renamed'], 1);
    assert.equal(String(await to.call('GET', 'user:1')), 'changed');
    const overwritten = await restore('--key', 'user:1', '--conflict', 'overwrite', '--yes');
    assert.equal(overwritten.document.totals['overwritten'], 1);
    assert.equal(String(await to.call('GET', 'user:1')), 'value 1');
  });

  test('says how many keys had expired and what brings them back', async (t) => {
    if (findServer(DEFAULT) === undefined) return notRun(t, DEFAULT, whyMissing(DEFAULT));
    const [source, target] = [await start(t, DEFAULT), await start(t, DEFAULT)];
    const [from, to] = [await open(t, source.url), await open(t, target.url)];
    await from.call('SET', 'stays', 'x');
    await from.call('SET', 'goes', 'x', 'PX', '2500');
    const env = { TIDEMARK_REPO: join(temporaryFolder(t), 'repo') };
    assert.equal((await tidemark(['backup', source.url], { env })).status, 0);
    await waitFor('the expiry', async () => (await from.call('EXISTS', 'goes')) === 0);
    const absolute = await tidemark(['restore', 'latest', '--to', target.url], { env });
    assert.equal(absolute.status, 0);
    assert.match(absolute.stdout, /1 key was not written: .*--ttl remaining.*--ttl persist.*\n$/);
    assert.equal(await to.call('EXISTS', 'goes'), 0);
    const persist = ['restore', 'latest', '--to', target.url, '--ttl', 'persist'];
    assert.equal((await tidemark(persist, { env })).status, 0);
    assert.equal(await to.call('PTTL', 'goes'), -1);
  });
});

describe('tidemark import', () => {
  test('makes a backup of an RDB file and of standard input', async (t) => {
    if (findServer(DEFAULT) === undefined) return notRun(t, DEFAULT, whyMissing(DEFAULT));
    const server = await start(t, DEFAULT);
    const pipe = await open(t, server.url);
    await fill(pipe);
    await pipe.call('SAVE');
    const rdb = join(server.dir, 'dump.rdb');
    const env = { TIDEMARK_REPO: join(temporaryFolder(t), 'repo') };
    const file = (await tidemarkJson(['import', rdb, '--source', 'a'], { env })) as Result<{
      keys: number;
    }>;
    assert.equal(file.status, 0, file.stderr);
    assert.equal(file.document.keys, 2_008);
    const input = readFileSync(rdb);
    const piped = await tidemark(['import', '-', '--source', 'b'], { env, input });
    assert.equal(piped.status, 0, piped.stderr);
    assert.match(piped.stdout, /keys: +2,008 keys in 2 databases/);
    const ambiguous = await tidemark(['cat', 'latest'], { env });
    assert.equal(ambiguous.status, 2);
    assert.match(ambiguous.stderr, /'a' .*'b'/);
    const [one, other] = await Promise.all(
      ['a', 'b'].map((source) => tidemark(['cat', 'latest', '--source', source], { env })),
    );
    assert.equal(one?.stdout.length, other?.stdout.length);
  });
});
