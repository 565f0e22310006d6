import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isCoded } from '../../base/index.ts';
import type { ServerFamily } from '../../redis/index.ts';
import { chooseSandboxServer, findSandboxServer } from './find-sandbox-server.ts';

function chosen(recorded: string, ...found: string[]): string | undefined {
  const parse = (text: string) => {
    const [family = '', version = ''] = text.split(' ');
    return { family: family as ServerFamily, version, file: text, args: [] };
  };
  return chooseSandboxServer(parse(recorded), found.map(parse))?.file;
}

test('chooseSandboxServer takes the nearest version of the family that is not older', () => {
  const all = ['redis 6.0.16', 'redis 8.0.2', 'redis 7.0.15', 'valkey 8.1.1', 'valkey 9.1.2'];
  assert.equal(chosen('redis 6.0.9', ...all), 'redis 6.0.16');
  assert.equal(chosen('redis 6.2.1', ...all), 'redis 7.0.15');
  assert.equal(chosen('redis 7.0.16', ...all), 'redis 8.0.2');
  assert.equal(chosen('redis 8.2.0', ...all), undefined);
  assert.equal(chosen('valkey 8.0.0', ...all), 'valkey 8.1.1');
});

test('chooseSandboxServer takes another family only where that reads everything', () => {
  assert.equal(chosen('redis 7.2.4', 'redis 7.0.15', 'valkey 9.1.2'), 'valkey 9.1.2');
  assert.equal(chosen('redis 8.0.0', 'valkey 9.1.2'), undefined);
  assert.equal(chosen('valkey 8.1.0', 'redis 7.0.15', 'redis 8.0.2'), 'redis 8.0.2');
  assert.equal(chosen('valkey 9.0.0', 'redis 8.0.2'), undefined);
  assert.equal(chosen('keydb 6.3.4', 'redis 6.0.16', 'redis 7.0.15'), 'redis 7.0.15');
});

test('findSandboxServer asks the programs on PATH, and takes the one given at its word', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-path-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, 'redis-server');
  writeFileSync(program, '#!/bin/sh\necho "Redis server v=7.0.15 sha=00000000:0 malloc=libc"\n');
  chmodSync(program, 0o755);
  const recorded = { family: 'redis', version: '6.2.0' };
  const found = findSandboxServer(recorded, { path: folder });
  assert.deepEqual([found.file, found.family, found.version], [program, 'redis', '7.0.15']);
  const newer = { family: 'redis', version: '8.0.0' };
  assert.throws(
    () => findSandboxServer(newer, { path: folder }),
    (error) => isCoded(error, 'SANDBOX_UNAVAILABLE') && error.message.includes('redis 7.0.15'),
  );
  assert.match(findSandboxServer(newer, { given: program }).why, /given/);
  assert.equal(findSandboxServer(recorded, { given: 'redis-server', path: folder }).file, program);
  assert.throws(
    () => findSandboxServer(recorded, { given: '/bin/true' }),
    (error) => isCoded(error, 'SANDBOX_UNAVAILABLE'),
  );
});
