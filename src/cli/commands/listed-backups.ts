import { CodedError } from '../../base/index.ts';
import {
  listBackups,
  type Manifest,
  readManifest,
  type Repository,
  type Source,
} from '../../repository/index.ts';

export type ListedBackup = {
  readonly id: string;
  /** Why its manifest cannot be read, instead of the manifest. */
  readonly manifest: Manifest | CodedError;
};

/** Every backup of a source, oldest first. */
export async function readBackups(
  repository: Repository,
  source: Source,
  signal: AbortSignal,
): Promise<ListedBackup[]> {
  const backups: ListedBackup[] = [];
  for (const { id } of await listBackups(repository, source.id, signal)) {
    try {
      backups.push({ id, manifest: await readManifest(repository, source.id, id, signal) });
    } catch (error) {
      // One damaged manifest must not hide the backups beside it.
      if (!(error instanceof CodedError) || error.code === 'INTERRUPTED') throw error;
      backups.push({ id, manifest: error });
    }
  }
  return backups;
}

/** The manifests of those that can be read. */
export function readable(backups: readonly ListedBackup[]): Manifest[] {
  return backups.flatMap(({ manifest }) => (manifest instanceof CodedError ? [] : [manifest]));
}
