import assert from 'node:assert/strict';
import { readLive } from '../support/live-reader.ts';
import { type ServerBinary, startServer } from '../support/servers.ts';
import { loadTruth } from '../support/truth.ts';
import { differences, expectedOf, reportedKeys } from './expected-fidelity.ts';
import { type Exported, exportScene, pipeTo, targetOf, withLoaded } from './export-scene.ts';
import { fixtureScene, type Scene } from './scene.ts';

type Proof = {
  readonly name: string;
  readonly scene: Scene;
  readonly truth: ReturnType<typeof loadTruth>;
  readonly expected: ReturnType<typeof expectedOf>;
};

async function prepare(name: string, binary: ServerBinary): Promise<Proof> {
  const truth = loadTruth(name);
  const scene = await fixtureScene(name);
  return { name, scene, truth, expected: expectedOf(truth, binary) };
}

/** A fixture as RDB: check-rdb accepts it, the server loads it and holds all that it can. */
export async function proveRdb(name: string, binary: ServerBinary): Promise<void> {
  const proof = await prepare(name, binary);
  const exported = await exportScene(proof.scene, { format: 'rdb', target: targetOf(binary) });
  checkReport(proof, exported);
  await withLoaded(binary, exported.bytes, async (server) => {
    const live = await readLive(server.url);
    assert.deepEqual(differences(proof.expected.model, live), [], `${name} to ${binary.name}`);
  });
}

/** A fixture as commands, by both ways and twice: no reply is an error, the server holds all. */
export async function proveCommands(name: string, binary: ServerBinary): Promise<void> {
  const proof = await prepare(name, binary);
  for (const commands of [false, true]) {
    const exported = await exportScene(proof.scene, {
      format: 'resp',
      target: targetOf(binary),
      commands,
    });
    checkReport(proof, exported);
    await using server = await startServer(binary);
    for (const time of ['first', 'second']) {
      const { errors, replies } = await pipeTo(server, exported.bytes);
      assert.equal(errors, 0, `${name} to ${binary.name}, ${time} time`);
      assert.ok(replies >= exported.report.totals.written);
      const live = await readLive(server.url);
      assert.deepEqual(differences(proof.expected.model, live), [], `${name} to ${binary.name}`);
    }
  }
}

/** What cannot be held is named, and nothing else. */
function checkReport({ truth, expected }: Proof, { report }: Exported): void {
  const expired = truth.model.keys.size - truth.loadedModel.keys.size;
  assert.deepEqual(sorted(reportedKeys(report, false)), sorted(expected.failed), 'failed keys');
  assert.deepEqual(sorted(reportedKeys(report, true)), sorted(expected.inexact), 'inexact keys');
  assert.deepEqual(report.totals, {
    selected: truth.model.keys.size,
    written: expected.model.keys.size,
    expired,
    failed: expected.failed.size,
    inexact: expected.inexact.size,
  });
}

function sorted(names: ReadonlySet<string>): string[] {
  return [...names].sort();
}
