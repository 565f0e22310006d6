import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { CodedError, type ErrorCode, isCoded } from '../../base/index.ts';
import type { FeedSource } from '../../replay/index.ts';
import { encodeCommand } from '../../resp/index.ts';
import { type AofFolderRequest, writeAofFolder } from './write-aof-folder.ts';

const SET = encodeCommand(['SET', 'k', 'v']);
const SERVER = { family: 'redis', version: '7.0.15' } as const;
const FILES = ['appendonly.aof.1.base.rdb', 'appendonly.aof.1.incr.aof', 'appendonly.aof.manifest'];

function source(log: readonly Buffer[], failure?: Error): FeedSource {
  return {
    writeBase: async (_server, write) => {
      await write(Buffer.from('base'));
      if (failure !== undefined) throw failure;
    },
    readStream: async function* () {
      for (const bytes of log) yield { bytes, atMs: 7000 };
    },
    startDatabase: 2,
    streamBytes: 0,
  };
}

function folderOf(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-aof-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'out');
}

const write = (folder: string, request: Partial<AofFolderRequest> = {}) =>
  writeAofFolder({
    source: source([SET]),
    recordedFrom: SERVER,
    server: SERVER,
    folder,
    ...request,
  });

const coded = (code: ErrorCode) => (error: unknown) => isCoded(error, code);

describe('writeAofFolder', () => {
  test('writes base, log and manifest, and nothing beside', async (t) => {
    const folder = folderOf(t);
    mkdirSync(folder);
    const report = await write(folder);
    assert.deepEqual(readdirSync(join(folder, '..')), ['out']);
    assert.deepEqual(readdirSync(folder).sort(), FILES);
    assert.equal(report.commands, 1);
    const text = readFileSync(join(folder, FILES[1]), 'utf8');
    assert.equal(text, `*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n#TS:7\r\n${SET.toString()}`);
    assert.equal(
      readFileSync(join(folder, FILES[2]), 'utf8'),
      `file ${FILES[0]} seq 1 type b\nfile ${FILES[1]} seq 1 type i\n`,
    );
  });

  test('writes a base alone where there is no log', async (t) => {
    const folder = folderOf(t);
    const report = await write(folder, { recordedFrom: null });
    assert.equal(report.translation, null);
    assert.deepEqual(readdirSync(folder).sort(), [FILES[0], FILES[2]]);
  });

  test('replaces an AOF only by force, and never anything else', async (t) => {
    const folder = folderOf(t);
    await write(folder, { recordedFrom: null });
    await assert.rejects(write(folder), coded('CONFIRMATION_REQUIRED'));
    await write(folder, { force: true });
    assert.deepEqual(readdirSync(folder).sort(), FILES);
    writeFileSync(join(folder, 'diary.txt'), 'mine');
    await assert.rejects(write(folder, { force: true }), coded('USAGE'));
    assert.equal(readFileSync(join(folder, 'diary.txt'), 'utf8'), 'mine');
    await assert.rejects(write(join(folder, 'no', 'such')), coded('USAGE'));
    await assert.rejects(write(join(folder, 'diary.txt')), coded('USAGE'));
  });

  test('leaves what was there, and nothing new, when it fails', async (t) => {
    const folder = folderOf(t);
    await write(folder);
    const lost = new CodedError('OBJECT_CORRUPT', 'damaged');
    const failing: readonly [FeedSource, ErrorCode][] = [
      [source([SET], lost), 'OBJECT_CORRUPT'],
      [source([encodeCommand(['MULTI']), SET]), 'STREAM_CORRUPT'],
      [source([SET.subarray(0, 9)]), 'STREAM_CORRUPT'],
    ];
    for (const [broken, code] of failing) {
      await assert.rejects(write(folder, { force: true, source: broken }), coded(code));
      assert.deepEqual(readdirSync(join(folder, '..')), ['out']);
      assert.deepEqual(readdirSync(folder).sort(), FILES);
    }
  });
});
