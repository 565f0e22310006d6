import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { backUp } from '../../src/backup/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { openRepository } from '../../src/repository/index.ts';
import { DirectoryStorage } from '../../src/storage/index.ts';
import { readLive } from '../support/live-reader.ts';
import type { KeyModel, Model, ValueModel } from '../support/model.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { fillServer } from '../support/data-shapes.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';
import { diffModels } from '../support/truth.ts';

const SCRIPT = join(import.meta.dirname, '..', '..', 'examples', 'without-tidemark.sh');

test('without-tidemark.sh loads a backup by standard tools only, in at most twenty lines', async (t) => {
  const name = 'redis-7.0';
  if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
  for (const tool of ['zstd', 'jq', 'redis-cli']) {
    if (spawnSync(tool, ['--version']).error !== undefined) return notRun(t, tool, 'not installed');
  }
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-without-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await using source = await startServer(name);
  await fillServer(source.url, { bulkKeys: 500, big: false });
  const pipe = await RespPipe.open(source.url);
  t.after(() => pipe.close());
  await pipe.call(
    'HSET',
    'tricky',
    'base64:x',
    'text:y',
    'text:',
    '"\\\r\n\t\f\u0001ü€😀',
    'n',
    '1e3',
  );
  await pipe.call(
    'ZADD',
    'tricky scores',
    'inf',
    'a',
    '-inf',
    'b',
    '0.1',
    'c',
    '1e-300',
    'base64:d',
  );
  await pipe.call('RPUSH', 'tricky list', 'text:text:', '', ' ');
  const repository = await openRepository(new DirectoryStorage(folder), { mode: 'write' });
  const { id, source: where } = await backUp({ repository, address: parseAddress(source.url) });
  const data = join(folder, 'sources', where.id, 'data', id);

  await using target = await startServer(name);
  const run = spawnSync(SCRIPT, [data, '-p', String(target.port)], { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr + run.stdout);
  assert.match(run.stdout, /errors: 0/);
  const expected = textKeys(await readLive(source.url));
  assert.ok(expected.keys.size > 400, `${expected.keys.size} keys`);
  assert.deepEqual(diffModels(expected, await readLive(target.url), { functions: false }), []);
  assert.ok(readFileSync(SCRIPT, 'utf8').trimEnd().split('\n').length <= 20);
});

function textKeys(model: Model): Model {
  const keys = [...model.keys].filter(([, key]) => isText(key));
  return { ...model, keys: new Map(keys) };
}

function isText({ key, value }: KeyModel): boolean {
  const texts = textsOf(value);
  return texts !== undefined && [key, ...texts].every(isUtf8);
}

function isUtf8(bytes: string): boolean {
  const raw = Buffer.from(bytes, 'latin1');
  return Buffer.from(raw.toString('utf8'), 'utf8').equals(raw);
}

function textsOf(value: ValueModel): readonly string[] | undefined {
  if (value.kind === 'string') return [value.bytes];
  if (value.kind === 'list') return value.items;
  if (value.kind === 'set') return value.members;
  if (value.kind === 'hash') return value.fields.flatMap(([field, text]) => [field, text]);
  return value.kind === 'zset' ? value.members.map(([member]) => member) : undefined;
}
