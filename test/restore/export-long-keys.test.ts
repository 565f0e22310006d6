import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { planBlocks } from '../../src/repository/index.ts';
import type { ExportRequest } from '../../src/restore/index.ts';
import { readLive } from '../support/live-reader.ts';
import type { Model } from '../support/model.ts';
import type { RespPipe } from '../support/resp-pipe.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import {
  findServer,
  notRun,
  type RunningServer,
  type ServerName,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { diffModels } from '../support/truth.ts';
import { exportScene, pipeTo, targetOf, withLoaded } from './export-scene.ts';
import { fillLong } from './long-key-proof.ts';
import { backUpScene, onServer, type Scene } from './scene.ts';

const ELEMENTS = 40_000;
const MIB = 1 << 20;
/** What one block becomes, and a text that is held whole: nothing grows with the key. */
const MAX_WRITE_BYTES = 8 * MIB;

/** More than a mebibyte of a module's value, and of a stream with long texts. */
async function fillMore(pipe: RespPipe, hasVectors: boolean): Promise<void> {
  const random = new SeededRandom(11);
  for (let i = 1; i <= 5; i++) {
    pipe.pipe('XADD', 'stream of long texts', `${i}-1`, 'f', random.bytes(MIB + i), 'g', '');
  }
  for (let i = 0; hasVectors && i < 400; i++) {
    const vector = random.bytes(4 * 1024);
    for (let n = 3; n < vector.length; n += 4) vector[n] = 0x3e;
    pipe.pipe('VADD', 'vectors', 'FP32', vector, `element ${i}`, 'NOQUANT');
  }
  await pipe.done();
}

type Saved = { readonly scene: Scene; readonly model: Model };

async function save(server: RunningServer, name: ServerName): Promise<Saved> {
  const hasFields = ['redis-8.0', 'redis-newest', 'valkey-9'].includes(name);
  await onServer(server.url, async (pipe) => {
    await fillLong(pipe, ELEMENTS, hasFields);
    await fillMore(pipe, name === 'redis-newest');
  });
  const scene = await backUpScene(server.url);
  let long = 0;
  for await (const { block } of planBlocks(scene.repository, scene.manifest, {})) {
    if (block.firstPart) long++;
  }
  const model = await readLive(server.url);
  assert.ok(long >= model.keys.size - 1, `${long} of ${model.keys.size} keys are long`);
  return { scene, model };
}

function assertSame(saved: Model, live: Model, what: string): void {
  const options = { nullAgrees: true, times: 'near' } as const;
  assert.deepEqual(diffModels(saved, live, options), [], what);
}

for (const name of ['redis-7.0', 'redis-newest', 'valkey-9'] as const) {
  describe(`keys of many lines, exported for ${name}`, () => {
    const binary = findServer(name);

    test('come back whole, as RDB and as commands', async (t) => {
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      await using server = await startServer(binary);
      const { scene, model } = await save(server, name);
      const request: Partial<ExportRequest> = { target: targetOf(binary) };

      const rdb = await exportScene(scene, { ...request, format: 'rdb' });
      assert.equal(rdb.report.totals.written, model.keys.size);
      assert.ok(rdb.largest <= MAX_WRITE_BYTES, `${rdb.largest} bytes at once`);
      await withLoaded(binary, rdb.bytes, async ({ url }) => {
        assertSame(model, await readLive(url), 'RDB');
      });

      for (const conflict of ['overwrite', 'skip'] as const) {
        const commands = await exportScene(scene, { ...request, format: 'resp', conflict });
        assert.equal(commands.report.totals.written, model.keys.size);
        assert.ok(commands.largest <= MAX_WRITE_BYTES, `${commands.largest} bytes at once`);
        await onServer(server.url, async (pipe) => {
          await pipe.call('FLUSHALL');
          if (conflict === 'overwrite') await pipe.call('SET', 'list', 'other');
        });
        const piped = await pipeTo(server, commands.bytes);
        assert.equal(piped.errors, 0, conflict);
        assertSame(model, await readLive(server.url), conflict);
      }
    });
  });
}

describe('a key of many lines', () => {
  test('that a server has already stays as it is under skip', async (t) => {
    const name = 'redis-7.0';
    const binary = findServer(name);
    if (binary === undefined) return notRun(t, name, whyMissing(name));
    await using server = await startServer(binary);
    const { scene, model } = await save(server, name);
    const { bytes } = await exportScene(scene, { format: 'resp', conflict: 'skip' });
    const names = [...model.keys.values()].map(({ key }) => Buffer.from(key, 'latin1'));
    await onServer(server.url, async (pipe) => {
      await pipe.call('FLUSHALL');
      for (const key of names) await pipe.call('SET', key, 'mine');
      const { errors } = await pipeTo(server, bytes);
      // Streams go by RESTORE, which says so.
      assert.equal(errors, 2);
      assert.equal(await pipe.call('DBSIZE'), names.length);
      for (const key of names) assert.equal(String(await pipe.call('GET', key)), 'mine');
    });
  });
});
