import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { StreamScanner } from '../../src/commands/index.ts';
import { readLogStream, type SegmentPiece } from '../../src/repository/index.ts';
import { verifyLog } from '../../src/verify/index.ts';
import { readSample, type SampleLog, sampleLog, storeSample } from '../fakes/sample-log.ts';
import { withoutClientTraces } from '../support/instant-truth.ts';
import { readLive } from '../support/live-reader.ts';
import type { Model } from '../support/model.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';
import { diffModels, loadPsync, psyncNames, type PsyncTruth } from '../support/truth.ts';

/** Where the stream of a fixture can be divided. */
function cutsOf(stream: Buffer, offset: number): { offset: number; database: number }[] {
  const scanner = new StreamScanner({ offset, database: 0 });
  const cuts = [{ offset, database: 0 }];
  for (let at = 0; at < stream.length; at++) {
    scanner.push(stream, at, at + 1);
    const { cut, cutDatabase: database } = scanner;
    if (cut > cuts[cuts.length - 1].offset) cuts.push({ offset: cut, database });
  }
  return cuts;
}

/** As it arrived, from one offset to another. */
function piecesOf(truth: PsyncTruth, from: number, to: number): SegmentPiece[] {
  const [start] = truth.layout.stream;
  const pieces: SegmentPiece[] = [];
  let at = from;
  for (const [received, atMs] of truth.receiveTimes) {
    const end = Math.min(to, received - start + truth.startOffset);
    if (end <= at) continue;
    const base = start - truth.startOffset;
    pieces.push({ bytes: truth.bytes.subarray(base + at, base + end), atMs });
    at = end;
  }
  assert.equal(at, to);
  return pieces;
}

/** The recorded stream as three segments. */
async function storeFixture(truth: PsyncTruth): Promise<{ log: SampleLog; names: string[] }> {
  const log = await sampleLog(truth.startOffset);
  const cuts = cutsOf(truth.bytes.subarray(...truth.layout.stream), truth.startOffset);
  assert.equal(cuts[cuts.length - 1].offset, truth.finalOffset);
  const names: string[] = [];
  const seams = [0, Math.floor(cuts.length / 3), Math.floor((cuts.length * 2) / 3)];
  for (const [i, seam] of seams.entries()) {
    const { offset: startOffset, database } = cuts[seam];
    const end = cuts[seams[i + 1] ?? cuts.length - 1].offset;
    const pieces = piecesOf(truth, startOffset, end);
    names.push((await storeSample(log, { startOffset, database, pieces })).name);
  }
  return { log, names };
}

/** What `zstd -dc` makes of a stored segment. */
function decompressed({ storage }: SampleLog, name: string): Buffer {
  const { bytes } = storage.objects.get(name)!;
  return execFileSync('zstd', ['-dc'], { input: bytes, maxBuffer: 64 << 20 });
}

describe('segments of recorded streams', () => {
  for (const name of psyncNames()) {
    test(`give back ${name}`, async () => {
      const truth = loadPsync(name);
      const { log } = await storeFixture(truth);
      const { repository, source } = log;
      const lineage = await readSample(log);
      const [from, to] = [truth.startOffset, truth.finalOffset];
      const read: Buffer[] = [];
      for await (const { bytes } of readLogStream(repository, lineage, from, to)) read.push(bytes);
      assert.ok(Buffer.concat(read).equals(truth.bytes.subarray(...truth.layout.stream)));
      assert.deepEqual((await verifyLog(repository, source)).findings, []);
    });
  }
});

describe('a plain redis-server', () => {
  for (const [fixture, server] of [
    ['redis-7.0.15.psync', 'redis-7.0'],
    ['valkey-8.1.1.psync', 'valkey-8'],
  ] as const) {
    test(`loads the segments of ${fixture} after zstd -dc`, async (t) => {
      const binary = findServer(server);
      if (binary === undefined) return notRun(t, server, whyMissing(server));
      const truth = loadPsync(fixture);
      const { log, names } = await storeFixture(truth);
      const dir = folderOf(t);
      const aof = join(dir, 'appendonlydir');
      mkdirSync(aof);
      const manifest = ['file base.rdb seq 1 type b'];
      writeFileSync(join(aof, 'base.rdb'), truth.bytes.subarray(...truth.layout.rdb));
      for (const [i, name] of names.entries()) {
        const text = decompressed(log, name);
        assert.match(
          text.toString('latin1', 0, 60),
          /^\*2\r\n\$6\r\nSELECT\r\n.*\r\n.*\r\n#TS:\d+\r\n/,
        );
        writeFileSync(join(aof, `${i + 1}.aof`), text);
        manifest.push(`file ${i + 1}.aof seq ${i + 1} type i`);
      }
      writeFileSync(join(aof, 'appendonly.aof.manifest'), `${manifest.join('\n')}\n`);
      const tool = binary.runTool('check-aof', [join(aof, 'appendonly.aof.manifest')]);
      const said = execFileSync(tool.file, tool.args, { encoding: 'utf8', cwd: dir });
      assert.match(said, /All AOF files and manifest are valid/);
      await using running = await startServer(binary, { dir, config: { appendonly: 'yes' } });
      const found = withoutClientTraces(await readLive(running.url));
      const expected = withoutClientTraces(unexpired(truth.afterStream, Date.now()));
      assert.ok(expected.keys.size > 50);
      const options = { access: false, nullAgrees: true, idleConsumersMayMiss: true };
      assert.deepEqual(diffModels(expected, found, options), []);
    });
  }
});

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-segments-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Without what had expired when it was read: a server that starts from an AOF removes it. */
function unexpired(model: Model, nowMs: number): Model {
  const alive = [...model.keys].filter(([, { expireAt }]) => expireAt === null || expireAt > nowMs);
  return { ...model, keys: new Map(alive) };
}
