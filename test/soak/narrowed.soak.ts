import { describe, test } from 'node:test';
import { proveNarrowed } from '../rewind/narrowed-proof.ts';
import { findServer, notRun, SERVER_NAMES, whyMissing } from '../support/servers.ts';

/**
 * Selected keys with what they need alone, beside everything: `SEED=7 ROUNDS=10 SELECTIONS=20
 * COMMANDS=400 node --test test/soak/narrowed.soak.ts`. The commands of a seed are the same each
 * time, but for absolute times.
 */
const SEED = Number(process.env['SEED'] ?? 1);
const ROUNDS = Number(process.env['ROUNDS'] ?? 5);
const SELECTIONS = Number(process.env['SELECTIONS'] ?? 10);
const COMMANDS = Number(process.env['COMMANDS'] ?? 300);

describe('selected keys are the same when only what they need is replayed', () => {
  for (const [index, name] of SERVER_NAMES.entries()) {
    test(`on ${name}, ${ROUNDS} workloads, ${SELECTIONS} selections of each`, async (t) => {
      if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
      for (let round = 0; round < ROUNDS; round++) {
        const seed = (SEED * 100 + round) * 10 + index;
        const plan = { seed, commands: COMMANDS, selections: SELECTIONS };
        t.diagnostic(JSON.stringify(await proveNarrowed(name, plan)));
      }
    });
  }
});
