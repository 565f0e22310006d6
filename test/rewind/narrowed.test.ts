import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findServer, notRun, type ServerName, whyMissing } from '../support/servers.ts';
import { proveNarrowed } from './narrowed-proof.ts';

const SERVERS: readonly ServerName[] = [
  'redis-6.0',
  'redis-7.0',
  'redis-8.0',
  'valkey-8',
  'valkey-9',
];

describe('selected keys of an instant are the same when only what they need is replayed', {
  concurrency: 3,
}, () => {
  for (const [index, name] of SERVERS.entries()) {
    test(`on ${name}`, async (t) => {
      if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
      // Replicas of Redis 6.0 acknowledge once per second: a sandbox takes seconds.
      const selections = name === 'redis-6.0' ? 1 : 3;
      const found = await proveNarrowed(name, { seed: 71 + index, commands: 300, selections });
      t.diagnostic(JSON.stringify(found));
      assert.ok(found.narrowed > 0 && found.replayedBytes < found.loggedBytes);
    });
  }
});
