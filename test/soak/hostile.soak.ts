import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CodedError } from '../../src/base/index.ts';
import { decodeDump } from '../fidelity/dump-lines.ts';
import { runCases } from '../hostile/case-runs.ts';
import { relics } from '../support/relic-builder.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';
import { loadRdb, truthNames } from '../support/truth.ts';

const SEED = process.env['SOAK_SEED'] ?? '20261122';
const SCALE = Number(process.env['SOAK_SCALE'] ?? 1);
const RDBS = Math.ceil(100_000 * SCALE);
const REPOSITORIES = Math.ceil(10_000 * SCALE);
const SERVER = 'redis-8.0';
/** Every byte of a larger dump would take hours. */
const SMALL_BYTES = 64 << 10;

function assertTruncated(name: string, file: Buffer): void {
  for (let size = 0; size < file.length; size++) {
    try {
      decodeDump(file.subarray(0, size), { batchBytes: 1 << 16 });
      assert.fail(`${name} cut to ${size} bytes is taken for whole`);
    } catch (error) {
      const isRight = error instanceof CodedError && error.code === 'RDB_TRUNCATED';
      if (!isRight) throw new Error(`${name} cut to ${size} bytes`, { cause: error });
    }
  }
}

describe(`hostile input in full, seed ${SEED}`, () => {
  test(`${RDBS} damaged RDBs`, async (t) => {
    const run = await runCases('rdb', '--seed', SEED, '--count', String(RDBS));
    t.diagnostic(JSON.stringify(run));
    assert.equal(run.cases, RDBS);
  });

  test(`${REPOSITORIES} damaged repositories`, async (t) => {
    const binary = findServer(SERVER);
    if (binary === undefined) return notRun(t, SERVER, whyMissing(SERVER));
    await using server = await startServer(binary);
    const args = ['--seed', SEED, '--count', String(REPOSITORIES), '--to', server.url];
    const run = await runCases('repository', ...args, '--every', '20');
    t.diagnostic(JSON.stringify(run));
    assert.equal(run.cases, REPOSITORIES);
  });

  for (const name of truthNames()) {
    const file = loadRdb(name);
    if (file.length > SMALL_BYTES) continue;
    test(`${name} cut at each of its ${file.length} bytes`, () => assertTruncated(name, file));
  }

  test('every relic cut at each of its bytes', () => {
    for (const { name, file } of relics()) assertTruncated(name, file);
  });
});
