import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { findServer, notRun, type ServerName, whyMissing } from '../support/servers.ts';
import { type AofTruth, diffModels, loadAof } from '../support/truth.ts';
import { importedAof, unpackAof } from './aof-scene.ts';

const CHOICES: readonly (readonly [prefix: string, sandbox: ServerName])[] = [
  ['redis-4.0', 'redis-7.0'],
  ['redis-5.0', 'redis-7.0'],
  // A single file needs no newer server.
  ['redis-6.0', 'redis-6.0'],
  ['redis-6.2', 'redis-7.0'],
  ['redis-7.0', 'redis-7.0'],
  ['redis-7.2', 'redis-8.0'],
  ['redis-7.4', 'redis-8.0'],
  ['redis-8.0.2', 'redis-8.0'],
  ['redis-8', 'redis-newest'],
  ['valkey-9', 'valkey-9'],
  ['valkey', 'valkey-8'],
  ['keydb', 'redis-7.0'],
];

export function sandboxFor({ server }: AofTruth): ServerName {
  const found = CHOICES.find(([prefix]) => server.startsWith(prefix));
  assert.ok(found !== undefined, `no server for ${server}`);
  return found[1];
}

/**
 * Not exact by themselves: 4.0 writes a script down instead of its effects; the rewritten AOF of
 * 5.0 has three commands for an empty stream that 5.0 itself passes over in silence.
 */
export const INEXACT: Readonly<Record<string, readonly RegExp[]>> = {
  'redis-4.0.14.aofdir': [/^Scripts of the AOF \(1\)/],
  'redis-4.0.14.aofdir-plain': [/^Scripts of the AOF \(1\)/],
  'redis-5.0.14.aofdir-plain': [/XADD refused/, /XSETID refused/, /XGROUP.* refused/],
};

/** Imports a recorded AOF: it gives what its own server read back, and says what it comes from. */
export async function proveImport(t: TestContext, name: string): Promise<void> {
  const truth = loadAof(name);
  const sandbox = sandboxFor(truth);
  if (findServer(sandbox) === undefined) return notRun(t, sandbox, whyMissing(sandbox));
  const folder = unpackAof(t, truth);
  const inexact = INEXACT[name] ?? [];
  const allowInexact = inexact.length > 0;
  const { model, report } = await importedAof(folder, sandbox, { allowInexact });
  const options = { times: 'ignore', entriesRead: false, access: false } as const;
  assert.deepEqual(diffModels(truth.model, model, options), []);
  assert.equal(report.isInexact, allowInexact);
  assert.equal(report.notices.length, inexact.length, report.notices.join('; '));
  for (const [i, pattern] of inexact.entries()) assert.match(report.notices[i] ?? '', pattern);
  const { address, server } = report.manifest.shards[0] ?? {};
  assert.ok(address?.startsWith(folder));
  const isPlain = name.endsWith('-plain');
  assert.deepEqual(server, {
    family: isPlain ? 'unknown' : truth.family,
    version: isPlain ? null : truth.version.join('.'),
    runId: null,
  });
}
