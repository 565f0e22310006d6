import { describe, test } from 'node:test';
import { findServer, notRun, type ServerName, whyMissing } from '../support/servers.ts';
import { COMPARISONS } from './comparisons.ts';

/** One server each; all of them on all servers: test/soak/no-harm.soak.ts. */
const SERVERS: readonly ServerName[] = ['redis-7.0', 'valkey-9'];

describe('a captured source does what it does without us', { concurrency: true }, () => {
  for (const [index, { name, run }] of COMPARISONS.entries()) {
    const server = SERVERS[index % SERVERS.length];
    test(`${name} (${server})`, async (t) => {
      const binary = findServer(server);
      if (binary === undefined) return notRun(t, server, whyMissing(server));
      t.diagnostic(await run(binary, 'master'));
    });
  }
});
