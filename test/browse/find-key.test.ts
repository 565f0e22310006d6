import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import {
  CountedReads,
  type FindRequest,
  findKey,
  type KeyInBackup,
} from '../../src/browse/index.ts';
import { openRepository } from '../../src/repository/index.ts';
import { fillServer } from '../support/data-shapes.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { findServer, notRun, whyMissing } from '../support/servers.ts';
import { storedModel } from '../backup/stored-lines.ts';
import { BackupSeries, FAR_MS, FARTHER_MS } from './backup-series.ts';

const DEFAULT = 'redis-7.0';

async function series(t: TestContext): Promise<BackupSeries | undefined> {
  if (findServer(DEFAULT) !== undefined) return await BackupSeries.start(t, DEFAULT);
  notRun(t, DEFAULT, whyMissing(DEFAULT));
  return undefined;
}

async function find(
  scene: BackupSeries,
  key: string | Buffer,
  request: Partial<FindRequest> = {},
): Promise<KeyInBackup[]> {
  const { repository, source } = scene;
  const found: KeyInBackup[] = [];
  const wanted = { repository, source, key: Buffer.from(key), ...request };
  for await (const one of findKey(wanted)) found.push(one);
  return found;
}

async function chunksOf(lines: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of lines) chunks.push(chunk);
  return chunks;
}

/** `3 changed`, `0 same` …, newest backup first; what is absent in brackets. */
function told(found: readonly KeyInBackup[]): string[] {
  return found.map(({ state, versions }) =>
    state === 'searched'
      ? versions
          .map(({ db, facts, change }) =>
            facts === null ? `[${db} ${change}]` : `${db} ${change}`,
          )
          .join(', ')
      : state,
  );
}

describe('findKey', () => {
  test('follows a key through backups and databases', async (t) => {
    const scene = await series(t);
    if (scene === undefined) return;
    const { pipe } = scene;
    const step = async (...commands: (string | number)[][]): Promise<void> => {
      for (const command of commands) pipe.pipe(...command);
      await pipe.done();
      await scene.backUp();
    };
    await step(['SET', 'k', 'one'], ['SELECT', 3], ['HSET', 'k', 'f', 'v', 'g', 'ww']);
    await step(['PEXPIREAT', 'k', FAR_MS], ['SELECT', 0], ['SET', 'other', 'x']);
    await step(['DEL', 'k']);
    await step(['SELECT', 3], ['DEL', 'k']);
    await step(['SELECT', 0], ['SET', 'k', 'one'], ['SELECT', 3], ['RPUSH', 'k', 'a', 'bb']);
    await step(['PEXPIREAT', 'k', FARTHER_MS]);

    const found = await find(scene, 'k');
    assert.deepEqual(
      found.map(({ backup }) => backup),
      scene.manifests.map(({ id }) => id).toReversed(),
    );
    assert.deepEqual(told(found), [
      '0 same, 3 ttl-changed',
      '0 added, 3 added',
      '[3 removed]',
      '[0 removed], 3 same',
      '0 same, 3 ttl-changed',
      '0 null, 3 null',
    ]);
    const [, newer, , , , oldest] = found;
    const [text, hash] = oldest.versions.map(({ facts }) => facts!);
    assert.deepEqual(
      [text.type, text.expireAtMs, text.bytes, text.elements],
      ['string', null, 3, null],
    );
    assert.deepEqual([hash.type, hash.expireAtMs, hash.bytes, hash.elements], ['hash', null, 5, 2]);
    assert.equal(newer.versions[0].facts?.digest.core, text.digest.core);
    assert.equal(newer.versions[1].facts?.elements, 2);
    const lines = await chunksOf(hash.readLines());
    assert.equal(
      Buffer.concat(lines).toString(),
      '{"db":3,"key":"k","type":"hash","value":{"f":"v","g":"ww"}}\n',
    );

    assert.deepEqual(told(await find(scene, 'k', { databases: [0], limit: 3 })), [
      '0 same',
      '0 added',
      '[null same]',
    ]);
    const times = scene.manifests.map(({ snapshotAt }) => Date.parse(snapshotAt));
    const [, second, third] = times;
    const window = await find(scene, 'k', { sinceMs: second, untilMs: third });
    assert.deepEqual(told(window), ['[0 removed], 3 same', '0 same, 3 ttl-changed']);
    assert.deepEqual(told(await find(scene, 'k', { limit: 1, untilMs: third })), [
      '[0 removed], 3 same',
    ]);
    assert.deepEqual(told(await find(scene, 'nobody', { limit: 2 })), [
      '[null same]',
      '[null same]',
    ]);
  });

  test('finds every key of a backup, whatever its name, type and length', async (t) => {
    const scene = await series(t);
    if (scene === undefined) return;
    await fillServer(scene.server.url, { seed: 21, big: true });
    const manifest = await scene.backUp();
    const model = await storedModel(scene.repository, manifest);
    const random = new SeededRandom(2);
    const keys = [...model.keys.values()];
    // All of the long ones, which take several blocks, and some of the others.
    const wanted = keys.filter(({ key }) => key.startsWith('big') || random.below(25) === 0);
    for (const { db, key, type, expireAt } of wanted) {
      const [{ versions }] = await find(scene, Buffer.from(key, 'latin1'), { databases: [db] });
      assert.equal(versions.length, 1, key);
      const { facts } = versions[0];
      assert.deepEqual([facts?.db, facts?.type, facts?.expireAtMs], [db, type, expireAt], key);
    }
    const long = wanted.filter(({ key }) => key.startsWith('big'));
    assert.ok(long.length > 3, `${long.length} long keys`);
  });

  test('measures a long value by its parts and gives all of its lines', async (t) => {
    const scene = await series(t);
    if (scene === undefined) return;
    const { pipe } = scene;
    const piece = Buffer.alloc(700_000, 'x');
    for (let i = 0; i < 9; i++) pipe.pipe('RPUSH', 'long', piece);
    await pipe.done();
    await scene.backUp();
    pipe.pipe('LSET', 'long', 8, piece.subarray(1));
    await pipe.done();
    await scene.backUp();
    const [newest, oldest] = await find(scene, 'long');
    assert.equal(newest.versions[0].change, 'changed');
    const { facts } = oldest.versions[0];
    assert.deepEqual([facts?.elements, facts?.bytes], [9, 9 * piece.length]);
    const lines = Buffer.concat(await chunksOf(facts!.readLines())).toString();
    const parts = lines.trimEnd().split('\n');
    assert.ok(parts.length > 3);
    const items = parts.flatMap((line) => (JSON.parse(line) as { value: string[] }).value);
    assert.equal(items.join('').length, 9 * piece.length);
  });

  test('reads three times per file at most, and little of what is stored', async (t) => {
    const scene = await series(t);
    if (scene === undefined) return;
    const { pipe } = scene;
    const random = new SeededRandom(1);
    for (let i = 0; i < 900; i++) {
      pipe.pipe('SET', `key:${i}`, random.bytes(60_000));
      await pipe.room();
    }
    await pipe.done();
    const manifest = await scene.backUp();
    const storage = new CountedReads(scene.storage);
    const repository = await openRepository(storage, { mode: 'read' });
    const files = manifest.files.filter(({ kind }) => kind === 'entries').length;
    const manifestBytes = scene.storage.objects.get(
      `sources/${manifest.source}/backups/${manifest.id}.json`,
    )!.bytes.length;
    for (const key of ['key:1', 'key:899', 'absent']) {
      const before = storage.cost;
      const [{ versions }] = await find(scene, key, { repository });
      assert.equal(versions[0].facts === null, key === 'absent');
      const requests = storage.cost.requests - before.requests;
      // Two listings and the manifest come before the files.
      assert.ok(requests <= 3 + 3 * files, `${requests} requests for ${files} files`);
      const bytes = storage.cost.bytes - before.bytes - manifestBytes;
      const share = bytes / manifest.totals.storedBytes;
      assert.ok(share < 0.03, `${key}: ${(share * 100).toFixed(1)} % of the backup`);
    }
  });

  test('knows what a backup cannot know, and goes on behind one that is damaged', async (t) => {
    const scene = await series(t);
    if (scene === undefined) return;
    const { pipe } = scene;
    pipe.pipe('SET', 'user:1', 'x');
    pipe.pipe('SELECT', 3);
    pipe.pipe('SET', 'user:1', 'y');
    await pipe.done();
    await scene.backUp();
    await scene.backUp({ selection: { match: [Buffer.from('cart:*')] } });
    await scene.backUp({ selection: { databases: [0] } });
    await scene.backUp({ selection: { types: ['hash'] } });
    const damaged = await scene.backUp();
    const last = await scene.backUp();
    scene.storage.objects.get(`sources/${damaged.source}/backups/${damaged.id}.json`)!.bytes =
      Buffer.from('{}');
    const file = last.files.find(({ kind }) => kind === 'entries')!;
    const held = scene.storage.objects.get(file.name)!;
    held.bytes = Buffer.from(held.bytes);
    held.bytes[file.size - 20] ^= 1;
    const found = await find(scene, 'user:1');
    assert.deepEqual(told(found), [
      'unreadable',
      'unreadable',
      'not-selected',
      '0 null',
      'not-selected',
      '0 null, 3 null',
    ]);
    assert.deepEqual(
      found.map(({ error }) => error?.code),
      ['OBJECT_CORRUPT', 'REPOSITORY_CORRUPT', ...Array<undefined>(4)],
    );
    const stopped = AbortSignal.abort(new Error('stopped'));
    await assert.rejects(find(scene, 'user:1', { signal: stopped }), /stopped/);
  });
});
