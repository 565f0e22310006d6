import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DirectoryStorage } from '../../src/storage/index.ts';

const ROUNDS = 12;

test('a DirectoryStorage whose process is killed holds whole objects, and all that it promised', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-kill-'));
  t.after(() => rm(folder, { recursive: true }));
  const promised: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    promised.push(...(await writeAndKill(folder, 1 + round * 3)));
    const storage = new DirectoryStorage(folder);
    const listed = new Set<string>();
    for await (const { name, size } of storage.list('')) {
      const bytes = await storage.read(name);
      assert.equal(bytes.length, size);
      const digest = createHash('sha256').update(bytes).digest('hex');
      assert.equal(name.slice(name.lastIndexOf('/') + 1), digest);
      listed.add(name);
    }
    for (const name of promised) assert.ok(listed.has(name), `${name} is lost`);
  }
  assert.ok(promised.length > ROUNDS);
});

/** Kills the writer at once after it has said so many names; the names that it said. */
async function writeAndKill(folder: string, names: number): Promise<string[]> {
  const script = join(import.meta.dirname, 'directory-writer.ts');
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const deadline = setTimeout(() => child.kill('SIGKILL'), 20_000);
  let said = '';
  child.stdout.setEncoding('latin1');
  child.stdout.on('data', (text: string) => {
    said += text;
    if (said.split('\n').length > names) child.kill('SIGKILL');
  });
  await once(child, 'close');
  clearTimeout(deadline);
  const whole = said.slice(0, said.lastIndexOf('\n') + 1);
  return whole.split('\n').filter((name) => name !== '');
}
