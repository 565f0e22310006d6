import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSandboxFolder } from './sandbox-folder.ts';

test('createSandboxFolder is for its owner alone, and sweeps what dead processes left', (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'tidemark-sweep-'));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  const dead = spawnSync('true').pid;
  const left = join(parent, `tidemark-sandbox-${dead}-abcdef`);
  const alive = join(parent, `tidemark-sandbox-${process.pid}-abcdef`);
  for (const folder of [left, alive, join(parent, 'other')]) mkdirSync(folder);
  const folder = createSandboxFolder(parent);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.deepEqual([existsSync(left), existsSync(alive)], [false, true]);
  assert.ok(existsSync(join(parent, 'other')));
});
