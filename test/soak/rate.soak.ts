import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type BackupReport, type BackupRequest, backUp } from '../../src/backup/index.ts';
import { parseAddress } from '../../src/redis/index.ts';
import { openRepository } from '../../src/repository/index.ts';
import { DirectoryStorage } from '../../src/storage/index.ts';
import { waitFor } from '../cli/run-tidemark.ts';
import { RespPipe } from '../support/resp-pipe.ts';
import {
  findServer,
  notRun,
  type RunningServer,
  type ServerName,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { WriteLoad } from '../support/write-load.ts';

const MIB = 1 << 20;
const SECONDS = Math.ceil(20 * Number(process.env['SOAK_SCALE'] ?? 1));
/** How long others may have to wait for a source that is being read slowly. */
const PATIENCE_MS = 30_000;
const VALUE_BYTES = 1000;

/** Data that takes so many bytes on the wire. */
async function fill(url: string, bytes: number): Promise<void> {
  const pipe = await RespPipe.open(url);
  await pipe.call('CONFIG', 'SET', 'rdbcompression', 'no');
  await pipe.call('DEBUG', 'POPULATE', String(Math.ceil(bytes / VALUE_BYTES)), 'key', '985');
  pipe.close();
}

/** The source's own clock, milliseconds. */
async function sourceTime(pipe: RespPipe): Promise<number> {
  const [seconds, micros] = (await pipe.call('TIME')) as unknown[];
  return Number(String(seconds)) * 1000 + Number(String(micros)) / 1000;
}

async function backUpTo(
  folder: string,
  server: RunningServer,
  request: Partial<BackupRequest>,
): Promise<BackupReport> {
  const storage = new DirectoryStorage(join(folder, 'repo'));
  const repository = await openRepository(storage, { mode: 'write' });
  return await backUp({
    repository,
    address: parseAddress(server.url),
    sourceName: 'rate',
    from: 'master',
    ...request,
  });
}

function folderFor(t: { after(fn: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-rate-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** 6.0 knows no rdb-only: there the source buffers for us what is written meanwhile. */
const SERVERS: readonly ServerName[] = ['redis-6.0', 'redis-7.0', 'redis-8.0', 'valkey-9'];

describe('a limited rate, at a source that is written to', () => {
  for (const name of SERVERS) {
    for (const rate of [4 * MIB, 16 * MIB]) {
      test(`${name} is read within 5 % of ${rate / MIB} MiB/s`, async (t) => {
        const binary = findServer(name);
        if (binary === undefined) return notRun(t, name, whyMissing(name));
        const config = { 'repl-diskless-sync': 'yes' };
        await using server = await startServer(binary, { config });
        await fill(server.url, rate * SECONDS);
        const load = await WriteLoad.start(server.url, { operationsPerSecond: 500 });
        const clock = await RespPipe.open(server.url);
        const samples: { readonly atMs: number; readonly bytes: number }[] = [];
        const asked: Promise<void>[] = [];
        const sample = async (bytes: number): Promise<void> => {
          samples.push({ atMs: await sourceTime(clock), bytes });
        };
        try {
          const report = await backUpTo(folderFor(t), server, {
            rateLimit: { bytesPerSecond: rate },
            onProgress: ({ phase, receivedBytes: bytes }) => {
              if (phase !== 'receiving' || bytes === 0) return;
              asked.push(sample(bytes));
            },
          });
          await Promise.all(asked);
          assert.deepEqual(report.notices, []);
        } finally {
          await load.stop();
          clock.close();
        }
        const [first] = samples;
        const last = samples[samples.length - 1];
        const measured = ((last.bytes - first.bytes) / (last.atMs - first.atMs)) * 1000;
        t.diagnostic(`${(measured / MIB).toFixed(3)} MiB/s in ${samples.length} samples`);
        assert.ok(Math.abs(measured / rate - 1) < 0.05, `${measured} instead of ${rate}`);
      });
    }
  }
});

describe('a slow backup gives way', () => {
  for (const name of SERVERS) {
    test(`${name} serves its replica again within ${PATIENCE_MS / 1000} s`, async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      const config = { 'repl-diskless-sync': 'yes' };
      await using server = await startServer(binary, { config });
      await fill(server.url, 100 * MIB);
      const replicaConfig = { replicaof: `127.0.0.1 ${server.port}` };
      await using replica = await startServer(binary, { config: replicaConfig });
      const isUp = async (): Promise<boolean> => {
        const pipe = await RespPipe.open(replica.url);
        const info = String(await pipe.call('INFO', 'replication'));
        pipe.close();
        return info.includes('master_link_status:up');
      };
      await waitFor('the replica', isUp, PATIENCE_MS);
      const received = Promise.withResolvers<void>();
      const backup = backUpTo(folderFor(t), server, {
        rateLimit: { bytesPerSecond: MIB },
        onProgress: ({ receivedBytes }) => receivedBytes > 0 && received.resolve(),
      });
      await received.promise;
      await replica.kill();
      // With what it had received it would go on where it was, without a transfer.
      rmSync(join(replica.dir, 'dump.rdb'), { force: true });
      await replica.start();
      await waitFor('the replica again', isUp, PATIENCE_MS);
      assert.match((await backup).notices.join(), /another replica waits/);
    });

    test(`${name} saves when asked to, within ${PATIENCE_MS / 1000} s`, async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      const config = { 'repl-diskless-sync': 'yes' };
      await using server = await startServer(binary, { config });
      await fill(server.url, 100 * MIB);
      const received = Promise.withResolvers<void>();
      const backup = backUpTo(folderFor(t), server, {
        rateLimit: { bytesPerSecond: MIB },
        onProgress: ({ receivedBytes }) => receivedBytes > 0 && received.resolve(),
      });
      await received.promise;
      const pipe = await RespPipe.open(server.url);
      const isTaken = async (): Promise<boolean> => {
        try {
          return String(await pipe.call('BGSAVE')).includes('started');
        } catch {
          return false;
        }
      };
      assert.equal(await isTaken(), false, 'the source saves although it has a child');
      await waitFor('the save', isTaken, PATIENCE_MS);
      pipe.close();
      assert.match((await backup).notices.join(), /asked the source to save/);
    });
  }
});
