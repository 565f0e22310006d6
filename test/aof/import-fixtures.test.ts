import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoded } from '../../src/base/index.ts';
import { findServer, notRun, whyMissing } from '../support/servers.ts';
import { aofNames, loadAof } from '../support/truth.ts';
import { importedAof, unpackAof } from './aof-scene.ts';
import { proveImport, sandboxFor } from './import-proof.ts';

/** All that begin with an RDB, and some of commands alone; the soak test does all. */
const PLAIN = ['redis-4.0.14', 'redis-5.0.14', 'redis-8.6.3', 'valkey-9.1.2', 'keydb-6.3.4'];

describe('importing a recorded AOF', () => {
  test('has those of fifteen versions, twice', () => assert.equal(aofNames().length, 30));

  for (const name of aofNames()) {
    const [, server = '', plain] = /^(.*)\.aofdir(-plain)?$/.exec(name) ?? [];
    if (plain !== undefined && !PLAIN.includes(server)) continue;
    test(`${name} gives what its own server read back`, (t) => proveImport(t, name));
  }

  for (const name of ['redis-4.0.14.aofdir', 'redis-5.0.14.aofdir-plain']) {
    test(`${name} is refused unless what is not exact is allowed`, async (t) => {
      const truth = loadAof(name);
      const sandbox = sandboxFor(truth);
      if (findServer(sandbox) === undefined) return notRun(t, sandbox, whyMissing(sandbox));
      await assert.rejects(importedAof(unpackAof(t, truth), sandbox), (error) =>
        isCoded(error, 'REPLAY_INEXACT'),
      );
    });
  }
});
