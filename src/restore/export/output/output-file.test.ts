import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { isCoded, type ErrorCode } from '../../../base/index.ts';
import { openOutputFile } from './output-file.ts';

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-out-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const coded =
  (...codes: ErrorCode[]) =>
  (error: unknown): boolean =>
    isCoded(error, ...codes);

describe('openOutputFile', () => {
  test('shows the file when it is whole, not before', async (t) => {
    const dir = folder(t);
    const path = join(dir, 'dump.rdb');
    const output = await openOutputFile(path);
    await output.write(Buffer.from('one '));
    await output.write(Buffer.from('two'));
    assert.ok(!readdirSync(dir).includes('dump.rdb'));
    await output.commit();
    await output.abort();
    assert.deepEqual(readdirSync(dir), ['dump.rdb']);
    assert.equal(readFileSync(path, 'utf8'), 'one two');
  });

  test('leaves nothing of what was aborted', async (t) => {
    const dir = folder(t);
    const output = await openOutputFile(join(dir, 'dump.rdb'));
    await output.write(Buffer.from('one'));
    await output.abort();
    await output.abort();
    assert.deepEqual(readdirSync(dir), []);
  });

  test('replaces a file only by force, and at the end', async (t) => {
    const dir = folder(t);
    const path = join(dir, 'dump.rdb');
    writeFileSync(path, 'mine');
    await assert.rejects(openOutputFile(path), coded('CONFIRMATION_REQUIRED'));
    assert.deepEqual(readdirSync(dir), ['dump.rdb']);
    const output = await openOutputFile(path, { force: true });
    await output.write(Buffer.from('yours'));
    assert.equal(readFileSync(path, 'utf8'), 'mine');
    await output.commit();
    assert.equal(readFileSync(path, 'utf8'), 'yours');
    assert.deepEqual(readdirSync(dir), ['dump.rdb']);
  });

  test('does not replace a file that appears meanwhile', async (t) => {
    const dir = folder(t);
    const path = join(dir, 'dump.rdb');
    const output = await openOutputFile(path);
    writeFileSync(path, 'mine');
    await assert.rejects(output.commit(), coded('CONFIRMATION_REQUIRED'));
    assert.equal(readFileSync(path, 'utf8'), 'mine');
    assert.deepEqual(readdirSync(dir), ['dump.rdb']);
  });

  test('follows a symbolic link by force, and leaves it one', async (t) => {
    const dir = folder(t);
    mkdirSync(join(dir, 'there'));
    writeFileSync(join(dir, 'there', 'real'), 'old');
    symlinkSync(join('there', 'real'), join(dir, 'link'));
    const output = await openOutputFile(join(dir, 'link'), { force: true });
    await output.write(Buffer.from('new'));
    await output.commit();
    assert.ok(lstatSync(join(dir, 'link')).isSymbolicLink());
    assert.equal(readFileSync(join(dir, 'there', 'real'), 'utf8'), 'new');
  });

  test('refuses folders and paths that lead nowhere', async (t) => {
    const dir = folder(t);
    writeFileSync(join(dir, 'file'), '');
    for (const path of [
      dir,
      join(dir, 'no', 'x'),
      join(dir, 'file', 'x'),
      join(dir, 'x'.repeat(300)),
    ]) {
      await assert.rejects(openOutputFile(path), coded('USAGE'), path);
    }
    assert.deepEqual(readdirSync(dir), ['file']);
  });

  test('writes into a pipe as it is', async (t) => {
    const dir = folder(t);
    const path = join(dir, 'pipe');
    try {
      execFileSync('mkfifo', [path]);
    } catch {
      t.skip('not run: there is no mkfifo');
      return;
    }
    const { open } = await import('node:fs/promises');
    const [reader, output] = await Promise.all([open(path, 'r'), openOutputFile(path)]);
    await output.write(Buffer.from('through'));
    await output.commit();
    assert.equal(await reader.readFile('utf8'), 'through');
    await reader.close();
    assert.ok(lstatSync(path).isFIFO());
  });

  test('says that a disk is full', async (t) => {
    const output = await openOutputFile('/dev/full').catch(() => undefined);
    if (output === undefined) {
      t.skip('not run: there is no /dev/full');
      return;
    }
    await assert.rejects(output.write(Buffer.from('x')), coded('STORAGE_FULL'));
    await output.abort();
  });

  test('says that it may not write', async (t) => {
    const dir = folder(t);
    chmodSync(dir, 0o500);
    const opened = await openOutputFile(join(dir, 'x')).catch((error: unknown) => error);
    if (isCoded(opened, 'STORAGE_FAILED')) return;
    // Nothing is forbidden to root.
    assert.equal(process.getuid?.(), 0);
    await (opened as Awaited<ReturnType<typeof openOutputFile>>).abort();
  });
});
