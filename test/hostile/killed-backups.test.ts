import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../cli/run-tidemark.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';
import { checkAfterwards, fillForKills, killOneBackup } from './killed-backups.ts';

const SERVER = 'redis-7.0';
const KILLS = 5;

/** Five of what test/soak/backup-kills.soak.ts does two hundred times. */
test('backups that are killed leave nothing listed that does not verify', async (t) => {
  const binary = findServer(SERVER);
  if (binary === undefined) return notRun(t, SERVER, whyMissing(SERVER));
  await using server = await startServer(binary);
  await fillForKills(server.url);
  const repo = join(temporaryFolder(t), 'repo');
  const random = new SeededRandom(5);
  let killed = 0;
  for (let i = 0; i < KILLS; i++) {
    if ((await killOneBackup(server.url, repo, random, 600)) === 'killed') killed++;
  }
  assert.ok(killed > 0, 'every backup was faster than its kill');
  await checkAfterwards(server.url, repo);
});
