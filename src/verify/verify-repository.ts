import { isCoded } from '../base/index.ts';
import {
  listBackups,
  listSources,
  manifestDigest,
  readManifest,
  type Repository,
} from '../repository/index.ts';
import type { Finding } from './findings.ts';
import { verifyBackup, type VerifyOptions, type VerifyReport } from './verify-backup.ts';

export type RepositoryReport = {
  readonly backups: readonly VerifyReport[];
  /** What is wrong between backups. */
  readonly findings: readonly Finding[];
};

/**
 * Verifies every listed backup, of one source or of all, and that each still has the predecessor it
 * was committed after. A predecessor that has been deleted in the meantime is no finding.
 */
export async function verifyRepository(
  repository: Repository,
  options: VerifyOptions & { readonly source?: string } = {},
  signal?: AbortSignal,
): Promise<RepositoryReport> {
  const sources =
    options.source === undefined
      ? (await listSources(repository, signal)).map((source) => source.id)
      : [options.source];
  const backups: VerifyReport[] = [];
  const findings: Finding[] = [];
  for (const source of sources) {
    for (const { id } of await listBackups(repository, source, signal)) {
      backups.push(await verifyBackup(repository, source, id, options, signal));
      const finding = await checkPredecessor(repository, source, id, signal);
      if (finding === undefined) continue;
      findings.push(finding);
      options.onFinding?.(finding);
    }
  }
  return { backups, findings };
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
    return { code: 'predecessor-changed', object: predecessor.id, message };
  } catch (error) {
    signal?.throwIfAborted();
    // A missing predecessor was pruned; an unreadable manifest is a finding of its own backup.
    if (isCoded(error)) return undefined;
    throw error;
  }
}
