import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../cli/run-tidemark.ts';
import { checkAfterwards, fillForKills, killOneBackup } from '../hostile/killed-backups.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';

const SEED = Number(process.env['SOAK_SEED'] ?? 20261122);
const KILLS = Math.ceil(200 * Number(process.env['SOAK_SCALE'] ?? 1));
const PER_REPOSITORY = 20;
/** About the life of one backup on a slow machine. */
const LONGEST_MS = 1200;

for (const name of ['redis-6.0', 'redis-7.0', 'valkey-9'] as const) {
  const kills = Math.ceil(KILLS / 3);
  test(`${kills} backups of ${name} killed at random moments, seed ${SEED}`, async (t) => {
    const binary = findServer(name);
    if (binary === undefined) return notRun(t, name, whyMissing(name));
    await using server = await startServer(binary);
    await fillForKills(server.url);
    const random = new SeededRandom(SEED);
    let killed = 0;
    for (let i = 0; i < kills; i += PER_REPOSITORY) {
      const repo = join(temporaryFolder(t), 'repo');
      for (let n = i; n < Math.min(kills, i + PER_REPOSITORY); n++) {
        if ((await killOneBackup(server.url, repo, random, LONGEST_MS)) === 'killed') killed++;
      }
      await checkAfterwards(server.url, repo);
    }
    t.diagnostic(`${killed} of ${kills} were killed before their end`);
    assert.ok(killed > kills / 4 && killed < kills);
  });
}
