import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { RespPipe } from '../support/resp-pipe.ts';
import { freePort } from '../support/ports.ts';
import {
  findServer,
  notRun,
  type RunningServer,
  type ServerName,
  type StartOptions,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import {
  type Result,
  temporaryFolder,
  Tidemark,
  tidemark,
  tidemarkJson,
  waitFor,
} from './run-tidemark.ts';

const SERVER: ServerName = 'redis-7.0';
const missing = findServer(SERVER) === undefined;

type Failure = {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string };
};

async function start(t: TestContext, options: StartOptions = {}): Promise<RunningServer> {
  const server = await startServer(SERVER, options);
  t.after(() => server.stop());
  return server;
}

async function fill(url: string, megabytes: number): Promise<void> {
  const pipe = await RespPipe.open(url);
  const value = Buffer.alloc(10_000);
  for (let i = 0; i < megabytes * 100; i++) {
    // Not compressible, or the RDB would be small.
    for (let n = 0; n < value.length; n++) value[n] = 33 + ((n * 7919 + i * 31 + n ** 2) % 90);
    pipe.pipe('SET', `key:${i}`, value);
  }
  await pipe.done();
  pipe.close();
}

/** Every object of a repository. */
function objects(repo: string): string[] {
  try {
    return readdirSync(repo, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
}

describe('tidemark backup', () => {
  test('names the failure, and never the password', async (t) => {
    if (missing) return notRun(t, SERVER, whyMissing(SERVER));
    const server = await start(t, { aclFile: 'user default on >right-word ~* &* +@all\n' });
    const repo = join(temporaryFolder(t), 'repo');
    const address = server.url.replace('//', '//:wrong-word@');
    const wrong = (await tidemarkJson(['backup', address, '--repo', repo])) as Result<Failure>;
    assert.equal(wrong.status, 1);
    assert.equal(wrong.document.error.code, 'AUTH_FAILED');
    const fromEnv = await tidemark(['backup', server.url, '--repo', repo], {
      env: { TIDEMARK_PASSWORD: 'wrong-word' },
    });
    assert.equal(fromEnv.status, 1);
    assert.match(fromEnv.stderr, /^tidemark: Cannot authenticate.*\nhint: .*\n$/);
    for (const said of [JSON.stringify(wrong), JSON.stringify(fromEnv)]) {
      assert.equal(said.includes('wrong-word'), false);
    }
    const file = join(temporaryFolder(t), 'password');
    writeFileSync(file, 'right-word\n');
    const right = await tidemark(['backup', server.url, '--repo', repo, '--password-file', file]);
    assert.equal(right.status, 0, right.stderr);
    for (const name of objects(repo).filter((path) => path.endsWith('.json'))) {
      assert.equal(readFileSync(join(repo, name), 'utf8').includes('right-word'), false, name);
    }
  });

  test('says that a server cannot be reached', async (t) => {
    const repo = join(temporaryFolder(t), 'repo');
    const address = `redis://127.0.0.1:${await freePort()}`;
    const failed = (await tidemarkJson(['backup', address, '--repo', repo])) as Result<Failure>;
    assert.equal(failed.status, 1);
    assert.equal(failed.document.error.code, 'CONNECT_FAILED');
    assert.match(failed.stderr, /ECONNREFUSED/);
    const cluster = await tidemark(['backup', 'cluster://h:1', '--repo', repo]);
    assert.equal(cluster.status, 3);
  });

  test('ends with 130 when interrupted, and lists nothing', async (t) => {
    if (missing) return notRun(t, SERVER, whyMissing(SERVER));
    const server = await start(t);
    await fill(server.url, 4);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const repo = join(temporaryFolder(t), 'repo');
      const args = ['backup', server.url, '--repo', repo, '--rate', '64KiB/s', '--json'];
      const run = new Tidemark(args);
      await waitFor('a backup in progress', () =>
        objects(repo).some((name) => name.includes('/begun/')),
      );
      run.kill(signal);
      const { status, stdout, stderr } = await run.finished;
      assert.equal(status, 130, stderr);
      assert.equal((JSON.parse(stdout) as Failure).error.code, 'INTERRUPTED');
      const listed = await tidemark(['list', '--repo', repo]);
      assert.equal(listed.status, 0);
      assert.match(listed.stdout, /no backups/i);
    }
  });
});

describe('tidemark', () => {
  test('says what does not exist', async (t) => {
    if (missing) return notRun(t, SERVER, whyMissing(SERVER));
    const server = await start(t);
    const repo = join(temporaryFolder(t), 'repo');
    const nothing = (await tidemarkJson(['list', '--repo', repo])) as Result<Failure>;
    assert.equal(nothing.status, 1);
    assert.equal(nothing.document.error.code, 'REPOSITORY_MISSING');
    assert.equal((await tidemark(['backup', server.url, '--repo', repo])).status, 0);
    for (const [args, code] of [
      [['show', '19990101'], 'BACKUP_NOT_FOUND'],
      [['cat', 'latest', '--source', 'other'], 'SOURCE_NOT_FOUND'],
      [['verify', 'nope'], 'BACKUP_NOT_FOUND'],
      [['restore', 'nope', '--to', server.url], 'BACKUP_NOT_FOUND'],
    ] as const) {
      const failed = (await tidemarkJson([...args, '--repo', repo])) as Result<Failure>;
      assert.equal(failed.status, 1, args.join(' '));
      assert.equal(failed.document.error.code, code);
    }
  });

  test('finds damage, and refuses to hand it out', async (t) => {
    if (missing) return notRun(t, SERVER, whyMissing(SERVER));
    const server = await start(t);
    await fill(server.url, 1);
    const repo = join(temporaryFolder(t), 'repo');
    assert.equal((await tidemark(['backup', server.url, '--repo', repo])).status, 0);
    const data = objects(repo).find((name) => /\d+\.jsonl\.zst$/.test(name)) as string;
    const path = join(repo, data);
    const bytes = readFileSync(path);
    bytes[2_000] = bytes[2_000] ^ 1;
    writeFileSync(path, bytes);
    const verified = await tidemark(['verify', '--repo', repo]);
    assert.equal(verified.status, 1);
    assert.match(verified.stdout, /^damaged {2}/m);
    const document = (await tidemarkJson(['verify', 'latest', '--repo', repo])) as Result<{
      ok: boolean;
    }>;
    assert.equal(document.status, 1);
    assert.equal(document.document.ok, false);
    const printed = await tidemark(['cat', 'latest', '--repo', repo]);
    assert.equal(printed.status, 1);
    assert.match(printed.stderr, /^tidemark: .*\nhint: /);
  });

  test('ends quietly when the reader of its output has gone', async (t) => {
    if (missing) return notRun(t, SERVER, whyMissing(SERVER));
    const server = await start(t);
    await fill(server.url, 8);
    const repo = join(temporaryFolder(t), 'repo');
    assert.equal((await tidemark(['backup', server.url, '--repo', repo])).status, 0);
    const run = new Tidemark(['cat', 'latest', '--repo', repo]);
    run.child.stdout?.once('data', () => run.child.stdout?.destroy());
    const { status, stderr } = await run.finished;
    assert.equal(stderr, '');
    assert.equal(status, 0);
  });
});

describe('tidemark precheck', () => {
  test('tells by its status whether a server will do', async (t) => {
    if (missing) return notRun(t, SERVER, whyMissing(SERVER));
    const master = await start(t);
    const replica = await start(t, { config: { replicaof: `127.0.0.1 ${master.port}` } });
    const good = await tidemark(['precheck', master.url, '--as', 'source']);
    assert.equal(good.status, 0, good.stdout);
    assert.match(good.stdout, /^ok .*\n[^]*Ready for a backup \(0 errors/);
    const target = (await tidemarkJson(['precheck', replica.url, '--as', 'target'])) as Result<{
      ok: boolean;
      findings: { level: string }[];
    }>;
    assert.equal(target.status, 3);
    assert.equal(target.document.ok, false);
    assert.equal(
      target.document.findings.some(({ level }) => level === 'error'),
      true,
    );
    const closed = `redis://127.0.0.1:${await freePort()}`;
    const nowhere = await tidemark(['precheck', closed, '--as', 'source']);
    assert.equal(nowhere.status, 3);
    assert.match(nowhere.stdout, /^error .*ECONNREFUSED.* → /);
    const stray = await tidemark(['precheck', master.url, '--as', 'source', '--for', 'latest']);
    assert.equal(stray.status, 2);
  });
});
