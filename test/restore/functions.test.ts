import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { isCoded } from '../../src/base/index.ts';
import type { FunctionCounts } from '../../src/restore/index.ts';
import { readLive } from '../support/live-reader.ts';
import { findServer, notRun, SERVER_NAMES, startServer, whyMissing } from '../support/servers.ts';
import { loadTruth } from '../support/truth.ts';
import { backUpScene, fixtureScene, onServer, restoreTo } from './scene.ts';

function library(name: string, result: number): string {
  return `#!lua name=${name}\nredis.register_function('${name}_f', function() return ${result} end)\n`;
}

function nonZero(counts: FunctionCounts): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, value]) => value !== 0));
}

for (const name of SERVER_NAMES.filter((server) => server !== 'redis-6.0')) {
  describe(`function libraries in a restore to ${name}`, () => {
    test('follow a rule of their own', async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      await using server = await startServer(binary);
      const call = (...args: (string | number)[]) =>
        onServer(server.url, (pipe) => pipe.call(...args));
      await call('FUNCTION', 'LOAD', library('one', 1));
      await call('FUNCTION', 'LOAD', library('two', 2));
      await call('SET', 'key', 'v');
      const scene = await backUpScene(server.url);
      assert.deepEqual(nonZero((await restoreTo(scene, server.url)).functions), {
        libraries: 2,
        unchanged: 2,
      });

      await call('FUNCTION', 'LOAD', 'REPLACE', library('two', 3));
      await call('FUNCTION', 'DELETE', 'one');
      await call('DEL', 'key');
      const before = await readLive(server.url);
      await assert.rejects(restoreTo(scene, server.url, { functionConflict: 'fail' }), (error) =>
        isCoded(error, 'TARGET_CONFLICT'),
      );
      assert.deepEqual(await readLive(server.url), before, 'one library or key was written');
      const skipped = await restoreTo(scene, server.url, { dryRun: true });
      assert.deepEqual(nonZero(skipped.functions), { libraries: 2, restored: 1, skipped: 1 });
      assert.deepEqual(await readLive(server.url), before, 'the dry run wrote');
      assert.deepEqual((await restoreTo(scene, server.url)).functions, skipped.functions);
      assert.equal(await call('FCALL', 'two_f', 0), 3);
      const replaced = await restoreTo(scene, server.url, { functionConflict: 'overwrite' });
      assert.deepEqual(nonZero(replaced.functions), { libraries: 2, unchanged: 1, overwritten: 1 });
      assert.equal(await call('FCALL', 'two_f', 0), 2);
    });

    test('stay out of a restore of some keys, and of one that was told so', async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      await using server = await startServer(binary);
      const scene = await fixtureScene('redis-7.2.6');
      const selection = { databases: [3] };
      const part = await restoreTo(scene, server.url, { selection });
      assert.deepEqual(nonZero(part.functions), {});
      const told = await restoreTo(scene, server.url, { functions: 'skip' });
      assert.deepEqual(nonZero(told.functions), {});
      assert.deepEqual((await readLive(server.url)).functions, []);
      const wanted = await restoreTo(scene, server.url, { selection, functions: 'restore' });
      assert.equal(
        wanted.functions.restored,
        loadTruth('redis-7.2.6').loadedModel.functions?.length,
      );
    });

    test('that clash with others are refused one by one', async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      await using server = await startServer(binary);
      const call = (...args: (string | number)[]) =>
        onServer(server.url, (pipe) => pipe.call(...args));
      await call('FUNCTION', 'LOAD', library('one', 1));
      await call('FUNCTION', 'LOAD', library('two', 2));
      const scene = await backUpScene(server.url);
      await call('FUNCTION', 'FLUSH');
      await call('FUNCTION', 'LOAD', library('one', 1).replace('name=one', 'name=other'));
      const report = await restoreTo(scene, server.url);
      assert.deepEqual(nonZero(report.functions), { libraries: 2, restored: 1, failed: 1 });
      assert.match(report.notices.join('\n'), /"one" was refused/);
    });
  });
}

describe('functions and scripts', () => {
  test('to a server without functions are counted as failed', async (t) => {
    if (findServer('redis-6.0') === undefined) {
      return notRun(t, 'redis-6.0', whyMissing('redis-6.0'));
    }
    await using server = await startServer('redis-6.0');
    const report = await restoreTo(await fixtureScene('redis-7.0.15'), server.url);
    assert.equal(report.functions.failed, report.functions.libraries);
    assert.match(report.notices.join('\n'), /the target knows no functions/);
  });

  test('that a server of 6.0 cached are loaded again', async (t) => {
    if (findServer('redis-6.0') === undefined) {
      return notRun(t, 'redis-6.0', whyMissing('redis-6.0'));
    }
    await using server = await startServer('redis-6.0');
    const script = "return redis.call('GET', KEYS[1]) -- größer";
    const sha = createHash('sha1').update(script).digest('hex');
    await onServer(server.url, (pipe) => pipe.call('SCRIPT', 'LOAD', script));
    const scene = await backUpScene(server.url);
    await onServer(server.url, (pipe) => pipe.call('SCRIPT', 'FLUSH'));
    const report = await restoreTo(scene, server.url);
    const exists = await onServer(server.url, (pipe) => pipe.call('SCRIPT', 'EXISTS', sha));
    assert.deepEqual([report.functions.scripts, exists], [1, [1]]);
  });
});
