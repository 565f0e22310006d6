import { describe, test } from 'node:test';
import { COMPARISONS } from '../no-harm/comparisons.ts';
import { findServer, notRun, SERVER_NAMES, whyMissing } from '../support/servers.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 1);

for (const server of SERVER_NAMES) {
  describe(`${server} does what it does without us`, () => {
    for (const { name, run, skip } of COMPARISONS) {
      test(name, async (t) => {
        const binary = findServer(server);
        if (binary === undefined) return notRun(t, server, whyMissing(server));
        const why = skip?.(binary);
        if (why !== undefined) return t.skip(why);
        for (const from of ['master', 'auto'] as const) {
          for (let round = 0; round < ROUNDS; round++) {
            t.diagnostic(`from ${from}: ${await run(binary, from)}`);
          }
        }
      });
    }
  });
}
