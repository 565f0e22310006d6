import assert from 'node:assert/strict';
import { digestModel, readLive } from '../support/live-reader.ts';
import type { Model } from '../support/model.ts';
import { type ServerName, startServer } from '../support/servers.ts';
import { diffModels } from '../support/truth.ts';
import { WriteLoad } from '../support/write-load.ts';
import { backUpScene, emptyServer, restoreTo } from '../restore/scene.ts';

/**
 * Backs a server up while it is written to, and restores it to another: what arrives is the state
 * after one single operation, one that had run between the backup's beginning and its end.
 */
export async function provePair(from: ServerName, to: ServerName, seed: number): Promise<void> {
  await using source = await startServer(from);
  await using target = await startServer(to);
  const load = await WriteLoad.start(source.url, { seed, operationsPerSecond: 3000 });
  try {
    await load.reached(3000);
    const begun = load.operations;
    const scene = await backUpScene(source.url);
    const done = load.operations;
    await load.reached(done + 500);
    const report = await restoreTo(scene, target.url);
    assert.equal(
      report.totals.restored,
      report.totals.selected,
      JSON.stringify(report.problems[0]),
    );

    const restored = await readLive(target.url);
    const operation = load.identify(restored);
    // The batch under way when the snapshot was taken may be answered later.
    assert.ok(operation >= begun, `operation ${operation} of at least ${begun}`);
    assert.ok(operation <= done + 50, `operation ${operation} of at most ${done + 50}`);
    const expected = load.expectedAt(operation);
    assert.deepEqual(diffModels(expected, restored, { nullAgrees: true, times: 'ignore' }), []);

    const before = digestModel(exact(restored));
    const again = await restoreTo(scene, target.url);
    assert.equal(again.totals.unchanged, report.totals.selected);
    assert.equal(digestModel(exact(await readLive(target.url))), before);
    await emptyServer(target.url);
  } finally {
    await load.stop();
  }
}

/** Without the expiries that a server before 7.0 only lets compute. */
function exact(model: Model): Model {
  if (model.expiryToleranceMs === undefined) return model;
  const keys = [...model.keys].map(([id, key]) => [id, { ...key, expireAt: null }] as const);
  return { ...model, keys: new Map(keys) };
}
