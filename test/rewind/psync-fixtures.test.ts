import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findServer, notRun, whyMissing } from '../support/servers.ts';
import { loadPsync, psyncNames } from '../support/truth.ts';
import { sandboxFor } from './fixture-recording.ts';
import { proveFixture } from './psync-fixture-proof.ts';

/** What differs most between versions; test/soak/rewind.soak.ts replays all. */
const REPLAYED = ['redis-4.0', 'redis-6.2', 'redis-7.4', 'redis-8.6', 'valkey-9.1', 'keydb-6.3'];

describe('a recorded replication link, replayed', () => {
  const names = psyncNames();
  test('is there for fifteen versions', () => {
    const versions = new Set(names.map((name) => loadPsync(name).server));
    assert.equal(versions.size, 15, [...versions].join(' '));
  });

  for (const version of REPLAYED) {
    const name = names.find((candidate) => candidate.startsWith(version)) ?? version;
    const { sandbox } = sandboxFor(loadPsync(name));
    test(`${name} gives in ${sandbox} what its own replica held`, async (t) => {
      if (findServer(sandbox) === undefined) return notRun(t, sandbox, whyMissing(sandbox));
      await proveFixture(name);
    });
  }
});
