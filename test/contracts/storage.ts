import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ErrorCode, isCoded } from '../../src/base/index.ts';
import type { ObjectInfo, Storage } from '../../src/storage/index.ts';

export type StorageUnderTest = {
  readonly storage: Storage;
  readonly end?: () => Promise<void>;
};

/** What every storage and every wrapper promises. `open` gives a fresh, empty one. */
export function describeStorage(name: string, open: () => Promise<StorageUnderTest>): void {
  const check = (title: string, body: (storage: Storage) => Promise<void>): void => {
    test(title, async () => {
      const { storage, end } = await open();
      try {
        await body(storage);
      } finally {
        await end?.();
      }
    });
  };

  describe(`${name} as a Storage`, () => {
    check('put and read give the same bytes', async (storage) => {
      const bytes = Buffer.from([0, 1, 2, 255, 254]);
      await storage.put('a/b.bin', bytes);
      assert.deepEqual(await storage.read('a/b.bin'), bytes);
      assert.deepEqual(await storage.read('a/b.bin', { start: 1, end: 4 }), bytes.subarray(1, 4));
      assert.deepEqual(await storage.read('a/b.bin', { start: 5 }), Buffer.alloc(0));
      assert.equal((await storage.stat('a/b.bin')).size, 5);
      assert.equal(await storage.exists('a/b.bin'), true);
    });

    check('an empty object is an object', async (storage) => {
      await storage.put('empty', Buffer.alloc(0));
      assert.equal((await storage.read('empty')).length, 0);
      assert.deepEqual(await names(storage, ''), ['empty']);
    });

    check('read never gives fewer bytes than asked for', async (storage) => {
      await storage.put('five', Buffer.from('12345'));
      for (const range of [{ end: 6 }, { start: 6 }, { start: 4, end: 3 }, { start: 2, end: 9 }]) {
        await fails(storage.read('five', range), 'OBJECT_CORRUPT', 'five');
      }
      await fails(storage.read('five', { maxBytes: 4 }), 'OBJECT_CORRUPT', 'five');
      assert.equal((await storage.read('five', { maxBytes: 5 })).length, 5);
    });

    check('a missing object is OBJECT_MISSING', async (storage) => {
      await fails(storage.read('none/at/all'), 'OBJECT_MISSING', 'none/at/all');
      await fails(storage.stat('none'), 'OBJECT_MISSING', 'none');
      assert.equal(await storage.exists('none'), false);
      await storage.put('folder/object', Buffer.of(1));
      await fails(storage.read('folder'), 'OBJECT_MISSING', 'folder');
      await fails(storage.read('folder/object/below'), 'OBJECT_MISSING', 'folder/object/below');
      await storage.remove('none');
      await storage.remove('folder/none');
    });

    check('an existing object is never overwritten', async (storage) => {
      await storage.put('once', Buffer.from('first'));
      await fails(storage.put('once', Buffer.from('second')), 'OBJECT_EXISTS', 'once');
      const writer = await storage.create('once');
      await writer.write(Buffer.from('third'));
      await fails(writer.commit(), 'OBJECT_EXISTS', 'once');
      assert.equal((await storage.read('once')).toString(), 'first');
    });

    check('of many writers of one name exactly one wins', async (storage) => {
      const writers = await Promise.all(
        Array.from({ length: 8 }, async (_, i) => {
          const writer = await storage.create('race/one');
          await writer.write(Buffer.alloc(1000, i));
          return writer;
        }),
      );
      const results = await Promise.allSettled(writers.map((writer) => writer.commit()));
      assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
      const won = results.findIndex((result) => result.status === 'fulfilled');
      assert.deepEqual(await storage.read('race/one'), Buffer.alloc(1000, won));
    });

    check('create shows nothing before commit, and the chunks may be reused', async (storage) => {
      const writer = await storage.create('stream/object');
      const chunk = Buffer.alloc(70_000, 1);
      await writer.write(chunk);
      chunk.fill(2);
      await writer.write(chunk);
      assert.equal(writer.size, 140_000);
      assert.equal(writer.name, 'stream/object');
      assert.deepEqual(await names(storage, ''), []);
      assert.equal(await storage.exists('stream/object'), false);
      await writer.commit();
      await writer.abort();
      const expected = Buffer.concat([Buffer.alloc(70_000, 1), Buffer.alloc(70_000, 2)]);
      assert.deepEqual(await storage.read('stream/object'), expected);
    });

    check('abort leaves nothing, and an abandoned writer lists nothing', async (storage) => {
      const writer = await storage.create('gone');
      await writer.write(Buffer.of(1));
      await writer.abort();
      await writer.abort();
      const abandoned = await storage.create('abandoned');
      await abandoned.write(Buffer.of(1));
      assert.deepEqual(await names(storage, ''), []);
      assert.deepEqual(await storage.folders(''), []);
      await storage.put('gone', Buffer.of(2));
      await abandoned.abort();
    });

    check('list gives every object under a prefix in the order of names', async (storage) => {
      const all = ['a-b', 'a.b', 'a/b/c', 'a/b/d', 'a/b-c', 'a/c', 'a0', 'b'];
      for (const name of all.toReversed()) await storage.put(name, Buffer.from(name));
      const sorted = all.toSorted();
      assert.deepEqual(await names(storage, ''), sorted);
      for (const prefix of ['a', 'a/', 'a/b', 'a/b/', 'a/b/c', 'b', 'c', 'a/b/c/']) {
        const expected = sorted.filter((name) => name.startsWith(prefix));
        assert.deepEqual(await names(storage, prefix), expected, prefix);
      }
      for (const info of await collect(storage, '')) assert.equal(info.size, info.name.length);
    });

    check('folders gives the next segments that have objects below', async (storage) => {
      for (const name of ['x/a/1', 'x/a/2', 'x/b/c/d', 'x/e'])
        await storage.put(name, Buffer.of(1));
      assert.deepEqual(await storage.folders('x/'), ['a', 'b']);
      assert.deepEqual(await storage.folders(''), ['x']);
      assert.deepEqual(await storage.folders('y/'), []);
      await storage.remove('x/b/c/d');
      assert.deepEqual(await storage.folders('x/'), ['a']);
    });

    check('remove is durable, idempotent, and frees the name', async (storage) => {
      await storage.put('r/one', Buffer.of(1));
      await storage.put('r/two', Buffer.of(2));
      await storage.remove('r/one');
      await storage.remove('r/one');
      assert.deepEqual(await names(storage, ''), ['r/two']);
      await storage.remove('r/two');
      await storage.put('r/one', Buffer.of(3));
      assert.deepEqual(await storage.read('r/one'), Buffer.of(3));
    });

    check('names that could lead astray are NAME_INVALID', async (storage) => {
      const bad = ['', '/', 'a/', '/a', 'a//b', '..', 'a/../b', '.hidden', 'a/.b', 'A', 'a b', 'ä'];
      for (const name of [...bad, 'a\\b', 'a\0', '-a', 'x'.repeat(201), 'ab/'.repeat(240) + 'x']) {
        await fails(storage.read(name), 'NAME_INVALID');
        await fails(storage.stat(name), 'NAME_INVALID');
        await fails(storage.put(name, Buffer.of(1)), 'NAME_INVALID');
        await fails(storage.remove(name), 'NAME_INVALID');
      }
      await fails(names(storage, '../'), 'NAME_INVALID');
      await fails(storage.folders('a/../../'), 'NAME_INVALID');
    });

    check('an aborted signal rejects with its reason', async (storage) => {
      await storage.put('there', Buffer.of(1));
      const reason = new Error('stop');
      const signal = AbortSignal.abort(reason);
      const calls = [
        storage.create('x', signal),
        storage.put('x', Buffer.of(1), signal),
        storage.read('there', {}, signal),
        storage.stat('there', signal),
        storage.exists('there', signal),
        storage.folders('', signal),
        storage.remove('there', signal),
        collect(storage, '', signal),
      ];
      for (const call of calls) await assert.rejects(call, (error) => error === reason);
      assert.deepEqual(await names(storage, ''), ['there']);
    });

    check('modifiedAtMs and now are of one clock', async (storage) => {
      const before = await storage.now();
      await storage.put('timed', Buffer.of(1));
      const { modifiedAtMs } = await storage.stat('timed');
      const after = await storage.now();
      // File systems stamp in steps of a kernel tick.
      assert.ok(before - 20 <= modifiedAtMs && modifiedAtMs <= after + 20);
      assert.ok(Number.isInteger(before) && Number.isInteger(modifiedAtMs));
    });
  });
}

async function collect(
  storage: Storage,
  prefix: string,
  signal?: AbortSignal,
): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const info of storage.list(prefix, signal)) found.push(info);
  return found;
}

async function names(storage: Storage, prefix: string): Promise<string[]> {
  return (await collect(storage, prefix)).map((info) => info.name);
}

async function fails(promise: Promise<unknown>, code: ErrorCode, object?: string): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isCoded(error, code), String(error));
    if (object !== undefined) assert.equal(error.object, object);
    return true;
  });
}
