import { test } from 'node:test';
import { findServer, notRun, whyMissing } from '../support/servers.ts';
import { proveRunningLoad } from './running-load-proof.ts';

test('instants in the middle of a load that never pauses are each the state after one operation', async (t) => {
  const name = 'valkey-8';
  if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
  const plan = { seed: 5, instants: 4, lastsMs: 1500, operationsPerSecond: 1500 };
  t.diagnostic(JSON.stringify(await proveRunningLoad(name, plan)));
});
