import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeStorage } from '../contracts/storage.ts';
import { crashAt, FaultyStorage, randomFaults } from './faulty-storage.ts';
import { MemoryStorage } from './memory-storage.ts';

describeStorage('MemoryStorage', async () => ({ storage: new MemoryStorage() }));

describeStorage('FaultyStorage without faults', async () => ({
  storage: new FaultyStorage(new MemoryStorage()),
}));

describeStorage('FaultyStorage with delays', async () => ({
  storage: new FaultyStorage(new MemoryStorage(), () => ({ kind: 'delay' })),
}));

test('FaultyStorage fails before or after the deed', async () => {
  const before = new FaultyStorage(new MemoryStorage(), crashAt(0, 'fail'));
  await assert.rejects(before.put('a', Buffer.of(1)), { code: 'STORAGE_FAILED' });
  const inner = new MemoryStorage();
  const after = new FaultyStorage(inner, crashAt(0, 'fail-after'));
  await assert.rejects(after.put('a', Buffer.of(1)), { code: 'STORAGE_FAILED' });
  await assert.rejects(after.read('a'), { code: 'STORAGE_FAILED' });
  assert.equal(await inner.exists('a'), true);
});

test('FaultyStorage flips one bit of what it reads', async () => {
  const inner = new MemoryStorage();
  await inner.put('a', Buffer.alloc(100));
  const read = await new FaultyStorage(inner, () => ({ kind: 'flip' })).read('a');
  assert.equal([...read].filter((byte) => byte !== 0).length, 1);
});

test('randomFaults repeats itself for a seed', () => {
  const faultsOf = (seed: number) => {
    const plan = randomFaults(seed, 0.3, ['fail', 'flip']);
    const call = { index: 0, verb: 'read', name: 'x' } as const;
    return Array.from({ length: 50 }, () => plan(call)?.kind ?? 'none');
  };
  assert.deepEqual(faultsOf(7), faultsOf(7));
  assert.notDeepEqual(faultsOf(7), faultsOf(8));
});
