import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Repository } from '../../src/repository/index.ts';
import {
  importAof,
  type AofImportReport,
  type AofImportRequest,
} from '../../src/rewind/aof/import-aof.ts';
import { storedModel } from '../backup/stored-lines.ts';
import { memoryRepository } from '../restore/scene.ts';
import type { Model } from '../support/model.ts';
import { serverProgram } from '../support/server-program.ts';
import type { ServerName } from '../support/servers.ts';
import type { AofTruth } from '../support/truth.ts';

/** A folder that is gone after the test. */
export function testFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-aof-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Unpacks a recorded AOF into a folder that is gone after the test. */
export function unpackAof(t: TestContext, { archive }: AofTruth): string {
  const folder = testFolder(t);
  execFileSync('tar', ['xf', '-', '-C', folder], { input: archive });
  return folder;
}

export type ImportedAof = {
  readonly repository: Repository;
  readonly report: AofImportReport;
  readonly model: Model;
};

/** Imports an AOF into a repository of its own, with the given server as sandbox. */
export async function importedAof(
  path: string,
  sandbox: ServerName,
  request: Partial<AofImportRequest> = {},
): Promise<ImportedAof> {
  const repository = await memoryRepository();
  const report = await importAof({
    repository,
    sourceName: 'aof',
    path,
    sandbox: { server: serverProgram(sandbox) },
    ...request,
  });
  return { repository, report, model: await storedModel(repository, report.manifest) };
}
