import { describe, test } from 'node:test';
import { findServer, notRun, SERVER_NAMES, whyMissing } from '../support/servers.ts';
import { proveCommands, proveRdb } from './export-proof.ts';
import { mainFixtures } from './fixture-proof.ts';

const fixtures = mainFixtures();

/** Pairs beyond the regular ones, where servers of one family differ in what they can hold. */
const ALSO: Readonly<Record<string, readonly string[]>> = {
  'redis-8.0': ['redis-8.6.3'],
  'redis-newest': ['redis-8.6.3'],
};

/** As RDB every fixture goes to two servers, as commands to one; the soak test does all. */
function fixturesFor(target: number, rounds: readonly number[]): string[] {
  const regular = fixtures.filter((_, i) => rounds.some((round) => (i + round) % 6 === target));
  return [...new Set([...regular, ...(ALSO[SERVER_NAMES[target] ?? ''] ?? [])])];
}

for (const [i, name] of SERVER_NAMES.entries()) {
  describe(`a fixture exported for ${name}`, () => {
    const binary = findServer(name);

    test('as RDB is loaded by it', async (t) => {
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      for (const fixture of fixturesFor(i, [0, 3])) await proveRdb(fixture, binary);
    });

    test('as commands is taken by it without an error, and again', async (t) => {
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      for (const fixture of fixturesFor(i, [1])) await proveCommands(fixture, binary);
    });
  });
}
