import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTemporaryFolder } from './temporary-folder.ts';

test('createTemporaryFolder removes those of processes that are gone, and no others', async (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'tidemark-sweep-'));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  const { pid } = spawnSync('true');
  mkdirSync(join(parent, `tidemark-instant-${pid}-gone`));
  mkdirSync(join(parent, `tidemark-instant-${process.pid}-mine`));
  mkdirSync(join(parent, 'tidemark-instant-strange'));
  mkdirSync(join(parent, 'other'));
  const made = await createTemporaryFolder(parent);
  assert.deepEqual(
    readdirSync(parent).filter((name) => join(parent, name) !== made),
    ['other', `tidemark-instant-${process.pid}-mine`, 'tidemark-instant-strange'],
  );
  await assert.rejects(createTemporaryFolder(join(parent, 'none')), { code: 'STORAGE_FAILED' });
});
