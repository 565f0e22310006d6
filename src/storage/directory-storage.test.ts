import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { describeStorage } from '../../test/contracts/storage.ts';
import { DirectoryStorage, type DirectoryStorageOptions, ReadOnlyStorage } from './index.ts';

async function openFresh(options?: DirectoryStorageOptions) {
  const above = await mkdtemp(join(tmpdir(), 'tidemark-storage-'));
  const folder = join(above, 'deep', 'repository');
  const end = () => rm(above, { recursive: true });
  return { above, folder, storage: new DirectoryStorage(folder, options), end };
}

describeStorage('DirectoryStorage', () => openFresh());
describeStorage('DirectoryStorage without hard links', () => openFresh({ hardLinks: false }));

test('DirectoryStorage reads a missing folder as an empty one and does not make it', async (t) => {
  const { above, storage, end } = await openFresh();
  t.after(end);
  for await (const info of storage.list('')) assert.fail(info.name);
  assert.equal(await storage.exists('a'), false);
  assert.deepEqual(await readdir(above), []);
});

test('DirectoryStorage never follows a symbolic link', async (t) => {
  const { above, folder, storage, end } = await openFresh();
  t.after(end);
  await storage.put('real/object', Buffer.of(1));
  const outside = join(above, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'secret'), 'secret');
  await symlink(outside, join(folder, 'linked'));
  await symlink(join(outside, 'secret'), join(folder, 'real', 'link'));
  await assert.rejects(storage.read('linked/secret'), { code: 'STORAGE_FAILED' });
  await assert.rejects(storage.read('real/link'), { code: 'OBJECT_MISSING' });
  await assert.rejects(storage.put('linked/new', Buffer.of(1)), { code: 'STORAGE_FAILED' });
  await assert.rejects(storage.put('real/link', Buffer.of(1)), { code: 'OBJECT_EXISTS' });
  await assert.rejects(storage.remove('linked/secret'), { code: 'STORAGE_FAILED' });
  const listed: string[] = [];
  for await (const info of storage.list('')) listed.push(info.name);
  assert.deepEqual(listed, ['real/object']);
  assert.deepEqual(await storage.folders(''), ['real']);
  assert.deepEqual(await readdir(outside), ['secret']);
});

test('DirectoryStorage collects what dead processes left, and only that', async (t) => {
  const { folder, storage, end } = await openFresh();
  t.after(end);
  const live = await storage.create('live');
  await live.write(Buffer.of(1));
  const stale = join(folder, '.tmp', 'dead.part');
  await writeFile(stale, 'x');
  const fourDaysAgo = Date.now() / 1000 - 4 * 24 * 3600;
  await utimes(stale, fourDaysAgo, fourDaysAgo);
  await new DirectoryStorage(folder).put('other', Buffer.of(1));
  const left = await readdir(join(folder, '.tmp'));
  assert.equal(left.length, 1);
  assert.ok(!left.includes('dead.part'));
  await live.commit();
  assert.deepEqual(await readdir(join(folder, '.tmp')), []);
});

test('DirectoryStorage where no folder can be is STORAGE_FAILED', async (t) => {
  const { above, end } = await openFresh();
  t.after(end);
  await writeFile(join(above, 'file'), '');
  const impossible = new DirectoryStorage(join(above, 'file', 'below'));
  await assert.rejects(impossible.put('a', Buffer.of(1)), { code: 'STORAGE_FAILED', object: 'a' });
});

test('ReadOnlyStorage refuses every change and reads on', async (t) => {
  const { storage, end } = await openFresh();
  t.after(end);
  await storage.put('a/b', Buffer.of(1));
  const reader = new ReadOnlyStorage(storage);
  await assert.rejects(reader.put('c'), { code: 'STORAGE_READ_ONLY', object: 'c' });
  await assert.rejects(reader.create('c'), { code: 'STORAGE_READ_ONLY' });
  await assert.rejects(reader.remove('a/b'), { code: 'STORAGE_READ_ONLY' });
  assert.deepEqual(await reader.read('a/b'), Buffer.of(1));
  assert.deepEqual(await reader.folders(''), ['a']);
  assert.equal(await reader.exists('a/b'), true);
  assert.equal((await reader.stat('a/b')).size, 1);
  for await (const info of reader.list('')) assert.equal(info.name, 'a/b');
});
