import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryStorage } from '../../test/fakes/memory-storage.ts';
import { encodeDocument } from './records/document.ts';
import {
  ensureSource,
  findSource,
  Lease,
  listSources,
  openRepository,
  readTopology,
  recordTopology,
  type Topology,
} from './index.ts';

function heldClock(startMs = Date.parse('2026-11-22T12:30:00Z')) {
  const clock = {
    ms: startMs,
    now: () => clock.ms,
    monotonic: () => clock.ms,
  };
  return clock;
}

async function opened() {
  const clock = heldClock();
  const storage = new MemoryStorage(clock);
  const repository = await openRepository(storage, { mode: 'write', clock });
  return { clock, storage, repository };
}

describe('openRepository', () => {
  test('makes a repository once and opens the same one ever after', async () => {
    const storage = new MemoryStorage();
    const first = await openRepository(storage, { mode: 'write' });
    assert.match(first.id, /^[0-9a-f]{32}$/);
    assert.equal(first.singleWriter, false);
    const again = await openRepository(storage, { mode: 'write' });
    const reader = await openRepository(storage, { mode: 'read' });
    assert.equal(again.id, first.id);
    assert.equal(reader.id, first.id);
    await assert.rejects(reader.storage.put('a', Buffer.of(1)), { code: 'STORAGE_READ_ONLY' });
  });

  test('does not make one to read it', async () => {
    const storage = new MemoryStorage();
    const missing = { code: 'REPOSITORY_MISSING' };
    await assert.rejects(openRepository(storage, { mode: 'read' }), missing);
    assert.equal(storage.objects.size, 0);
  });

  test('does not make one over the remains of another', async () => {
    const storage = new MemoryStorage();
    await storage.put('sources/a-abc123/source.json', Buffer.of(1));
    const corrupt = { code: 'REPOSITORY_CORRUPT' };
    await assert.rejects(openRepository(storage, { mode: 'write' }), corrupt);
  });

  test('notices a storage that overwrites', async () => {
    const storage = new MemoryStorage();
    storage.ifNotExists = false;
    const { id, singleWriter } = await openRepository(storage, { mode: 'write' });
    assert.equal(singleWriter, true);
    assert.equal((await openRepository(storage, { mode: 'write' })).id, id);
  });

  test('refuses by name what a newer version requires', async () => {
    const storage = new MemoryStorage();
    const members = { id: '0'.repeat(32), createdAt: '2026-11-22T12:30:00.000Z', encryption: null };
    const head = { requires: ['time-machine'], optional: ['sparkle'] };
    await storage.put('repository.json', encodeDocument('tidemark-repository', members, head));
    await assert.rejects(openRepository(storage, { mode: 'read' }), (error: Error) => {
      assert.match(error.message, /"time-machine"/);
      assert.equal((error as unknown as { code: string }).code, 'REPOSITORY_UNSUPPORTED');
      return true;
    });
  });

  test('notices a flip of any byte of repository.json', async () => {
    const { storage } = await opened();
    const bytes = await storage.read('repository.json');
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at] ^= 1 << (at & 7);
      const damaged = new MemoryStorage();
      await damaged.put('repository.json', flipped);
      await assert.rejects(openRepository(damaged, { mode: 'read' }), {
        code: 'REPOSITORY_CORRUPT',
      });
    }
  });
});

describe('sources', () => {
  const orders = { name: 'Orders (prod)'.replace(/[()]/g, ''), kind: 'standalone' } as const;

  test('ensureSource makes a source once and knows it again by any mark', async () => {
    const { repository } = await opened();
    const made = await ensureSource(repository, { ...orders, marks: ['run:1', 'address:a:1'] });
    assert.match(made.id, /^orders-prod-[a-z0-9]{6}$/);
    const moved = { ...orders, marks: ['run:1', 'address:b:2'], labels: { env: 'prod' } };
    assert.equal((await ensureSource(repository, moved)).id, made.id);
    const later = await ensureSource(repository, { ...orders, marks: ['address:b:2', 'run:9'] });
    assert.equal(later.id, made.id);
    assert.deepEqual(later.labels, { env: 'prod' });
    assert.deepEqual(later.marks, ['run:1', 'address:a:1', 'address:b:2', 'run:9']);
    assert.deepEqual(await listSources(repository), [later]);
  });

  test('ensureSource refuses another instance, unless it is to be adopted', async () => {
    const { repository } = await opened();
    const made = await ensureSource(repository, { ...orders, marks: ['run:1'] });
    const other = { ...orders, marks: ['run:2'] };
    await assert.rejects(ensureSource(repository, other), { code: 'SOURCE_IDENTITY' });
    const adopted = await ensureSource(repository, { ...other, adopt: true });
    assert.equal(adopted.id, made.id);
    assert.equal((await ensureSource(repository, other)).id, made.id);
  });

  test('findSource takes the only one, and lists the candidates otherwise', async () => {
    const { repository } = await opened();
    await assert.rejects(findSource(repository), { code: 'SOURCE_NOT_FOUND' });
    const one = await ensureSource(repository, { ...orders, marks: ['run:1'] });
    assert.equal((await findSource(repository)).id, one.id);
    const two = await ensureSource(repository, {
      name: 'cache',
      kind: 'cluster',
      marks: ['run:2'],
    });
    await assert.rejects(findSource(repository), (error: Error) => {
      assert.ok(error.message.includes(one.id) && error.message.includes('cache'));
      return (error as unknown as { code: string }).code === 'SOURCE_AMBIGUOUS';
    });
    assert.equal((await findSource(repository, 'cache')).id, two.id);
    assert.equal((await findSource(repository, one.id)).id, one.id);
    await assert.rejects(findSource(repository, 'nope'), /there are .*cache/);
  });

  test('a damaged description falls back to the one before', async () => {
    const { repository, storage } = await opened();
    const made = await ensureSource(repository, { ...orders, marks: ['run:1'] });
    await ensureSource(repository, { ...orders, marks: ['run:1', 'run:2'] });
    const name = `sources/${made.id}/description/00000002.json`;
    storage.objects.get(name)!.bytes[20] ^= 1;
    assert.deepEqual((await findSource(repository)).marks, ['run:1']);
    const again = await ensureSource(repository, { ...orders, marks: ['run:1', 'run:3'] });
    assert.deepEqual(again.marks, ['run:1', 'run:3']);
    assert.ok(await storage.exists(`sources/${made.id}/description/00000003.json`));
  });

  test('many writers may describe one source at the same time', async () => {
    const { repository } = await opened();
    const made = await ensureSource(repository, { ...orders, marks: ['run:0'] });
    const runs = ['run:1', 'run:2', 'run:3'];
    await Promise.all(
      runs.map((run) => ensureSource(repository, { ...orders, marks: ['run:0', run] })),
    );
    const found = await findSource(repository, made.id);
    assert.deepEqual(new Set(found.marks), new Set(['run:0', ...runs]));
  });

  test('names that cannot be shown are NAME_INVALID', async () => {
    const { repository } = await opened();
    for (const name of ['', ' x', 'a\nb', 'x'.repeat(101), '\u0000']) {
      const bad = ensureSource(repository, { ...orders, name, marks: [] });
      await assert.rejects(bad, { code: 'NAME_INVALID' });
    }
  });
});

describe('Lease', () => {
  const prune = { what: 'prune', owner: 'host-a', durationMs: 60_000 };

  test('belongs to one until it expires by the clock of the storage', async () => {
    const { repository, clock } = await opened();
    const lease = await Lease.acquire(repository, prune);
    const other = { ...prune, owner: 'host-b' };
    await assert.rejects(Lease.acquire(repository, other), /host-a holds it for another 60 s/);
    clock.ms += 50_000;
    await lease.renew();
    clock.ms += 50_000;
    await assert.rejects(Lease.acquire(repository, other), { code: 'LEASE_HELD' });
    clock.ms += 10_000;
    await Lease.acquire(repository, other);
    await assert.rejects(lease.renew(), { code: 'LEASE_HELD' });
    await lease.release();
    await assert.rejects(Lease.acquire(repository, prune), /host-b/);
  });

  test('release lets others in at once', async () => {
    const { repository } = await opened();
    await (await Lease.acquire(repository, prune)).release();
    await Lease.acquire(repository, prune);
  });

  test('of many who want it one gets it', async () => {
    const { repository } = await opened();
    const wishes = ['a', 'b', 'c', 'd'].map((owner) =>
      Lease.acquire(repository, { ...prune, owner }),
    );
    const results = await Promise.allSettled(wishes);
    assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
  });
});

describe('recordTopology', () => {
  const topology: Topology = {
    kind: 'standalone',
    epoch: null,
    shards: [
      {
        shard: '00000',
        serverShardId: null,
        slots: null,
        nodes: [{ nodeId: null, address: 'a:6379', role: 'master' }],
      },
    ],
  };

  test('writes only what is new, and never before the newest', async () => {
    const { repository, clock } = await opened();
    const { id } = await ensureSource(repository, { name: 'a', kind: 'standalone', marks: [] });
    const first = await recordTopology(repository, id, topology);
    assert.deepEqual(await readTopology(repository, first), topology);
    clock.ms -= 5_000_000;
    assert.equal(await recordTopology(repository, id, topology), first);
    const second = await recordTopology(repository, id, { ...topology, epoch: 7 });
    assert.ok(second > first);
    assert.equal((await readTopology(repository, second)).epoch, 7);
    assert.equal(await recordTopology(repository, id, { ...topology, epoch: 7 }), second);
  });
});
