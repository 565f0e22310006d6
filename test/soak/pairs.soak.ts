import { describe, test } from 'node:test';
import { provePair } from '../live/pair-proof.ts';
import { findServer, notRun, SERVER_NAMES, whyMissing } from '../support/servers.ts';

/** Every pair of servers, of which test/live/pairs.test.ts takes six. */
describe('a backup under load', () => {
  for (const [i, from] of SERVER_NAMES.entries()) {
    for (const [j, to] of SERVER_NAMES.entries()) {
      test(`of ${from} arrives in ${to} as it was at one instant`, async (t) => {
        for (const name of [from, to]) {
          if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
        }
        await provePair(from, to, 100 + i * 10 + j);
      });
    }
  }
});
