import { isCoded } from '../base/index.ts';
import {
  listBackups,
  listSourceIds,
  manifestDigest,
  manifestObject,
  readManifest,
  readSource,
  type Repository,
  sourceObject,
} from '../repository/index.ts';
import { type Finding, messageOf } from './findings.ts';
import { verifyBackup, type VerifyOptions, type VerifyReport } from './verify-backup.ts';
import { type LogReport, verifyLog, type VerifyLogOptions } from './verify-log.ts';

export type RepositoryReport = {
  readonly backups: readonly VerifyReport[];
  /** Of the sources that have one. */
  readonly logs: readonly LogReport[];
  /** What is wrong between backups. */
  readonly findings: readonly Finding[];
};

/**
 * Verifies every listed backup and the whole log, of one source or of all, and that each backup
 * still has the predecessor it was committed after. A predecessor that has been deleted in the
 * meantime is no finding.
 */
export async function verifyRepository(
  repository: Repository,
  options: VerifyOptions & VerifyLogOptions & { readonly source?: string } = {},
  signal?: AbortSignal,
): Promise<RepositoryReport> {
  const backups: VerifyReport[] = [];
  const logs: LogReport[] = [];
  const findings: Finding[] = [];
  const report = (finding: Finding | undefined) => {
    if (finding === undefined) return;
    findings.push(finding);
    options.onFinding?.(finding);
  };
  const every = options.source === undefined;
  const sources = every ? await listSourceIds(repository, signal) : [options.source];
  for (const source of sources) {
    report(await checkSource(repository, source, signal));
    for (const { id } of await listBackups(repository, source, signal)) {
      backups.push(await verifyBackup(repository, source, id, options, signal));
      report(await checkPredecessor(repository, source, id, signal));
    }
    const log = await verifyLog(repository, source, options, signal);
    if (log.lineages > 0 || log.findings.length > 0) logs.push(log);
  }
  return { backups, logs, findings };
}

async function checkSource(
  repository: Repository,
  source: string,
  signal?: AbortSignal,
): Promise<Finding | undefined> {
  try {
    await readSource(repository, source, signal);
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    const message = messageOf(error);
    return { code: 'source-corrupt', object: sourceObject(source), message };
  }
}

async function checkPredecessor(
  repository: Repository,
  source: string,
  backup: string,
  signal?: AbortSignal,
): Promise<Finding | undefined> {
  try {
    const { predecessor } = await readManifest(repository, source, backup, signal);
    if (predecessor === null) return undefined;
    const digest = await manifestDigest(repository, source, predecessor.id, signal);
    if (digest === predecessor.digest) return undefined;
    const message = `The manifest of ${predecessor.id} is not the one that ${backup} was made after`;
    const object = manifestObject(source, predecessor.id);
    return { code: 'predecessor-changed', object, message };
  } catch (error) {
    signal?.throwIfAborted();
    // A missing predecessor was pruned; an unreadable manifest is a finding of its own backup.
    if (isCoded(error)) return undefined;
    throw error;
  }
}
