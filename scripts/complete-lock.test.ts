import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { completeLock } from './complete-lock.mjs';

describe('completeLock', () => {
  test('adds the builds of other platforms that npm left out, once', () => {
    const optionalDependencies = {
      '@x/cli-linux-x64': '1.0.0',
      '@x/cli-linux-arm64-musl': '1.0.0',
      '@x/cli-win32-x64-msvc': '1.0.0',
      'some-extra': '2.0.0',
    };
    const there = { version: '1.0.0', integrity: 'sha512-x' };
    const lock = {
      packages: {
        '': {},
        'node_modules/x': { dev: true, optionalDependencies },
        'node_modules/@x/cli-linux-x64': there,
      } as Record<string, unknown>,
    };
    const added = completeLock(lock);
    assert.deepEqual(added, ['@x/cli-linux-arm64-musl', '@x/cli-win32-x64-msvc']);
    assert.deepEqual(lock.packages['node_modules/@x/cli-linux-arm64-musl'], {
      version: '1.0.0',
      cpu: ['arm64'],
      dev: true,
      libc: ['musl'],
      optional: true,
      os: ['linux'],
    });
    assert.equal(lock.packages['node_modules/@x/cli-linux-x64'], there);
    assert.deepEqual(completeLock(lock), []);
  });
});
