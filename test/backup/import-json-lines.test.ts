import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { RunControl } from '../../src/base/index.ts';
import { importFiles, type ImportRequest } from '../../src/backup/index.ts';
import { openRepository, type Repository } from '../../src/repository/index.ts';
import { verifyBackup } from '../../src/verify/index.ts';
import { MemoryStorage } from '../fakes/memory-storage.ts';
import { decodeDump, digestLines } from '../fidelity/dump-lines.ts';
import { relics } from '../support/relic-builder.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { diffModels, fromJsonLines, loadRdb, truthNames } from '../support/truth.ts';
import { varyLines } from './import-variants.ts';
import { sortedLines, storedLines } from './stored-lines.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-import-lines-'));
after(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function fileOf(content: string | Buffer): string {
  const path = join(folder, `${++files}`);
  writeFileSync(path, content);
  return path;
}

async function memoryRepository(): Promise<Repository> {
  return await openRepository(new MemoryStorage(), { mode: 'write' });
}

async function take(content: string | Buffer, request: Partial<ImportRequest> = {}) {
  const repository = await memoryRepository();
  const paths = [fileOf(content)];
  const report = await importFiles({ repository, sourceName: 'x', files: paths, ...request });
  const lines = await storedLines(repository, report.manifest, 'entries');
  return { repository, report, lines };
}

const line = (key: string, value: string): string =>
  `{"key":"${key}","type":"string","value":"${value}"}\n`;

/** A control that tells when somebody waits for it to change. */
class WaitedFor extends RunControl {
  #tell = (): void => {};
  readonly isWaitedFor = new Promise<void>((resolve) => {
    this.#tell = resolve;
  });

  override async changed(signal?: AbortSignal): Promise<void> {
    this.#tell();
    await super.changed(signal);
  }
}

/** Names of stored data and manifests. */
function storedData(storage: MemoryStorage): string[] {
  return [...storage.objects.keys()].filter((name) => /\/(data|backups)\//.test(name));
}

describe('importJsonLines', () => {
  for (const name of truthNames().filter((fixture) => !fixture.includes('nocomp'))) {
    test(`takes back the lines of ${name} as they are`, async () => {
      const { lines } = decodeDump(loadRdb(name));
      const taken = await take(lines);
      assert.deepEqual(digestLines(taken.lines), digestLines(lines));
      assert.deepEqual(sortedLines(taken.lines), sortedLines(lines));
    });
  }

  test('takes back the lines of relics', async () => {
    for (const { file, name } of relics()) {
      const { lines } = decodeDump(file);
      if (lines.length === 0) continue;
      const taken = await take(lines);
      assert.deepEqual(sortedLines(taken.lines), sortedLines(lines), name);
    }
  });

  for (const name of ['redis-8.6.3', 'redis-7.2.6.lru', 'valkey-9.1.2.lfu', 'keydb-6.3.4']) {
    test(`takes the lines of ${name} written in another way`, async () => {
      const { lines } = decodeDump(loadRdb(name));
      const random = new SeededRandom(name.length);
      const taken = await take(varyLines(lines, random));
      assert.deepEqual(digestLines(taken.lines), digestLines(lines));
      const expected = fromJsonLines(lines);
      const found = fromJsonLines(taken.lines, { canonical: true });
      assert.deepEqual(diffModels(expected, found), []);
    });
  }

  test('makes backups in which verification finds nothing, and says what they are', async () => {
    const { lines } = decodeDump(loadRdb('valkey-9.1.2'));
    const { repository, report } = await take(lines);
    const { manifest } = report;
    const verified = await verifyBackup(repository, report.source.id, report.id, {});
    assert.deepEqual(verified.findings, []);
    assert.equal(manifest.consistency, 'fuzzy');
    assert.equal(manifest.totals.keys, fromJsonLines(lines).keys.size);
    assert.equal(manifest.shards[0]?.rdb, null);
    assert.equal(report.receivedBytes, lines.length);
  });

  test('reads gzip, zstd of many frames, standard input, and data files of a repository', async () => {
    const { lines } = decodeDump(loadRdb('redis-7.2.6.lfu'));
    const half = lines.indexOf('\n', lines.length / 2) + 1;
    const parts = [lines.subarray(0, half), lines.subarray(half)];
    const expected = sortedLines(lines);
    for (const compress of [gzipSync, zstdCompressSync]) {
      const compressed = Buffer.concat(parts.map((part) => compress(part)));
      assert.deepEqual(sortedLines((await take(compressed)).lines), expected, compress.name);
      const stdin = Readable.from([compressed.subarray(0, 3), compressed.subarray(3)], {
        objectMode: false,
      });
      assert.deepEqual(sortedLines((await take('', { files: ['-'], stdin })).lines), expected);
    }
    const { repository, report } = await take(lines);
    const stored = report.manifest.files.filter(({ kind }) => kind === 'entries');
    const contents = stored.map(async ({ name }) => fileOf(await repository.storage.read(name)));
    const again = await take('', { files: await Promise.all(contents) });
    assert.deepEqual(sortedLines(again.lines), expected);
  });

  test('makes several files one shard', async () => {
    const paths = [fileOf(line('a', '1')), fileOf(line('b', '2').trim()), fileOf(line('c', '3'))];
    const { report, lines } = await take('', { files: paths });
    assert.equal(report.manifest.shards.length, 1);
    assert.deepEqual([...fromJsonLines(lines).keys.keys()].length, 3);
  });

  test('keeps what is selected, and checks the rest too', async () => {
    const content = line('a', '1') + line('b', '2') + line('ab', '3');
    const selection = { match: [Buffer.from('a*')] };
    const { report, lines } = await take(content, { selection });
    assert.equal(report.manifest.totals.keys, 2);
    assert.deepEqual(report.manifest.selection.match, ['a*']);
    assert.equal(lines.toString().includes('"b"'), false);
    await assert.rejects(take(`${content}{"key":"zzz"}\n`, { selection }), /line 4 of/);
    assert.equal((await take(line('b', '1'), { selection })).report.manifest.totals.keys, 0);
  });

  test('refuses a key that comes twice, in one file or in two', async () => {
    const twice = line('a', '1') + line('b', '2') + line('a', '3');
    await assert.rejects(take(twice), {
      code: 'JSONL_INVALID',
      key: '"a"',
      message: /"a" of database 0 twice: line 1 of .* has it, and line 3 of/,
    });
    const paths = [fileOf(line('a', '1')), fileOf(line('b', '2') + line('a', '1'))];
    const places = `line 1 of ${paths[0]} has it, and line 2 of ${paths[1]}`;
    await assert.rejects(take('', { files: paths }), { message: new RegExp(`${places}$`) });
    const other = line('a', '1').replace('{', '{"db":1,');
    assert.equal((await take(line('a', '1') + other)).report.manifest.totals.keys, 2);
  });

  test('leaves nothing listed and no file behind when a line is wrong', async () => {
    const storage = new MemoryStorage();
    const repository = await openRepository(storage, { mode: 'write' });
    const content = `${line('a', '1')}\n{"key":"b","type":"list","value":[]}\n`;
    const request = { repository, sourceName: 'x', files: [fileOf(content)] };
    await assert.rejects(importFiles(request), {
      code: 'JSONL_INVALID',
      message: /Cannot read line 3 of .*: a list without elements \(byte \d+\)$/,
    });
    assert.deepEqual(storedData(storage), []);
  });

  test('refuses files that end early', async () => {
    const { lines } = decodeDump(loadRdb('redis-7.2.6.lfu'));
    const cut = lines.subarray(0, lines.length - 20);
    await assert.rejects(take(cut), { code: 'JSONL_INVALID' });
    for (const compress of [gzipSync, zstdCompressSync]) {
      const compressed = compress(lines);
      const short = compressed.subarray(0, compressed.length - 20);
      await assert.rejects(take(short), { code: 'SOURCE_GARBAGE' }, compress.name);
    }
    const parts = '{"key":"k","type":"list","part":0,"more":true,"value":["a"]}\n';
    await assert.rejects(take(parts), { message: /begins in line 1 is not complete/ });
  });

  test('ends at once when it is interrupted, also while it waits for a pipe', async () => {
    for (const content of [line('a', '1'), gzipSync(line('a', '1')).subarray(0, 20)]) {
      const storage = new MemoryStorage();
      const repository = await openRepository(storage, { mode: 'write' });
      const abort = new AbortController();
      let isWaiting = (): void => {};
      const waits = new Promise<void>((resolve) => {
        isWaiting = resolve;
      });
      const stdin = new Readable({
        read() {
          isWaiting();
        },
      });
      stdin.push(content);
      const request: ImportRequest = { repository, sourceName: 'x', files: ['-'], stdin };
      const running = importFiles({ ...request, format: 'jsonl', signal: abort.signal });
      await waits;
      abort.abort();
      await assert.rejects(running, { code: 'INTERRUPTED' });
      assert.deepEqual(storedData(storage), []);
      assert.ok(stdin.destroyed);
    }
  });
});

describe('importJsonLines under control', () => {
  test('waits while it is paused, and is interrupted while it waits', async () => {
    const control = new WaitedFor({ paused: true });
    const content = line('a', '1');
    const running = take(content, { control });
    await control.isWaitedFor;
    control.change({ paused: false });
    assert.equal((await running).report.manifest.totals.keys, 1);
    const abort = new AbortController();
    control.change({ paused: true });
    const paused = take(content, { control, signal: abort.signal });
    setImmediate(() => abort.abort());
    await assert.rejects(paused, { code: 'INTERRUPTED' });
  });
});

describe('importFiles', () => {
  test('makes compressed RDB files the shards of a backup', async () => {
    const [a, b] = [loadRdb('redis-7.0.15.cluster'), loadRdb('valkey-9.1.2.cluster')];
    const paths = [fileOf(gzipSync(a)), fileOf(zstdCompressSync(b))];
    const { report, lines } = await take('', { files: paths });
    assert.equal(report.manifest.shards.length, 2);
    assert.equal(report.manifest.consistency, 'point-in-time');
    const expected = Buffer.concat([decodeDump(a).lines, decodeDump(b).lines]);
    assert.deepEqual(sortedLines(lines), sortedLines(expected));
    const stdin = Readable.from([gzipSync(a)], { objectMode: false });
    const piped = await take('', { files: ['-'], stdin });
    assert.deepEqual(sortedLines(piped.lines), sortedLines(decodeDump(a).lines));
    const half = gzipSync(a);
    await assert.rejects(take(half.subarray(0, half.length >> 1)), { code: 'SOURCE_GARBAGE' });
  });

  test('refuses formats that are mixed or unknown, and says which', async () => {
    const rdb = fileOf(loadRdb('redis-7.0.15.cluster'));
    const lines = fileOf(line('a', '1'));
    await assert.rejects(take('', { files: [rdb, lines] }), {
      code: 'USAGE',
      message: /rdb.*jsonl/,
    });
    await assert.rejects(take('', { files: [] }), { code: 'USAGE' });
    const unsupported: [string, RegExp][] = [
      ['', /it is empty/],
      [' \n\n', /it is empty/],
      ['PK\u0003\u0004', /neither as RDB nor as JSON Lines/],
      ['[{"key":"a"}]', /neither as RDB nor as JSON Lines/],
      ['*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n', /it is an AOF file/],
    ];
    for (const [content, message] of unsupported) {
      await assert.rejects(take(content), { code: 'SOURCE_UNSUPPORTED', message });
    }
    await assert.rejects(take('[]', { format: 'jsonl' }), { code: 'JSONL_INVALID' });
    await assert.rejects(take('', { format: 'jsonl' }), { message: /there are no entries in it/ });
    await assert.rejects(take('', { format: 'rdb' }), { code: 'RDB_TRUNCATED' });
    await assert.rejects(take('{', { format: 'rdb' }), { code: 'RDB_TRUNCATED' });
  });

  test('refuses folders and files that are not there or cannot be read', async () => {
    await assert.rejects(take('', { files: [folder] }), { code: 'USAGE', message: /a folder/ });
    const aof = join(folder, 'appendonlydir');
    mkdirSync(aof);
    writeFileSync(join(aof, 'appendonly.aof.manifest'), '');
    const message = /it is an AOF folder/;
    await assert.rejects(take('', { files: [aof] }), { code: 'SOURCE_UNSUPPORTED', message });
    const missing = join(folder, 'missing');
    await assert.rejects(take('', { files: [missing] }), { code: 'USAGE', message: /ENOENT/ });
    await assert.rejects(take('', { files: ['/proc/self/mem'] }), { code: 'SOURCE_LOST' });
    await assert.rejects(take('', { files: ['-'] }), { code: 'USAGE', message: /there is none/ });
  });
});
