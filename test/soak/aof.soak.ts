import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseExportTarget } from '../../src/restore/index.ts';
import { runDrill } from '../../src/rewind/index.ts';
import { proveExport } from '../aof/export-proof.ts';
import { proveImport } from '../aof/import-proof.ts';
import { fixtureScene } from '../restore/scene.ts';
import { sandboxFor } from '../rewind/fixture-recording.ts';
import { serverProgram } from '../support/server-program.ts';
import { findServer, notRun, type ServerName, whyMissing } from '../support/servers.ts';
import { aofNames, loadPsync, psyncNames } from '../support/truth.ts';

/** All of what test/aof/ shows a part of. */
describe('importing every recorded AOF', () => {
  for (const name of aofNames()) test(name, (t) => proveImport(t, name));
});

describe('exporting every recorded link as an AOF folder', () => {
  for (const fixture of psyncNames()) {
    const truth = loadPsync(fixture);
    if (truth.verbatimLua) continue;
    const nearest = sandboxFor(truth).sandbox;
    const server: ServerName = nearest === 'redis-6.0' ? 'redis-7.0' : nearest;
    const isOwn = truth.server.startsWith(server) || server === 'redis-newest';
    test(`${fixture} for ${server}`, async (t) => {
      const binary = findServer(server);
      if (binary === undefined) return notRun(t, server, whyMissing(server));
      const target = `${binary.family}-${binary.version.slice(0, 2).join('.')}`;
      assert.ok(parseExportTarget(target).number > 0);
      await proveExport(t, fixture, server, isOwn ? undefined : target);
    });
  }
});

describe('drilling every fixture', () => {
  const pairs: readonly (readonly [fixture: string, server: ServerName])[] = [
    ['redis-6.2.16', 'redis-7.0'],
    ['redis-7.0.15', 'redis-7.0'],
    ['redis-7.4.1', 'redis-8.0'],
    ['redis-8.0.2', 'redis-8.0'],
    ['redis-8.6.3', 'redis-newest'],
    ['valkey-8.1.1', 'valkey-8'],
    ['valkey-9.1.2', 'valkey-9'],
  ];
  for (const [fixture, server] of pairs) {
    test(`${fixture} in ${server}`, async (t) => {
      if (findServer(server) === undefined) return notRun(t, server, whyMissing(server));
      const subject = { kind: 'backup', ...(await fixtureScene(fixture)) } as const;
      const report = await runDrill({ subject, sandbox: { server: serverProgram(server) } });
      assert.equal(report.outcome, 'equal', JSON.stringify(report));
    });
  }
});
