import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describe, test } from 'node:test';
import { findMissingPrograms, installCommand } from './system-packages.mjs';

describe('findMissingPrograms', () => {
  test('is content with any one of several programs, and names the first when none is there', (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'tidemark-path-'));
    t.after(() => rmSync(dir, { recursive: true }));
    writeFileSync(join(dir, 'valkey-server'), '');
    writeFileSync(join(dir, 'not-a-program'), '');
    chmodSync(join(dir, 'valkey-server'), 0o755);
    chmodSync(join(dir, 'not-a-program'), 0o644);
    const path = ['', '/nowhere', dir].join(delimiter);
    const servers = ['redis-server', 'valkey-server'];
    assert.deepEqual(findMissingPrograms([servers], path), []);
    assert.deepEqual(findMissingPrograms([servers, ['jq', 'gojq']], '/nowhere'), [
      'redis-server',
      'jq',
    ]);
    const all = [servers, ['not-a-program']];
    assert.deepEqual(findMissingPrograms(all, path), ['not-a-program']);
  });
});

describe('installCommand', () => {
  test('is the exact command of each platform', () => {
    const programs = ['redis-server', 'jq'];
    assert.equal(
      installCommand('apt', programs, false),
      'sudo apt-get update && sudo apt-get install -y --no-install-recommends redis-server jq',
    );
    assert.equal(
      installCommand('apt', ['zstd'], true),
      'apt-get update && apt-get install -y --no-install-recommends zstd',
    );
    assert.equal(installCommand('brew', programs, false), 'brew install redis jq');
    assert.equal(installCommand('apk', programs, true), 'apk add redis jq');
  });
});
