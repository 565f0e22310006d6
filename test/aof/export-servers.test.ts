import { describe, test } from 'node:test';
import type { ServerName } from '../support/servers.ts';
import { proveExport } from './export-proof.ts';

/** To a server of its own version, to a newer one, across the families; the soak test does all. */
const PAIRS: readonly (readonly [fixture: string, server: ServerName, target?: string])[] = [
  ['redis-7.0.15.psync', 'redis-7.0'],
  ['redis-8.6.3.psync', 'redis-newest'],
  ['valkey-9.1.2.psync', 'valkey-9'],
  ['redis-6.2.16.psync', 'redis-8.0', 'redis-8.0'],
  ['redis-7.2.6.psync', 'valkey-8', 'valkey-8.1'],
];

describe('exporting a backup and its log as an AOF folder', () => {
  for (const [fixture, name, target] of PAIRS) {
    test(`${fixture} gives ${name} what the recorded server had`, (t) =>
      proveExport(t, fixture, name, target));
  }
});
