import assert from 'node:assert/strict';
import { readLive } from '../support/live-reader.ts';
import type { ServerBinary } from '../support/servers.ts';
import { loadTruth, truthNames } from '../support/truth.ts';
import { differences, expectedOf, reportedKeys } from './expected-fidelity.ts';
import { countKeys, emptyServer, fixtureScene, nonZero, restoreTo } from './scene.ts';

/** The fixtures with everything in them: one for each server version. */
export function mainFixtures(): string[] {
  return truthNames().filter((name) => /-\d+\.\d+\.\d+$/.test(name));
}

/**
 * Restores a fixture to an empty server twice: the first time it holds all that it can, the keys
 * that it cannot hold are named, the second time changes nothing.
 */
export async function proveFixture(name: string, url: string, target: ServerBinary): Promise<void> {
  await emptyServer(url);
  const truth = loadTruth(name);
  const scene = await fixtureScene(name);
  const expected = expectedOf(truth, target);
  const first = await restoreTo(scene, url);
  const live = await readLive(url);
  assert.deepEqual(differences(expected.model, live), [], `${name} to ${target.name}`);
  assert.deepEqual(sorted(reportedKeys(first, false)), sorted(expected.failed), 'failed keys');
  assert.deepEqual(sorted(reportedKeys(first, true)), sorted(expected.inexact), 'inexact keys');
  const expired = truth.model.keys.size - truth.loadedModel.keys.size;
  const held = expected.model.keys.size;
  assert.deepEqual(nonZero(first.totals), {
    selected: truth.model.keys.size,
    restored: held,
    ...(expired > 0 && { expired }),
    ...(expected.failed.size > 0 && { failed: expected.failed.size }),
    ...(expected.inexact.size > 0 && { inexact: expected.inexact.size }),
  });

  const keys = await countKeys(url);
  const second = await restoreTo(scene, url);
  assert.equal(second.totals.unchanged, held, JSON.stringify(second.totals));
  assert.equal(second.totals.restored + second.totals.renamed, 0);
  assert.equal(second.functions.unchanged, expected.model.functions?.length);
  assert.deepEqual(await countKeys(url), keys);
  assert.deepEqual(
    differences(live, await readLive(url)),
    [],
    'the second restore changed something',
  );
}

function sorted(names: ReadonlySet<string>): string[] {
  return [...names].sort();
}
