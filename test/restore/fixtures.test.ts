import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findServer, notRun, SERVER_NAMES, startServer, whyMissing } from '../support/servers.ts';
import { loadTruth } from '../support/truth.ts';
import { mainFixtures, proveFixture } from './fixture-proof.ts';
import { emptyServer, fixtureScene, onServer, restoreTo } from './scene.ts';

const fixtures = mainFixtures();

/** Pairs beyond the regular ones, where servers of one family differ in what they can hold. */
const ALSO: Readonly<Record<string, readonly string[]>> = {
  'redis-8.0': ['redis-8.6.3', 'redis-7.4.1'],
  'redis-newest': ['redis-8.6.3'],
};

/** Every fixture goes to two targets, every target gets five fixtures; the soak test does all. */
function fixturesFor(target: number): string[] {
  const regular = fixtures.filter((_, i) => i % 6 === target || (i + 3) % 6 === target);
  return [...new Set([...regular, ...(ALSO[SERVER_NAMES[target] ?? ''] ?? [])])];
}

describe('restoring a fixture', () => {
  test('has the fixtures of fifteen versions', () => assert.equal(fixtures.length, 15));

  for (const [i, name] of SERVER_NAMES.entries()) {
    test(`to ${name} gives all that it can hold, names the rest, and can be repeated`, async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      await using server = await startServer(binary);
      for (const fixture of fixturesFor(i)) await proveFixture(fixture, server.url, binary);
    });
  }
});

/** Taken under the policies allkeys-lru and allkeys-lfu. */
const USED = ['redis-6.0.20', 'valkey-9.1.2'];

/** What Redis 6.0 makes of an idle time that began before its 24-bit clock last began anew. */
const HALF_CLOCK_SECONDS = 1 << 23;

describe('restoring how keys were used', () => {
  for (const name of SERVER_NAMES) {
    test(`to ${name} brings idle times and frequencies back where the policy keeps them`, async (t) => {
      const binary = findServer(name);
      if (binary === undefined) return notRun(t, name, whyMissing(name));
      const config = { 'maxmemory-policy': 'allkeys-lru', maxmemory: '1gb' };
      await using server = await startServer(binary, { config });
      for (const fixture of USED) await proveUse(`${fixture}.lru`, 'idleSeconds', server.url);
      await onServer(server.url, (pipe) =>
        pipe.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lfu'),
      );
      for (const fixture of USED) await proveUse(`${fixture}.lfu`, 'frequency', server.url);
    });
  }
});

/** What OBJECT tells must come first: reading a value counts as use. */
async function proveUse(
  fixture: string,
  what: 'idleSeconds' | 'frequency',
  url: string,
): Promise<void> {
  await emptyServer(url);
  const truth = loadTruth(fixture);
  const report = await restoreTo(await fixtureScene(fixture), url, { allowInexact: true });
  assert.ok(report.totals.restored > 30);
  await onServer(url, async (pipe) => {
    const question = what === 'frequency' ? 'FREQ' : 'IDLETIME';
    let asked = 0;
    for (const key of truth.loadedModel.keys.values()) {
      if (key.value.kind === 'vectorset') continue;
      await pipe.call('SELECT', key.db);
      const told = Number(await pipe.call('OBJECT', question, Buffer.from(key.key, 'latin1')));
      const expected = key[what] ?? -1;
      // Idle times have the resolution of a ten-second clock in some servers.
      const tolerance = what === 'frequency' ? 1 : 12;
      const near = (a: number, b: number): boolean => Math.abs(a - b) <= tolerance;
      assert.ok(
        near(told, expected) || near(told, HALF_CLOCK_SECONDS),
        `${fixture} ${key.key}: ${told}, expected ${expected}`,
      );
      asked++;
    }
    assert.ok(asked > 30);
  });
}
