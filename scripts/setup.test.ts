import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)));

type Facts = Readonly<Record<string, unknown>>;

/** A project with one package locked, and `installed` in its node_modules. */
function createProject(t: TestContext, locked: Facts, installed: Facts | undefined): string {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-setup-'));
  t.after(() => rmSync(dir, { recursive: true }));
  writeFileSync(join(dir, 'package.json'), '{"name":"x","version":"1.0.0"}');
  const lock = { packages: { '': {}, 'node_modules/a': locked } };
  writeFileSync(join(dir, 'package-lock.json'), JSON.stringify(lock));
  if (installed !== undefined) {
    mkdirSync(join(dir, 'node_modules', 'a'), { recursive: true });
    writeFileSync(join(dir, 'node_modules', 'a', 'package.json'), '{}');
    const hidden = { packages: { 'node_modules/a': installed } };
    writeFileSync(join(dir, 'node_modules', '.package-lock.json'), JSON.stringify(hidden));
  }
  return dir;
}

/** Runs `ensurePackages` with an npm that only leaves a trace; says whether npm was called. */
function callsNpm(dir: string): boolean {
  const npm = join(dir, 'npm.cjs');
  const trace = join(dir, 'npm-was-called');
  const script = `require('node:fs').writeFileSync(${JSON.stringify(trace)}, process.argv.join(' '));
    require('node:fs').mkdirSync('node_modules', { recursive: true });`;
  writeFileSync(npm, script);
  const code = `import { ensurePackages } from ${JSON.stringify(join(projectDir, 'scripts/setup.mjs'))};
    ensurePackages(${JSON.stringify(dir)});`;
  const env = { ...process.env, npm_execpath: npm };
  execFileSync(process.execPath, ['--input-type=module', '-e', code], { env });
  const called = existsSync(trace);
  rmSync(trace, { force: true });
  return called;
}

describe('ensurePackages', () => {
  const facts = { version: '1.0.0', integrity: 'sha512-x' };

  test('leaves packages alone that match the lock file', (t) => {
    assert.equal(callsNpm(createProject(t, facts, facts)), false);
  });

  test('installs what is missing, once', (t) => {
    const dir = createProject(t, facts, undefined);
    assert.equal(callsNpm(dir), true);
    assert.equal(callsNpm(dir), false);
  });

  test('installs again when the lock file changes', (t) => {
    const dir = createProject(t, facts, facts);
    assert.equal(callsNpm(dir), false);
    const path = join(dir, 'package-lock.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('1.0.0', '1.0.1'));
    assert.equal(callsNpm(dir), true);
  });

  test('installs when a package has other contents than locked', (t) => {
    assert.equal(callsNpm(createProject(t, facts, { ...facts, integrity: 'sha512-y' })), true);
  });

  test('does not miss optional packages of other machines', (t) => {
    const foreign = { ...facts, optional: true, os: ['plan9'] };
    const dir = createProject(t, foreign, { version: 'unused' });
    writeFileSync(join(dir, 'node_modules', '.package-lock.json'), '{"packages":{}}');
    assert.equal(callsNpm(dir), false);
    const ours = { ...facts, optional: true, os: [process.platform] };
    const second = createProject(t, ours, facts);
    writeFileSync(join(second, 'node_modules', '.package-lock.json'), '{"packages":{}}');
    assert.equal(callsNpm(second), true);
  });
});

describe('setup.mjs', () => {
  test('names its choices when asked for something else', () => {
    const script = join(projectDir, 'scripts', 'setup.mjs');
    const done = spawnSync(process.execPath, [script, 'nothing'], { encoding: 'utf8' });
    assert.equal(done.status, 1);
    assert.match(done.stderr, /Say what to set up: check, .*demo/);
  });
});
