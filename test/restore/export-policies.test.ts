import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { type Clock, CodedError, isCoded, RunControl, systemClock } from '../../src/base/index.ts';
import { RdbStreamWriter } from '../../src/rdb/index.ts';
import {
  compressOutput,
  exportBackup,
  type ExportRequest,
  parseExportTarget,
  readEntries,
} from '../../src/restore/index.ts';
import { decodeDump } from '../fidelity/dump-lines.ts';
import { readLive } from '../support/live-reader.ts';
import type { Model } from '../support/model.ts';
import { relics } from '../support/relic-builder.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';
import { diffModels, fromJsonLines, loadTruth } from '../support/truth.ts';
import { exportScene, MemoryOutput, pipeTo, targetOf, withLoaded } from './export-scene.ts';
import { backUpScene, fixtureScene, importScene, onServer, type Scene, takenAt } from './scene.ts';

const FAR = 4_102_444_800_000;
const MINUTE = 60_000;
const SERVER = 'redis-7.0';

/** The same backup, exported at another time. */
function at(scene: Scene, nowMs: number): Scene {
  const clock: Clock = { ...systemClock, now: () => nowMs };
  return { ...scene, repository: { ...scene.repository, clock } };
}

/** What an exported RDB holds, read by the product's decoder and the tests' own line reader. */
function modelOf(rdb: Buffer): Model {
  const { lines, sideLines, checksumVerified } = decodeDump(rdb);
  assert.ok(checksumVerified);
  return fromJsonLines(Buffer.concat([lines, Buffer.from(sideLines)]), { canonical: true });
}

function expiries(model: Model): Record<string, number | null> {
  return Object.fromEntries([...model.keys.values()].map(({ key, expireAt }) => [key, expireAt]));
}

async function expiringScene(t: Parameters<typeof notRun>[0]): Promise<Scene | undefined> {
  const binary = findServer(SERVER);
  if (binary === undefined) {
    notRun(t, SERVER, whyMissing(SERVER));
    return undefined;
  }
  await using server = await startServer(binary);
  await onServer(server.url, async (pipe) => {
    pipe.pipe('SET', 'forever', 'v');
    pipe.pipe('SET', 'soon', 'v');
    pipe.pipe('PEXPIREAT', 'soon', FAR + MINUTE);
    pipe.pipe('RPUSH', 'later', 'v');
    pipe.pipe('PEXPIREAT', 'later', FAR + 2 * MINUTE);
    pipe.pipe('SET', 'long', Buffer.alloc(2 << 20, 'x'));
    pipe.pipe('PEXPIREAT', 'long', FAR + MINUTE);
    await pipe.done();
  });
  return takenAt(await backUpScene(server.url), FAR);
}

describe('expiry in an export', () => {
  test('is as recorded, counted from now, or none', async (t) => {
    const scene = await expiringScene(t);
    if (scene === undefined) return;
    const now = FAR + 90_000;
    const later = at(scene, now);
    const absolute = await exportScene(later, { format: 'rdb' });
    assert.deepEqual(expiries(modelOf(absolute.bytes)), {
      forever: null,
      later: FAR + 2 * MINUTE,
    });
    assert.equal(absolute.report.totals.expired, 2);
    const remaining = await exportScene(later, { format: 'rdb', ttl: 'remaining' });
    assert.deepEqual(expiries(modelOf(remaining.bytes)), {
      forever: null,
      soon: now + MINUTE,
      long: now + MINUTE,
      later: now + 2 * MINUTE,
    });
    const persist = await exportScene(later, { format: 'rdb', ttl: 'persist' });
    assert.deepEqual(new Set(Object.values(expiries(modelOf(persist.bytes)))), new Set([null]));
    assert.equal(persist.report.totals.written, 4);
  });
});

describe('exported commands', () => {
  for (const name of ['redis-6.0', 'redis-7.0', 'valkey-9'] as const) {
    // Before 5.0 RESTORE knows no instants: any server takes what is written for those.
    for (const version of [name, 'redis-4.0', 'redis-2.8']) {
      test(`for ${version} leave alone what ${name} has, under skip`, async (t) => {
        const binary = findServer(name);
        if (binary === undefined) return notRun(t, name, whyMissing(name));
        await using server = await startServer(binary);
        await onServer(server.url, (pipe) => fillSome(pipe.pipe.bind(pipe), () => pipe.done()));
        const scene = await backUpScene(server.url);
        const saved = await readLive(server.url);
        for (const commands of [false, true]) {
          const target = version === name ? targetOf(binary) : parseExportTarget(version);
          const request = { format: 'resp', target, commands, conflict: 'skip' } as const;
          const { bytes } = await exportScene(scene, request);
          await onServer(server.url, (pipe) => pipe.call('FLUSHALL'));
          assert.equal((await pipeTo(server, bytes)).errors, 0);
          assert.deepEqual(diffModels(saved, await readLive(server.url)), []);
          await onServer(server.url, async (pipe) => {
            await pipe.call('FLUSHALL');
            for (const key of SOME) await pipe.call('SET', key, 'mine');
          });
          const { errors } = await pipeTo(server, bytes);
          assert.ok(errors === 0 || !commands, `${errors} errors`);
          await onServer(server.url, async (pipe) => {
            assert.equal(await pipe.call('DBSIZE'), SOME.length);
            for (const key of SOME) {
              assert.equal(String(await pipe.call('GET', key)), 'mine');
              assert.equal(await pipe.call('PTTL', key), -1);
            }
          });
          const over = await exportScene(scene, { ...request, conflict: 'overwrite' });
          assert.equal((await pipeTo(server, over.bytes)).errors, 0);
          assert.deepEqual(diffModels(saved, await readLive(server.url)), []);
        }
      });
    }
  }
});

const SOME = ['string', 'dying string', 'list', 'dying set', 'hash', 'dying zset'];

async function fillSome(
  pipe: (...args: (string | number)[]) => void,
  done: () => Promise<void>,
): Promise<void> {
  pipe('SET', 'string', 'v');
  pipe('SET', 'dying string', 'v');
  pipe('RPUSH', 'list', ...Array.from({ length: 1300 }, (_, i) => `item ${i}`));
  pipe('SADD', 'dying set', 1, 2, 'three');
  pipe('HSET', 'hash', 'a', '1', 'b', '');
  pipe('ZADD', 'dying zset', 'inf', 'a', '-inf', 'b', '0.1', 'c', '-0.0', 'd');
  for (const key of SOME) if (key.startsWith('dying')) pipe('PEXPIREAT', key, FAR);
  await done();
}

describe('the selection of an export', () => {
  test('chooses keys, types and databases, and maps these', async () => {
    const scene = await fixtureScene('redis-7.2.6');
    const { model } = loadTruth('redis-7.2.6');
    const selection = { databases: [3, 9], types: ['hash', 'zset'] as const };
    const mapDb = new Map([[3, 20]]);
    const { bytes, report } = await exportScene(scene, {
      format: 'rdb',
      selection,
      mapDb,
      ttl: 'persist',
    });
    const wanted = [...model.keys.values()].filter(
      ({ db, type }) => selection.databases.includes(db) && /^(hash|zset)$/.test(type),
    );
    assert.ok(wanted.length > 5);
    const found = [...modelOf(bytes).keys.values()];
    const names = (keys: readonly { db: number; key: string }[]) =>
      keys.map(({ db, key }) => `${db} ${key}`).sort();
    assert.deepEqual(
      names(found),
      names(wanted.map(({ db, key }) => ({ key, db: mapDb.get(db) ?? db }))),
    );
    assert.equal(report.functions.libraries, 0, 'functions were not selected');
    assert.match(report.notices.join('\n'), /"databases 21"/);
  });

  test('refuses two databases in one', async () => {
    const scene = await fixtureScene('redis-7.2.6');
    const output = new MemoryOutput();
    const mapDb = new Map([[3, 0]]);
    const request: ExportRequest = { ...scene, output, format: 'rdb', mapDb };
    await assert.rejects(exportBackup(request), (error) => isCoded(error, 'USAGE'));
    assert.equal(output.end, 'aborted');
    const selection = { databases: [3] };
    const one = await exportScene(scene, { format: 'rdb', mapDb, selection });
    assert.ok(one.report.totals.written > 0);
  });
});

describe('exported JSON Lines', () => {
  test('are the stored lines, all or selected', async () => {
    const scene = await fixtureScene('redis-8.6.3');
    for (const selection of [{}, { databases: [9] }, { match: [Buffer.from('*a*')] }]) {
      const { bytes, report } = await exportScene(scene, { format: 'jsonl', selection });
      const chunks: Buffer[] = [];
      for await (const chunk of readEntries({ ...scene, selection })) chunks.push(chunk);
      assert.ok(bytes.equals(Buffer.concat(chunks)));
      const model = fromJsonLines(bytes, { canonical: true });
      assert.equal(report.totals.written, model.keys.size);
      assert.ok(model.keys.size > 50);
    }
  });

  test('can be compressed', async () => {
    const scene = await fixtureScene('redis-7.2.6');
    const plain = await exportScene(scene, { format: 'jsonl' });
    const output = new MemoryOutput();
    const report = await exportBackup({
      ...scene,
      format: 'jsonl',
      output: compressOutput(output, 'gzip'),
    });
    assert.equal(report.bytes, plain.bytes.length);
    assert.ok(output.bytes.length < plain.bytes.length / 3);
    assert.ok(gunzipSync(output.bytes).equals(plain.bytes));
  });
});

describe('what a target cannot hold', () => {
  test('is left out by key, or written with a loss when that is allowed', async (t) => {
    const binary = findServer(SERVER);
    if (binary === undefined) return notRun(t, SERVER, whyMissing(SERVER));
    const scene = await fixtureScene('redis-8.6.3');
    const target = targetOf(binary);
    const strict = await exportScene(scene, { format: 'rdb', target });
    const loose = await exportScene(scene, { format: 'rdb', target, allowInexact: true });
    const { failed, inexact } = loose.report.totals;
    assert.ok(failed > 0 && failed < strict.report.totals.failed);
    assert.equal(failed + inexact, strict.report.totals.failed + strict.report.totals.inexact);
    await withLoaded(binary, loose.bytes, async ({ url }) => {
      const live = await readLive(url);
      assert.equal(live.keys.size, loose.report.totals.written);
    });
  });

  test('are functions before 7.0', async () => {
    const scene = await fixtureScene('redis-7.2.6');
    const target = parseExportTarget('redis-6.2');
    for (const format of ['rdb', 'resp'] as const) {
      const { report } = await exportScene(scene, { format, target });
      assert.ok(report.functions.libraries > 0);
      assert.equal(report.functions.failed, report.functions.libraries);
      assert.match(report.notices.join('\n'), /knows no functions/);
    }
  });

  test('are modules that it lacks: they are named', async () => {
    const relic = relics().find(({ name }) => name === 'module value');
    assert.ok(relic !== undefined);
    const scene = await importScene(relic.file);
    for (const format of ['rdb', 'resp'] as const) {
      const target = parseExportTarget('redis-7.0');
      const { report } = await exportScene(scene, { format, target });
      assert.equal(report.totals.written, 1);
      assert.equal(report.modules.length, 1);
      assert.match(report.notices.join('\n'), /needs the modules of/);
    }
  });
});

describe('script bodies in an export', () => {
  test('stand where servers before 7.0 keep them, and are loaded by commands', async () => {
    const script = Buffer.from("return '\xff'", 'latin1');
    const chunks: Buffer[] = [];
    const { format } = parseExportTarget('redis-6.0');
    const writer = new RdbStreamWriter(format, (chunk) => chunks.push(chunk));
    writer.aux('redis-ver', '6.0.16');
    writer.aux('lua', script);
    writer.finish();
    const scene = await importScene(Buffer.concat(chunks));
    const old = await exportScene(scene, { format: 'rdb' });
    assert.deepEqual(modelOf(old.bytes).scripts, [script.toString('latin1')]);
    assert.equal(old.report.functions.scripts, 1);
    const target = parseExportTarget('redis-7.0');
    const young = await exportScene(scene, { format: 'rdb', target });
    assert.equal(modelOf(young.bytes).scripts, undefined);
    const commands = await exportScene(scene, { format: 'resp', target });
    const loads = '*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$10\r\n';
    assert.equal(commands.bytes.toString('latin1'), `${loads}${script.toString('latin1')}\r\n`);
    const skipped = await exportScene(scene, { format: 'resp', target, functions: 'skip' });
    assert.equal(skipped.bytes.length, 0);
  });
});

describe('a running export', () => {
  test('stands still while it is told so, and ends when it is told so', async () => {
    const scene = await fixtureScene('redis-7.2.6');
    const control = new RunControl({ paused: true });
    const output = new MemoryOutput();
    let isDone = false;
    const running = exportBackup({ ...scene, output, format: 'jsonl', control }).finally(() => {
      isDone = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isDone, false);
    control.change({ paused: false });
    await running;
    assert.equal(output.end, 'committed');

    const stopped = new MemoryOutput();
    const controller = new AbortController();
    controller.abort(new CodedError('INTERRUPTED', 'Interrupted'));
    const request = { ...scene, output: stopped, signal: controller.signal };
    for (const format of ['jsonl', 'rdb'] as const) {
      await assert.rejects(exportBackup({ ...request, format }), (error) =>
        isCoded(error, 'INTERRUPTED'),
      );
    }
    assert.equal(stopped.end, 'aborted');
  });
});
