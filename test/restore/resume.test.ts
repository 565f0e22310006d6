import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findServer, notRun, whyMissing } from '../support/servers.ts';
import { KillProof, POLICIES } from './resume-proof.ts';

const SERVER = 'redis-7.0';
const KILLS = 6;

describe('tidemark restore --resume', () => {
  test('makes up for kills under every policy', { timeout: 300_000 }, async (t) => {
    if (findServer(SERVER) === undefined) return notRun(t, SERVER, whyMissing(SERVER));
    await using proof = await KillProof.create(20_261_122, 6000);
    let kills = 0;
    for (let round = 0; kills < KILLS || round < POLICIES.length; round++) {
      assert.ok(round < KILLS * 4, `only ${kills} kills hit a restore in ${round} rounds`);
      kills += await proof.round(POLICIES[round % POLICIES.length]);
    }
  });
});
