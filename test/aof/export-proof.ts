import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { parseExportTarget } from '../../src/restore/index.ts';
import { type AofExportReport, exportAof, feedPartsOf } from '../../src/rewind/index.ts';
import { memoryRepository, onServer } from '../restore/scene.ts';
import { fixtureRecording } from '../rewind/fixture-recording.ts';
import { storeRecording } from '../rewind/recorded-log.ts';
import { planFor } from '../rewind/rewind-to.ts';
import { withoutClientTraces } from '../support/instant-truth.ts';
import { readLive } from '../support/live-reader.ts';
import type { Model } from '../support/model.ts';
import {
  findServer,
  notRun,
  type ServerBinary,
  type ServerName,
  startServer,
  whyMissing,
} from '../support/servers.ts';
import { diffModels, type DiffOptions, loadPsync, type PsyncTruth } from '../support/truth.ts';
import { importedAof, testFolder } from './aof-scene.ts';

/** Says of the RDB of Valkey 9 that it is none, and of no other. */
const WRONG_CHECKER: ServerName = 'valkey-9';

const OPTIONS: DiffOptions = { access: false, nullAgrees: true, idleConsumersMayMiss: true };

/**
 * Of masters before 7.0 expiries count from the arrival of their command, which behind a diskless
 * transfer waited at the master for the recorder's acknowledgement.
 */
function optionsFor({ relativeTtl, framing }: PsyncTruth): DiffOptions {
  if (relativeTtl.length === 0) return OPTIONS;
  return { ...OPTIONS, expiryToleranceMs: framing === 'mark' ? 1000 : 100 };
}

async function exported(
  t: TestContext,
  fixture: string,
  target: string | undefined,
): Promise<{ readonly folder: string; readonly report: AofExportReport }> {
  const repository = await memoryRepository();
  const { source } = await storeRecording(repository, fixtureRecording(loadPsync(fixture)));
  const { plan } = await planFor({ repository, source }, 'latest');
  const folder = join(testFolder(t), 'appendonlydir');
  const report = await exportAof({
    parts: feedPartsOf(plan),
    recordedFrom: plan.server,
    folder,
    ...(target !== undefined && { target: parseExportTarget(target) }),
  });
  return { folder, report };
}

/** What a server shows that starts from the folder, on a copy: it writes there. */
async function startedFrom(t: TestContext, folder: string, binary: ServerBinary): Promise<Model> {
  const dir = testFolder(t);
  cpSync(folder, join(dir, 'appendonlydir'), { recursive: true });
  await using server = await startServer(binary, { dir, config: { appendonly: 'yes' } });
  await onServer(server.url, async (pipe) => {
    const deadline = Date.now() + 20_000;
    while (!/loading:0/.test(String(await pipe.call('INFO', 'persistence')))) {
      assert.ok(Date.now() < deadline, 'it loads too long');
    }
  });
  return await readLive(server.url);
}

/** Without what had expired when it was read. */
function unexpired(model: Model, readAtMs: number): Model {
  const isAlive = (expireAt: number | null): boolean => expireAt === null || expireAt > readAtMs;
  const keys = new Map([...model.keys].filter(([, { expireAt }]) => isAlive(expireAt)));
  return { ...model, keys };
}

/**
 * Exports a recorded link: the folder gives a server that loads it as a replica exactly what the
 * recorded server's own replica had, one that simply starts from it the same but for what has
 * expired, and its checker finds nothing wrong.
 */
export async function proveExport(
  t: TestContext,
  fixture: string,
  name: ServerName,
  target?: string,
): Promise<void> {
  const binary = findServer(name);
  if (binary === undefined) return notRun(t, name, whyMissing(name));
  const truth = loadPsync(fixture);
  const expected = withoutClientTraces(truth.afterStream);
  const options = optionsFor(truth);
  const { folder, report } = await exported(t, fixture, target);
  assert.ok(report.commands > 100, JSON.stringify(report));
  assert.deepEqual(report.translation?.inexact, {});

  const { model } = await importedAof(folder, name);
  assert.deepEqual(diffModels(expected, withoutClientTraces(model), options), []);

  const live = await startedFrom(t, folder, binary);
  const now = Date.now();
  const alive = [unexpired(expected, now), unexpired(withoutClientTraces(live), now)] as const;
  assert.deepEqual(diffModels(...alive, options), []);

  if (name === WRONG_CHECKER) return;
  const check = binary.runTool('check-aof', [join(folder, 'appendonly.aof.manifest')]);
  const said = execFileSync(check.file, check.args, { encoding: 'utf8', cwd: folder });
  assert.match(said, /All AOF files and manifest are valid/);
}
