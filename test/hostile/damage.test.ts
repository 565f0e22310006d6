import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CodedError } from '../../src/base/index.ts';
import { decodeDump } from '../fidelity/dump-lines.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { loadRdb, truthNames } from '../support/truth.ts';
import { runCases } from './case-runs.ts';

const SERVER = 'redis-7.0';

/** Parts of what test/soak/hostile.soak.ts does in full. */
describe('damaged input ends in the truth or a coded error', () => {
  test('1500 damaged RDBs', async (t) => {
    const { cases, ends } = await runCases('rdb', '--seed', '11', '--count', '1500');
    t.diagnostic(JSON.stringify(ends));
    assert.equal(cases, 1500);
    assert.ok((ends['ok'] ?? 0) > 0 && (ends['RDB_CORRUPT'] ?? 0) > 0);
  });

  test('60 damaged repositories, some of them restored', async (t) => {
    const binary = findServer(SERVER);
    if (binary === undefined) return notRun(t, SERVER, whyMissing(SERVER));
    await using server = await startServer(binary);
    const args = ['--seed', '11', '--count', '60', '--to', server.url, '--every', '10'];
    const { cases, ends } = await runCases('repository', ...args);
    t.diagnostic(JSON.stringify(ends));
    assert.equal(cases, 60);
    assert.ok((ends['found by verify'] ?? 0) > 10);
  });

  test('fixtures that end early, at the places where structure is and some others', () => {
    const random = new SeededRandom(11);
    for (const name of truthNames().slice(0, 12)) {
      const file = loadRdb(name);
      const sizes = [0, 1, 5, 8, 9, 10, file.length - 9, file.length - 8, file.length - 1];
      for (let i = 0; i < 8; i++) sizes.push(random.below(Math.min(file.length, 64 << 10)));
      for (const size of sizes) {
        assert.throws(
          () => decodeDump(file.subarray(0, size), { batchBytes: 4096 }),
          (error) => error instanceof CodedError && error.code === 'RDB_TRUNCATED',
          `${name} cut to ${size} bytes`,
        );
      }
    }
  });
});
