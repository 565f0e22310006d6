import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DirectoryStorage } from '../storage/index.ts';
import { storeReport } from './reports.ts';
import { openRepository } from './repository.ts';

test('storeReport keeps a report beside its source, and says when it may not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-reports-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const storage = new DirectoryStorage(folder);
  const repository = await openRepository(storage, { mode: 'write' });
  const report = { restored: 7 };
  assert.equal(await storeReport(repository, 'shop-a1b2c3', '7f3a2c1b', report), true);
  const reports = join(folder, 'sources', 'shop-a1b2c3', 'reports');
  const [name = ''] = readdirSync(reports);
  assert.match(name, /^\d{8}t\d{9}z-7f3a2c1b\.json$/);
  const stored = JSON.parse(readFileSync(join(reports, name), 'utf8')) as Record<string, unknown>;
  assert.deepEqual([stored['task'], stored['report']], ['7f3a2c1b', report]);
  const reading = await openRepository(storage, { mode: 'read' });
  assert.equal(await storeReport(reading, 'shop-a1b2c3', '00000000', report), false);
});
