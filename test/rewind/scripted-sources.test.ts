import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRepository } from '../../src/repository/index.ts';
import { DirectoryStorage } from '../../src/storage/index.ts';
import { temporaryFolder, tidemark } from '../cli/run-tidemark.ts';
import { readLive } from '../support/live-reader.ts';
import { serverProgram } from '../support/server-program.ts';
import { findServer, notRun, startServer, whyMissing } from '../support/servers.ts';
import { loadPsync } from '../support/truth.ts';
import { fixtureRecording } from './fixture-recording.ts';
import { storeRecording } from './recorded-log.ts';

const SERVER = 'redis-7.0';

test('scripts as Redis 4.0 sends them are refused, or end with exit 4', async (t) => {
  if (findServer(SERVER) === undefined) return notRun(t, SERVER, whyMissing(SERVER));
  const repo = join(temporaryFolder(t), 'repo');
  const repository = await openRepository(new DirectoryStorage(repo), { mode: 'write' });
  const truth = loadPsync('redis-4.0.14.psync');
  await storeRecording(repository, fixtureRecording(truth));
  await using target = await startServer(SERVER);
  const restore = ['restore', '--at', 'latest', '--to', target.url, '--repo', repo, '--yes'];
  const command = [...restore, '--sandbox-server', serverProgram(SERVER)];
  const refused = await tidemark(command);
  assert.equal(refused.status, 3, refused.stderr);
  assert.match(refused.stderr, /EVAL/);
  assert.equal((await readLive(target.url)).keys.size, 0);

  const allowed = await tidemark([...command, '--allow-inexact']);
  assert.equal(allowed.status, 4, allowed.stderr);
  assert.match(`${allowed.stdout}${allowed.stderr}`, /EVAL/);
  assert.equal((await readLive(target.url)).keys.size, truth.afterStream.keys.size);
});
