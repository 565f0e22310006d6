import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { notRun } from '../support/servers.ts';

const projectDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const oldNode = findOldNode();

/** A package with our launcher and a `main.ts` of a few lines. */
function createPackage(t: TestContext, main: string, options: { packagedNode?: boolean } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-launcher-'));
  t.after(() => rmSync(dir, { recursive: true }));
  mkdirSync(join(dir, 'bin'));
  mkdirSync(join(dir, 'src'));
  cpSync(join(projectDir, 'bin', 'tidemark'), join(dir, 'bin', 'tidemark'));
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  writeFileSync(join(dir, 'src', 'main.ts'), main);
  if (options.packagedNode !== false) {
    mkdirSync(join(dir, 'node_modules', '.bin'), { recursive: true });
    symlinkSync(process.execPath, join(dir, 'node_modules', '.bin', 'node'));
  }
  return join(dir, 'bin', 'tidemark');
}

describe('bin/tidemark', () => {
  const main = 'const m: string = process.version; console.log(m, process.argv.slice(2).join());';

  test('runs the sources on this Node', (t) => {
    const said = execFileSync(process.execPath, [createPackage(t, main), 'a', 'b c']);
    assert.equal(String(said), `${process.version} a,b c\n`);
  });

  test('hands over to the packaged Node when its own is too old', (t) => {
    if (oldNode === undefined) return notRun(t, 'old Node', 'no Node before 24 is on PATH');
    const said = execFileSync(oldNode, [createPackage(t, main), 'a']);
    assert.equal(String(said), `${process.version} a\n`);
  });

  test('says what is wrong where no Node is new enough', (t) => {
    if (oldNode === undefined) return notRun(t, 'old Node', 'no Node before 24 is on PATH');
    const launcher = createPackage(t, main, { packagedNode: false });
    const done = spawnSync(oldNode, [launcher], { encoding: 'utf8' });
    assert.equal(done.status, 1);
    assert.match(done.stderr, /^tidemark: Tidemark needs Node 24 or newer; this is v2/);
  });

  test('passes the exit code on', (t) => {
    const launcher = createPackage(t, 'process.exit(4);');
    for (const node of [process.execPath, oldNode ?? process.execPath]) {
      assert.equal(spawnSync(node, [launcher]).status, 4);
    }
  });

  test('passes signals on, and ends as Tidemark ended', async (t) => {
    const node = oldNode ?? process.execPath;
    const waiting = 'setInterval(() => {}, 1000); console.log("ready");';
    const polite = `process.on('SIGINT', () => process.exit(130)); ${waiting}`;
    const asked = await startReady(node, createPackage(t, polite));
    asked.kill('SIGINT');
    assert.deepEqual(await ended(asked), [130, null]);
    const shot = await startReady(node, createPackage(t, waiting));
    shot.kill('SIGTERM');
    assert.deepEqual(await ended(shot), [null, 'SIGTERM']);
  });
});

function startReady(node: string, launcher: string): Promise<ChildProcess> {
  const child = spawn(node, [launcher], { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.stdout.once('data', () => resolve(child));
  });
}

function ended(child: ChildProcess): Promise<readonly [number | null, NodeJS.Signals | null]> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve([code, signal])));
}

/** The machine's own Node, where that is older than what Tidemark needs. */
function findOldNode(): string | undefined {
  for (const dir of (process.env['PATH'] ?? '').split(delimiter)) {
    if (dir === '' || dir.includes('node_modules')) continue;
    const node = join(dir, 'node');
    try {
      accessSync(node, constants.X_OK);
    } catch {
      continue;
    }
    const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout ?? '';
    const major = Number(/^v(\d+)/.exec(version)?.[1] ?? 0);
    if (major >= 20 && major < 24) return node;
  }
  return undefined;
}
