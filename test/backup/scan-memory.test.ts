import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { RespPipe } from '../support/resp-pipe.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';

/** Size of the large hash; the limit is the same for any. */
const MIB = Number(process.env['SCAN_HASH_MIB'] ?? 24);
const LIMIT_BYTES = 512 << 20;
const VALUE_BYTES = 1024;
const BATCH = 500;
const NAME = 'redis-7.0';

describe('a backup by SCAN', () => {
  test('reads a large hash in parts, in bounded memory', async (t) => {
    const binary = findServer(NAME);
    if (binary === undefined) return notRun(t, NAME, whyMissing(NAME));
    await using server = await startServer(binary);
    const pipe = await RespPipe.open(server.url);
    const random = new SeededRandom(31);
    const fields = Math.floor((MIB << 20) / VALUE_BYTES);
    for (let i = 0; i < fields; i += BATCH) {
      const args: (string | Buffer)[] = [];
      for (let n = i; n < Math.min(fields, i + BATCH); n++) {
        args.push(`field:${n}`, random.bytes(VALUE_BYTES));
      }
      pipe.pipe('HSET', 'big', ...args);
      await pipe.done();
    }
    pipe.pipe('CONFIG', 'RESETSTAT');
    await pipe.done();
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-scan-memory-'));
    try {
      const script = fileURLToPath(new URL('./scan-measured.ts', import.meta.url));
      const run = promisify(execFile)(process.execPath, [script, server.url, folder]);
      const measured = JSON.parse((await run).stdout);
      t.diagnostic(JSON.stringify(measured));
      assert.equal(measured.keys, 1);
      assert.ok(measured.rawBytes > MIB << 20);
      assert.deepEqual(measured.notices, []);
      assert.ok(measured.peakBytes < LIMIT_BYTES, `${measured.peakBytes} bytes`);
      const info = String(await pipe.call('INFO', 'commandstats'));
      const dumps = /cmdstat_dump:calls=(\d+)/.exec(info)?.[1];
      assert.equal(dumps, '1', 'DUMP was tried once, of no key, and not used');
    } finally {
      pipe.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
