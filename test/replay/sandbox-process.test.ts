import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Sandbox } from '../../src/replay/index.ts';
import { sandboxServer } from '../support/sandbox-servers.ts';

const NAME = 'redis-7.0';
const MODULE = pathToFileURL(join(import.meta.dirname, '../../src/replay/index.ts')).href;

/** A process that starts a sandbox in `parent` and says where; how it ends, `last` says. */
const program = (parent: string, last: string): string => `
  const { Sandbox } = await import(${JSON.stringify(MODULE)});
  const server = ${JSON.stringify(sandboxServer(NAME))};
  const sandbox = await Sandbox.start(server, { parentFolder: ${JSON.stringify(parent)} });
  console.log(sandbox.address.path);
  ${last}
`;

test('a sandbox is gone when its process is, however that ended', async (t) => {
  for (const [how, last] of [
    ['exit', 'process.exit(0)'],
    ['throw', "throw new Error('a bug')"],
    ['kill -9', 'setInterval(() => {}, 1000)'],
  ] as const) {
    const parent = mkdtempSync(join(tmpdir(), 'tidemark-parent-'));
    t.after(() => rmSync(parent, { recursive: true, force: true }));
    const child = spawn(process.execPath, ['--input-type=module', '-e', program(parent, last)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exited = once(child, 'exit');
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const folder = dirname(said.toString().trim());
    assert.equal(dirname(folder), parent);
    const pid = readPid(folder);
    if (how === 'kill -9') child.kill('SIGKILL');
    await exited;
    await until(() => pid === 0 || !isRunning(pid), `the server outlived ${how}`);
    if (how === 'kill -9') {
      // What only a folder is left of goes with the next sandbox.
      const next = await Sandbox.start(sandboxServer(NAME), { parentFolder: parent });
      assert.ok(!existsSync(folder));
      await next.close();
    }
    assert.deepEqual(readdirSync(parent), []);
  }
});

/** Of the sandbox's server; 0 when it is gone already. */
function readPid(folder: string): number {
  try {
    return Number(readFileSync(join(folder, 'server.pid'), 'utf8'));
  } catch {
    return 0;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A child of nobody may stay as a zombie where nothing collects it.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function until(isDone: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!isDone()) {
    if (Date.now() > deadline) throw new Error(what);
    await delay(10);
  }
}
