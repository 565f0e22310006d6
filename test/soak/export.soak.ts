import { describe, test } from 'node:test';
import { proveCommands, proveRdb } from '../restore/export-proof.ts';
import { mainFixtures } from '../restore/fixture-proof.ts';
import { findServer, notRun, SERVER_NAMES, whyMissing } from '../support/servers.ts';

/** All of what test/restore/export-fixtures.test.ts shows a part of. */
describe('exporting every fixture for every server', () => {
  for (const name of SERVER_NAMES) {
    for (const fixture of mainFixtures()) {
      test(`${fixture} for ${name}`, async (t) => {
        const binary = findServer(name);
        if (binary === undefined) return notRun(t, name, whyMissing(name));
        await proveRdb(fixture, binary);
        await proveCommands(fixture, binary);
      });
    }
  }
});
