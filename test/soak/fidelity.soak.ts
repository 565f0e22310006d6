import { describe, test } from 'node:test';
import { mainFixtures, proveFixture } from '../restore/fixture-proof.ts';
import { findServer, notRun, SERVER_NAMES, startServer, whyMissing } from '../support/servers.ts';

/** All of what test/restore/fixtures.test.ts shows a part of: every fixture to every server. */
describe('restoring every fixture to every server', () => {
  for (const name of SERVER_NAMES) {
    for (const fixture of mainFixtures()) {
      test(`${fixture} to ${name}`, async (t) => {
        const binary = findServer(name);
        if (binary === undefined) return notRun(t, name, whyMissing(name));
        await using server = await startServer(binary);
        await proveFixture(fixture, server.url, binary);
      });
    }
  }
});
