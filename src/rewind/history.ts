import { isCoded } from '../base/index.ts';
import {
  listBackups,
  type Manifest,
  readManifest,
  readShardLogs,
  type Repository,
  type ShardLog,
  type Source,
} from '../repository/index.ts';

/** All that a repository says about what one source went through: the ground of every rewind. */
export type SourceHistory = {
  readonly repository: Repository;
  readonly source: Source;
  /** In the order in which they were begun; those that cannot be read are left out. */
  readonly manifests: readonly Manifest[];
  readonly logs: readonly ShardLog[];
};

/** Reads manifests and the directories of the log, no data. The repository's codes. */
export async function readHistory(
  repository: Repository,
  source: Source,
  signal?: AbortSignal,
): Promise<SourceHistory> {
  const manifests: Manifest[] = [];
  for (const { id } of await listBackups(repository, source.id, signal)) {
    try {
      manifests.push(await readManifest(repository, source.id, id, signal));
    } catch (error) {
      // One that is damaged, or was removed meanwhile, is no base; the others still are.
      const isGone = isCoded(error, 'OBJECT_MISSING', 'OBJECT_CORRUPT');
      const isBad = isCoded(error, 'REPOSITORY_CORRUPT', 'REPOSITORY_UNSUPPORTED');
      if (!isGone && !isBad) throw error;
    }
  }
  const logs = await readShardLogs(repository, source.id, signal);
  return { repository, source, manifests, logs };
}
