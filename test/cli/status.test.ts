import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { beginLineage, storeReport } from '../../src/repository/index.ts';
import { DirectoryStorage } from '../../src/storage/index.ts';
import {
  beginSample,
  command,
  sampleLineage,
  storeBase,
  storeSample,
} from '../fakes/sample-log.ts';
import { type Result, tidemark, tidemarkJson } from './run-tidemark.ts';

type Listed = {
  readonly sources: readonly {
    readonly log: {
      readonly lineages: readonly {
        readonly lineage: string;
        readonly orphanFrom: number | null;
      }[];
      readonly ranges: readonly { readonly bases: readonly { backup: string; offset: number }[] }[];
      readonly gaps: readonly { readonly why: string; readonly from: { readonly at: string } }[];
    };
  }[];
};

type Status = {
  readonly ok: boolean;
  readonly sources: readonly {
    readonly rpoMs: number;
    readonly lastDrill: { readonly passed: boolean } | null;
    readonly attention: readonly { readonly code: string }[];
  }[];
};

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-status-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('list and status show what can be restored, the gaps, and what wants attention', async (t) => {
  const folder = folderOf(t);
  const env = { TIDEMARK_REPO: folder, TZ: 'UTC' };
  const place = await beginSample(new DirectoryStorage(folder));
  const { repository, source, lineage } = place;
  const now = Date.now();
  const ping = command('PING');
  const pieces = [{ bytes: Buffer.concat([ping, ping]), atMs: now - 5000 }];
  await storeSample(place, { pieces });

  const unbased = await tidemark(['status'], { env });
  assert.equal(unbased.status, 5, unbased.stdout + unbased.stderr);
  assert.match(unbased.stdout, /needs attention/);
  assert.match(unbased.stdout, /There is no backup/);

  const base = await storeBase(place, ping.length, now - 6000);
  const protectedNow = (await tidemarkJson(['status'], { env })) as Result<Status>;
  assert.deepEqual(protectedNow.document.sources[0].attention, []);
  assert.equal(protectedNow.status, 0);
  assert.ok(protectedNow.document.sources[0].rpoMs >= 5000);
  const strict = await tidemark(['status', '--rpo', '1s', '--source', 'orders'], { env });
  assert.equal(strict.status, 5);
  assert.match(strict.stdout, /attention: +\d.* of changes would be lost now \(more than 1\.0 s\)/);

  const gap = {
    lineage: lineage.lineage,
    endOffset: 2 * ping.length,
    endMs: now - 5000,
    why: 'The source did not know our place any more',
    orphanFrom: ping.length,
  };
  await beginLineage(repository, source, { ...sampleLineage(900, now - 1000), gap });
  const task = '0a1b2c3d';
  await storeReport(repository, source, task, { kind: 'drill', outcome: 'different' });
  const warned = (await tidemarkJson(['status'], { env })) as Result<Status>;
  assert.equal(warned.status, 5);
  assert.deepEqual(
    warned.document.sources[0].attention.map(({ code }) => code),
    ['gap', 'log-without-base', 'drill-failed'],
  );
  assert.equal(warned.document.sources[0].lastDrill?.passed, false);

  const listed = (await tidemarkJson(['list'], { env })) as Result<Listed>;
  assert.equal(listed.status, 0);
  const { log } = listed.document.sources[0];
  assert.equal(log.lineages.length, 2);
  assert.equal(log.lineages.find(({ lineage: id }) => id === lineage.lineage)?.orphanFrom, 14);
  assert.deepEqual(log.ranges[0].bases, [{ backup: base.id, offset: ping.length }]);
  assert.equal(log.gaps[0].from.at, new Date(now - 5000).toISOString());
  const table = await tidemark(['list'], { env });
  assert.match(table.stdout, /restorable {2}\d{4}-.* to .*Z, 1\.0 s\) {2}offsets 14 to 28, 1 base/);
  assert.match(table.stdout, /gap .*: The source did not know our place any more/);
  assert.match(table.stdout, /orphan +14 B from offset 14 on of lineage/);
});

test('status wants attention of an empty repository, and refuses durations that are none', async (t) => {
  const folder = folderOf(t);
  const env = { TIDEMARK_REPO: folder };
  await beginSample(new DirectoryStorage(folder));
  assert.equal((await tidemark(['status', '--rpo', 'soon'], { env })).status, 2);
  const empty = await tidemark(['status'], { env });
  assert.equal(empty.status, 5);
});
