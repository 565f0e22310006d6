import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type ErrorCode, isCoded } from '../../src/base/index.ts';
import { encodeCommand } from '../../src/resp/index.ts';
import type { Model } from '../support/model.ts';
import { findServer, notRun, whyMissing } from '../support/servers.ts';
import { importedAof, testFolder } from './aof-scene.ts';

const SERVER = 'redis-7.0';
const PAST_MS = 1_000_000_000_000;

const command = (...words: string[]): Buffer => encodeCommand(words);
const join8 = (...parts: (Buffer | string)[]): Buffer =>
  Buffer.concat(parts.map((part) => Buffer.from(part)));

const BASE = join8(command('SELECT', '0'), command('SET', 'a', '1', 'PXAT', `${PAST_MS}`));
const INCREMENT = join8(
  '#TS:1000\r\n',
  command('SELECT', '2'),
  command('SET', 'b', '#TS:9\r\n'),
  '#TS:2000\r\n',
  command('MULTI'),
  command('APPEND', 'b', 'x'),
  command('SET', 'c', '1'),
  command('EXEC'),
);

/** An `appendonlydir` of these files. */
function aofFolder(t: TestContext, files: Readonly<Record<string, Buffer>>): string {
  const folder = join(testFolder(t), 'appendonlydir');
  mkdirSync(folder);
  const lines = Object.keys(files).map(
    (name, i) => `file ${name} seq ${i + 1} type ${name.includes('base') ? 'b' : 'i'}\n`,
  );
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  writeFileSync(join(folder, 'appendonly.aof.manifest'), lines.join(''));
  return folder;
}

const usual = (t: TestContext): string => aofFolder(t, { 'x.base.aof': BASE, 'x.incr': INCREMENT });

function digest(folder: string): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort())
    hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest('hex');
}

const keysOf = (model: Model): string[] =>
  [...model.keys.values()].map(({ db, key }) => `${db}:${key}`).sort();

const coded =
  (code: ErrorCode, pattern: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(isCoded(error, code), String(error));
    assert.match(error.message, pattern);
    return true;
  };

const isMissing = findServer(SERVER) === undefined;

describe('importing an AOF', () => {
  test('keeps what expired long ago, cuts nothing, and leaves the original as it was', async (t) => {
    if (isMissing) return notRun(t, SERVER, whyMissing(SERVER));
    const folder = usual(t);
    const before = digest(folder);
    const { model, report } = await importedAof(folder, SERVER);
    assert.deepEqual(keysOf(model), ['0:a', '2:b', '2:c']);
    assert.equal([...model.keys.values()].find(({ key }) => key === 'a')?.expireAt, PAST_MS);
    assert.deepEqual([...model.keys.values()].find(({ key }) => key === 'b')?.value, {
      kind: 'string',
      bytes: '#TS:9\r\nx',
    });
    assert.equal(report.manifest.snapshotAt, new Date(2_000_000).toISOString());
    assert.equal(report.aof.tornBytes, 0);
    assert.equal(digest(folder), before);
  });

  for (const name of ['redis-8.0', 'valkey-9'] as const) {
    test(`keeps fields that expired long ago in ${name}`, async (t) => {
      if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
      const fields = join8(
        command('SELECT', '0'),
        command('HSET', 'h', 'f', '1', 'g', '2'),
        command('HPEXPIREAT', 'h', `${PAST_MS}`, 'FIELDS', '1', 'f'),
      );
      const { model } = await importedAof(aofFolder(t, { 'x.base.aof': fields }), name);
      const [hash] = [...model.keys.values()];
      assert.deepEqual(hash?.value.kind === 'hash' && hash.value.fields, [
        ['f', '1', PAST_MS],
        ['g', '2', null],
      ]);
    });
  }

  test('leaves out a torn end, a transaction as a whole, and says so', async (t) => {
    if (isMissing) return notRun(t, SERVER, whyMissing(SERVER));
    const folder = usual(t);
    const lost = INCREMENT.length - INCREMENT.indexOf('*1\r\n$5\r\nMULTI');
    truncateSync(join(folder, 'x.incr'), INCREMENT.length - 3);
    const { model, report } = await importedAof(folder, SERVER);
    assert.deepEqual(keysOf(model), ['0:a', '2:b']);
    assert.equal(report.aof.tornBytes, lost - 3);
    assert.deepEqual(report.manifest.labels, { 'aof-torn-bytes': `${lost - 3}` });
    assert.match(report.notices[0] ?? '', /last \d+ bytes are left out/);
  });

  test('stops before what came later than asked for', async (t) => {
    if (isMissing) return notRun(t, SERVER, whyMissing(SERVER));
    const { model, report } = await importedAof(usual(t), SERVER, { untilSeconds: 1999 });
    assert.deepEqual(keysOf(model), ['0:a', '2:b']);
    assert.equal(report.aof.tornBytes, 0);
    await assert.rejects(
      importedAof(aofFolder(t, { 'x.base.aof': BASE }), SERVER, { untilSeconds: 5 }),
      coded('USAGE', /no annotations/),
    );
  });

  test('refuses what a server refuses, before any server starts', async (t) => {
    const torn = usual(t);
    truncateSync(join(torn, 'x.base.aof'), BASE.length - 1);
    await assert.rejects(
      importedAof(torn, SERVER),
      coded('AOF_CORRUPT', /x\.base\.aof.*another file/),
    );
    const open = aofFolder(t, {
      'x.base.aof': BASE,
      '1.incr': command('MULTI'),
      '2.incr': INCREMENT,
    });
    await assert.rejects(importedAof(open, SERVER), coded('AOF_CORRUPT', /1\.incr.*a transaction/));
    const missing = usual(t);
    rmSync(join(missing, 'x.incr'));
    await assert.rejects(importedAof(missing, SERVER), coded('AOF_CORRUPT', /missing: x\.incr/));
    const garbage = aofFolder(t, { 'x.base.aof': join8(BASE, 'garbage') });
    await assert.rejects(importedAof(garbage, SERVER), coded('AOF_CORRUPT', /no command/));
    await assert.rejects(importedAof(testFolder(t), SERVER), coded('USAGE', /without an AOF/));
    const old = 'redis-6.0';
    if (findServer(old) === undefined) return notRun(t, old, whyMissing(old));
    await assert.rejects(importedAof(usual(t), old), coded('SANDBOX_UNAVAILABLE', /takes 7\.0/));
  });

  test('refuses what its server does not know, or passes over in silence', async (t) => {
    if (isMissing) return notRun(t, SERVER, whyMissing(SERVER));
    const unknown = aofFolder(t, { 'x.base.aof': BASE, 'x.incr': command('VADD', 'v') });
    await assert.rejects(importedAof(unknown, SERVER), coded('SOURCE_UNSUPPORTED', /know 'VADD'/));
    const stray = join8(command('SELECT', '99999'), command('SET', 'lost', '1'));
    const refused = aofFolder(t, { 'x.base.aof': BASE, 'x.incr': stray });
    await assert.rejects(importedAof(refused, SERVER), coded('REPLAY_INEXACT', /out of range/));
    const { report } = await importedAof(refused, SERVER, { allowInexact: true });
    assert.equal(report.isInexact, true);
  });
});
