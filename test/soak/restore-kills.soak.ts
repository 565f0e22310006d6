import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KillProof, POLICIES } from '../restore/resume-proof.ts';

const KILLS = Number(process.env['TIDEMARK_KILLS'] ?? 200);
const SEED = Number(process.env['TIDEMARK_SEED'] ?? Date.now() % 1e9);

test(`restores survive ${KILLS} kills under every policy (seed ${SEED})`, async (t) => {
  await using proof = await KillProof.create(SEED, 8000);
  let kills = 0;
  for (let round = 0; kills < KILLS; round++) {
    assert.ok(round < KILLS * 4, `only ${kills} kills hit a restore in ${round} rounds`);
    kills += await proof.round(POLICIES[round % POLICIES.length]);
  }
  t.diagnostic(`${kills} kills: ${JSON.stringify(proof.seen)}`);
  assert.ok(proof.seen.unfinishedBlocks > 0 && proof.seen.changedKeys > 0);
});
