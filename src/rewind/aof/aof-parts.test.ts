import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type ErrorCode, isCoded } from '../../base/index.ts';
import { findAofParts } from './aof-parts.ts';
import { isAof } from './is-aof.ts';

const COMMAND = '*1\r\n$4\r\nPING\r\n';

function folderWith(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-aof-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text, 'latin1');
  }
  return folder;
}

const coded =
  (code: ErrorCode, pattern: RegExp) =>
  (error: unknown): boolean =>
    isCoded(error, code) && pattern.test(error.message);

const MANIFEST = 'file b.rdb seq 1 type b\nfile "i 1" seq 1 type i\nfile old seq 1 type h\n';

describe('findAofParts', () => {
  test('follows a manifest: of the folder, one further down, or given itself', async (t) => {
    const files = { 'd/x.manifest': MANIFEST, 'd/b.rdb': 'base', 'd/i 1': COMMAND, 'd/other': '' };
    const folder = folderWith(t, files);
    for (const path of [folder, join(folder, 'd'), join(folder, 'd', 'x.manifest')]) {
      const { parts, isFolder } = await findAofParts(path);
      assert.ok(isFolder);
      assert.deepEqual(
        parts.map(({ name, kind, sizeBytes }) => [name, kind, sizeBytes]),
        [
          ['b.rdb', 'base', 4],
          ['i 1', 'increment', COMMAND.length],
        ],
      );
    }
  });

  test('takes a single file, also by its folder', async (t) => {
    const folder = folderWith(t, { 'appendonly.aof': COMMAND, 'dump.rdb': 'x' });
    for (const path of [folder, join(folder, 'appendonly.aof')]) {
      const { parts, isFolder } = await findAofParts(path);
      assert.ok(!isFolder);
      assert.deepEqual(
        parts.map(({ name, kind }) => [name, kind]),
        [['appendonly.aof', 'base']],
      );
    }
  });

  test('names what is missing, and asks where it could be more than one', async (t) => {
    const none = folderWith(t, { 'dump.rdb': 'x' });
    await assert.rejects(findAofParts(none), coded('USAGE', /without an AOF/));
    await assert.rejects(findAofParts(join(none, 'no')), coded('USAGE', /ENOENT/));
    const missing = folderWith(t, { 'x.manifest': MANIFEST, 'b.rdb/y': '' });
    await assert.rejects(findAofParts(missing), coded('AOF_CORRUPT', /missing: b\.rdb, i 1/));
    const two = folderWith(t, { 'a.manifest': MANIFEST, 'b.manifest': MANIFEST });
    await assert.rejects(findAofParts(two), coded('USAGE', /which manifest/));
    const both = folderWith(t, { 'a.aof': COMMAND, 'b.aof': COMMAND });
    await assert.rejects(findAofParts(both), coded('USAGE', /a\.aof.*b\.aof/));
  });
});

test('isAof tells an AOF from an RDB and from lines', async (t) => {
  const preamble = 'REDIS0009\xfa\x0caof-preamble\xc0';
  const files = {
    commands: COMMAND,
    annotated: `#TS:1\r\n${COMMAND}`,
    'x.manifest': MANIFEST,
    preamble: `${preamble}\x01`,
    'plain.aof': 'VALKEY080',
    'plain.rdb': `${preamble}\x00`,
    'lines.jsonl': '{"db":0}',
    empty: '',
  };
  const folder = folderWith(t, files);
  const found: string[] = [];
  for (const name of [...Object.keys(files), 'missing']) {
    if (await isAof(join(folder, name))) found.push(name);
  }
  assert.deepEqual(found, ['commands', 'annotated', 'x.manifest', 'preamble', 'plain.aof']);
  assert.equal(await isAof(folder), true);
  assert.equal(await isAof('-'), false);
});
