import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type BackupRequest, backUp, importRdb } from '../../src/backup/index.ts';
import { type ErrorCode, isCoded } from '../../src/base/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { listBackups, listSourceIds, openRepository } from '../../src/repository/index.ts';
import { DirectoryStorage, type Storage } from '../../src/storage/index.ts';
import { type FakePlan, FakeRedis } from '../fakes/fake-redis.ts';
import { FaultyStorage } from '../fakes/faulty-storage.ts';
import { MemoryStorage } from '../fakes/memory-storage.ts';
import { rdbFile, str } from '../support/relic-builder.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';
import { loadRdb } from '../support/truth.ts';
import { storedModel } from './stored-lines.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-backup-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const RDB = loadRdb('redis-7.2.6');
const small = loadRdb('redis-7.2.6.lru');
const DEADLINES = {
  connectMs: 1000,
  handshakeMs: 1000,
  forkMs: 1000,
  silenceMs: 400,
  retryMs: 500,
};
/** A key of 24 MiB, six batches, between others. */
const LONG_KEY_RDB = rdbFile(
  11,
  'fe 00',
  [0, str('a'), str('1')],
  [0, str('long'), '80 01 80 00 00', Buffer.alloc(24 << 20, 'long ')],
  [0, str('z'), str('2')],
);

/** Rejects, with this code, and leaves nothing that counts as a backup. */
async function failsWith(
  code: ErrorCode,
  run: (repository: Awaited<ReturnType<typeof openRepository>>) => Promise<unknown>,
  storage: Storage = new MemoryStorage(),
): Promise<void> {
  const repository = await openRepository(storage, { mode: 'write' });
  const error = await run(repository).then(
    () => assert.fail(`no error, expected ${code}`),
    (e: unknown) => e,
  );
  assert.ok(isCoded(error, code), `${String(error)}, expected ${code}`);
  for (const source of await listSourceIds(repository)) {
    assert.deepEqual(await listBackups(repository, source), []);
  }
}

async function backupFailsWith(
  code: ErrorCode,
  plan: FakePlan,
  request: Partial<BackupRequest> = {},
) {
  await using fake = await FakeRedis.start(plan);
  await failsWith(code, (repository) =>
    backUp({ repository, address: fake.address, deadlines: DEADLINES, ...request }),
  );
  const deadline = Date.now() + 3000;
  while (fake.openConnections > 0) {
    assert.ok(Date.now() < deadline, 'the connection to the source stays open');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function importOf(file: Buffer) {
  const path = join(folder, 'input.rdb');
  writeFileSync(path, file);
  return (repository: Awaited<ReturnType<typeof openRepository>>) =>
    importRdb({ repository, sourceName: 'test', files: [path] });
}

describe('backUp from a fake server', () => {
  test('works when nothing goes wrong, in both framings', async () => {
    for (const framing of ['length', 'mark'] as const) {
      await using fake = await FakeRedis.start({ rdb: LONG_KEY_RDB, framing });
      const repository = await openRepository(new MemoryStorage(), { mode: 'write' });
      const report = await backUp({ repository, address: fake.address });
      const model = await storedModel(repository, report.manifest);
      assert.deepEqual([...model.keys.keys()].sort(), ['0:a', '0:long', '0:z']);
    }
  });

  for (const framing of ['length', 'mark'] as const) {
    for (const [what, rdb] of [
      ['an ordinary dump', RDB],
      ['a long key', LONG_KEY_RDB],
    ] as const) {
      test(`ends with SOURCE_LOST when the link breaks inside ${what} (${framing})`, async () => {
        for (const share of [0.01, 0.6, 0.999]) {
          await backupFailsWith('SOURCE_LOST', { rdb, framing, closeAt: rdb.length * share });
        }
      });

      test(`ends with SOURCE_STALLED when nothing comes any more in ${what} (${framing})`, () =>
        backupFailsWith('SOURCE_STALLED', { rdb, framing, stallAt: Math.floor(rdb.length * 0.7) }));

      test(`ends with INTERRUPTED when aborted inside ${what} (${framing})`, async () => {
        const abort = new AbortController();
        const plan = { rdb, framing, stallAt: Math.floor(rdb.length * 0.7) };
        await backupFailsWith('INTERRUPTED', plan, {
          signal: abort.signal,
          deadlines: {},
          onProgress: ({ phase, storedBytes }) => {
            if (storedBytes > 0) abort.abort();
            // A small dump stores nothing before it is whole.
            if (rdb === RDB && phase === 'waiting-for-fork') setImmediate(() => abort.abort());
          },
        });
      });
    }

    test(`refuses a wrong checksum (${framing})`, async () => {
      const damaged = Buffer.from(LONG_KEY_RDB);
      damaged[12 << 20] = 0x2e;
      await backupFailsWith('RDB_CHECKSUM', { rdb: damaged, framing });
    });

    test(`refuses an RDB that ends before its framing (${framing})`, () =>
      backupFailsWith('SOURCE_GARBAGE', { rdb: Buffer.concat([RDB, RDB.subarray(9)]), framing }));

    test(`refuses an RDB that its framing cuts (${framing})`, () =>
      backupFailsWith('RDB_TRUNCATED', { rdb: RDB.subarray(0, RDB.length - 9), framing }));

    test(`refuses what is no RDB (${framing})`, () =>
      backupFailsWith('RDB_CORRUPT', { rdb: Buffer.from('<html>not found</html>'), framing }));

    test(`refuses an RDB version of the future (${framing})`, () =>
      backupFailsWith('RDB_UNSUPPORTED', { rdb: Buffer.from('REDIS0079\xff', 'latin1'), framing }));
  }

  test('refuses garbage inside a long key', () => {
    const bad = rdbFile(11, 'fe 00', [1, str('k'), '80 01 00 00 00'], Buffer.alloc(9 << 20, 0xbf));
    return backupFailsWith('RDB_CORRUPT', { rdb: bad });
  });

  test('does not begin when it is aborted already', () =>
    backupFailsWith('INTERRUPTED', { rdb: RDB }, { signal: AbortSignal.abort() }));
});

test('backUp ends with SOURCE_LOST when the server is killed', async (t) => {
  const name = 'redis-7.0';
  const binary = findServer(name);
  if (binary === undefined) return notRun(t, name, whyMissing(name));
  await using server = await startServer(binary, { config: { 'rdb-key-save-delay': '200' } });
  const pipe = await RespPipe.open(server.url);
  await pipe.call('DEBUG', 'POPULATE', '20000', 'key', '1000');
  await failsWith('SOURCE_LOST', (repository) =>
    backUp({
      repository,
      address: parseAddress(server.url),
      onProgress: ({ phase }) => {
        if (phase === 'receiving') void server.kill();
      },
    }),
  );
  pipe.close();
});

describe('importRdb', () => {
  test('refuses any flipped byte', async () => {
    for (let at = 0; at < small.length; at += 997) {
      const damaged = Buffer.from(small);
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      const repository = await openRepository(new MemoryStorage(), { mode: 'write' });
      await assert.rejects(importOf(damaged)(repository), (error) =>
        isCoded(
          error,
          'RDB_CHECKSUM',
          'RDB_CORRUPT',
          'RDB_UNSUPPORTED',
          'RDB_TRUNCATED',
          'SOURCE_GARBAGE',
        ),
      );
    }
  });

  test('refuses a truncated file', async () => {
    for (const size of [0, 5, 9, 4000, small.length - 1]) {
      await failsWith('RDB_TRUNCATED', importOf(small.subarray(0, size)));
    }
  });

  test('refuses a long key that is cut', () =>
    failsWith('RDB_TRUNCATED', importOf(LONG_KEY_RDB.subarray(0, 20 << 20))));

  test('refuses what follows the end', () =>
    failsWith('SOURCE_GARBAGE', importOf(Buffer.concat([small, Buffer.from('x')]))));

  test('refuses a file that is not there', () =>
    failsWith('USAGE', (repository) =>
      importRdb({ repository, sourceName: 'test', files: [join(folder, 'nothing.rdb')] }),
    ));

  test('leaves nothing when the second of two files is damaged', () => {
    const good = join(folder, 'good.rdb');
    const bad = join(folder, 'bad.rdb');
    writeFileSync(good, RDB);
    writeFileSync(bad, RDB.subarray(0, 9000));
    return failsWith('RDB_TRUNCATED', (repository) =>
      importRdb({ repository, sourceName: 'test', files: [good, bad] }),
    );
  });
});

describe('a storage that fails', () => {
  test('ends a backup with its code at any of its writes, and leaves nothing listed', async () => {
    const counting = new FaultyStorage(new MemoryStorage());
    await importOf(RDB)(await openRepository(counting, { mode: 'write' }));
    const changes = counting.calls.filter(({ verb }) =>
      ['create', 'write', 'commit', 'put'].includes(verb),
    );
    const own = changes.filter(({ name }) => name.startsWith('sources/'));
    assert.ok(own.length > 8);
    for (const { index } of own) {
      const plan = (call: { index: number }) =>
        call.index === index ? ({ kind: 'fail', code: 'STORAGE_FULL' } as const) : undefined;
      await failsWith('STORAGE_FULL', importOf(RDB), new FaultyStorage(new MemoryStorage(), plan));
    }
  });

  test('that is full ends with STORAGE_FULL and keeps what was there', async (t) => {
    const mount = join(folder, 'full');
    mkdirSync(mount);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', mount]);
    if (mounted.status !== 0) return notRun(t, 'tmpfs', 'mounting needs root');
    try {
      const repository = await openRepository(new DirectoryStorage(mount), { mode: 'write' });
      const first = await importOf(small)(repository);
      const random = rdbFile(11, 'fe 00', [0, str('k'), '80 00 80 00 00'], randomBytes(8 << 20));
      await assert.rejects(importOf(random)(repository), (error) => isCoded(error, 'STORAGE_FULL'));
      const listed = await listBackups(repository, first.source.id);
      assert.deepEqual(
        listed.map(({ id }) => id),
        [first.id],
      );
      const model = await storedModel(repository, first.manifest);
      assert.equal(model.keys.size, first.manifest.totals.keys);
      await importOf(small)(repository);
    } finally {
      spawnSync('umount', [mount]);
    }
  });

  test('that may not be written ends with STORAGE_READ_ONLY', async (t) => {
    const place = join(folder, 'read-only');
    mkdirSync(place);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', place]).status === 0;
    if (!mounted && process.getuid?.() === 0) {
      return notRun(t, 'a read-only folder', 'root may write everywhere and cannot mount here');
    }
    try {
      const storage = new DirectoryStorage(place);
      const repository = await openRepository(storage, { mode: 'write' });
      const first = await importOf(small)(repository);
      if (mounted) spawnSync('mount', ['-o', 'remount,ro', place]);
      else for (const name of readdirSync(place)) chmodSync(join(place, name), 0o500);
      const refused = (error: unknown) => isCoded(error, 'STORAGE_READ_ONLY');
      await assert.rejects(importOf(small)(repository), refused);
      await assert.rejects(openRepository(storage, { mode: 'write' }), refused);
      const reading = await openRepository(storage, { mode: 'read' });
      const model = await storedModel(reading, first.manifest);
      assert.equal(model.keys.size, first.manifest.totals.keys);
    } finally {
      if (mounted) spawnSync('umount', [place]);
    }
  });
});

/** Bytes that zstd cannot make smaller. */
function randomBytes(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
