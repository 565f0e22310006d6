import { describe, test } from 'node:test';
import { findServer, notRun, SERVER_NAMES, whyMissing } from '../support/servers.ts';
import { provePair } from './pair-proof.ts';

/** Every server once as a source and once as a target; the soak test does every pair. */
describe('a backup under load', () => {
  for (const [i, from] of SERVER_NAMES.entries()) {
    const to = SERVER_NAMES[(i + 2) % SERVER_NAMES.length] ?? from;
    test(`of ${from} arrives in ${to} as it was at one instant`, async (t) => {
      for (const name of [from, to]) {
        if (findServer(name) === undefined) return notRun(t, name, whyMissing(name));
      }
      await provePair(from, to, i + 1);
    });
  }
});
