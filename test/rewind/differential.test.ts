import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findServer, notRun, type ServerName, whyMissing } from '../support/servers.ts';
import { proveInstants } from './differential-proof.ts';
import type { WayName } from './rewind-ways.ts';

/** What is tried of each version; test/soak/rewind.soak.ts tries everything with all. */
const TRIED: readonly (readonly [ServerName, readonly (readonly WayName[])[]])[] = [
  ['redis-6.0', [['byReplacing'], [], ['bySandbox']]],
  ['redis-7.0', [['byAof'], ['bySandbox'], ['byReplacing']]],
  ['redis-8.0', [['byNewBackup'], ['bySandbox'], ['bySelection']]],
  ['valkey-8', [['byRestore'], ['bySandbox'], ['byReplacing']]],
  ['valkey-9', [['byAof'], ['byNewBackup'], ['bySandbox']]],
];

/** Short, so that instants have bases in the middle of the log. */
const FULL_EVERY_MS = 700;

describe('an instant of a captured workload equals its truth', { concurrency: 3 }, () => {
  for (const [index, [name, ways]] of TRIED.entries()) {
    test(`on ${name}, by ${ways.flat().join(', ')}`, async (t) => {
      if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
      const compared = await proveInstants(name, {
        seed: 31 + index,
        instants: ways.length,
        commands: 300,
        fullEveryMs: FULL_EVERY_MS,
        ways: (instant) => ways[instant] ?? [],
      });
      t.diagnostic(JSON.stringify(compared));
      assert.ok(compared.keys > 100 && compared.failed < compared.commands / 3);
    });
  }
});
