import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { proveDamagedLogs } from '../rewind/damaged-log-proof.ts';
import { allWays, proveInstants } from '../rewind/differential-proof.ts';
import { proveFixture } from '../rewind/psync-fixture-proof.ts';
import { sandboxFor } from '../rewind/fixture-recording.ts';
import { proveRunningLoad } from '../rewind/running-load-proof.ts';
import { findServer, notRun, SERVER_NAMES, whyMissing } from '../support/servers.ts';
import { loadPsync, psyncNames } from '../support/truth.ts';

/**
 * The differential test in full: `SEED=7 INSTANTS=50 COMMANDS=600 node --test
 * test/soak/rewind.soak.ts`. The commands of a seed are the same each time, but for absolute times.
 */
const SEED = Number(process.env['SEED'] ?? 1);
const INSTANTS = Number(process.env['INSTANTS'] ?? 50);
const COMMANDS = Number(process.env['COMMANDS'] ?? 600);
const FULL_EVERY_MS = 5000;
const DAMAGES = 5000;

describe('every instant of a long workload equals its truth', () => {
  for (const [index, name] of SERVER_NAMES.entries()) {
    test(`on ${name}, ${INSTANTS} instants, by every way`, async (t) => {
      if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
      const compared = await proveInstants(name, {
        seed: SEED * 100 + index,
        instants: INSTANTS,
        commands: COMMANDS,
        fullEveryMs: FULL_EVERY_MS,
        ways: allWays,
      });
      t.diagnostic(JSON.stringify(compared));
    });
  }
});

describe('every instant of a load that never pauses is the state after one operation', () => {
  for (const [index, name] of SERVER_NAMES.entries()) {
    test(`on ${name}, ${INSTANTS} instants`, async (t) => {
      if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
      const seed = SEED * 100 + index;
      const load = { lastsMs: 20_000, operationsPerSecond: 1000 };
      const proved = await proveRunningLoad(name, { seed, instants: INSTANTS, ...load });
      t.diagnostic(JSON.stringify(proved));
    });
  }
});

describe('every recorded replication link, replayed', () => {
  for (const name of psyncNames()) {
    test(`${name} gives what its own replica held`, async (t) => {
      const { sandbox } = sandboxFor(loadPsync(name));
      if (findServer(sandbox) === undefined) return notRun(t, sandbox, whyMissing(sandbox));
      await proveFixture(name);
    });
  }
});

test(`${DAMAGES} damaged logs give the true stream or a coded error`, async (t) => {
  const { cases, ends } = await proveDamagedLogs(SEED, DAMAGES);
  t.diagnostic(JSON.stringify(ends));
  assert.equal(cases, DAMAGES);
});
