import { backUp, type BackupProgress, type BackupReport } from '../../backup/index.ts';
import type { EntrySelection } from '../../entries/index.ts';
import type { AofSandbox, RecordedServer } from '../../replay/index.ts';
import { ensureSource, recordTopology, type Repository, shardId } from '../../repository/index.ts';

export type LoadedBackupRequest = {
  /** Opened for writing. */
  readonly repository: Repository;
  readonly sourceName: string;
  /** Where the AOF lies, for the record. */
  readonly path: string;
  /** The server that wrote it. */
  readonly server: RecordedServer;
  /** The instant that it shows, Unix milliseconds. */
  readonly atMs: number;
  /** Of the source and the backup. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Of the backup alone. */
  readonly ownLabels?: Readonly<Record<string, string>>;
  readonly adopt?: boolean;
  readonly selection?: EntrySelection;
  readonly workers?: number;
  readonly onProgress?: (progress: BackupProgress) => void;
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
};

/** Reads a released sandbox that has loaded an AOF as the backup of a file. Throws as `backUp`. */
export async function backUpLoaded(
  sandbox: AofSandbox,
  request: LoadedBackupRequest,
): Promise<BackupReport> {
  const { repository, sourceName, path, server, atMs, adopt, selection, workers } = request;
  const { labels, ownLabels, onProgress, onNotice, signal } = request;
  const description = {
    name: sourceName,
    kind: 'import',
    marks: [],
    ...(labels && { labels }),
    ...(adopt !== undefined && { adopt }),
  } as const;
  const source = await ensureSource(repository, description, signal);
  const shard = shardId(0);
  const nodes = [{ nodeId: null, address: path, role: 'file' }] as const;
  const shards = [{ shard, serverShardId: null, slots: null, nodes }];
  const topology = { kind: 'import', epoch: null, shards } as const;
  const facts = {
    shard,
    slots: null,
    address: path,
    role: 'file',
    server: { ...server, runId: null },
    replication: null,
    lineage: null,
  } as const;
  return await backUp({
    repository,
    address: sandbox.address,
    from: 'master',
    mode: 'psync',
    standIn: {
      source,
      snapshotAtMs: atMs,
      topology: await recordTopology(repository, source.id, topology, signal),
      instance: [],
      shard: facts,
    },
    labels: { ...labels, ...ownLabels },
    ...(selection && { selection }),
    ...(workers !== undefined && { workers }),
    ...(onProgress && { onProgress }),
    ...(onNotice && { onNotice }),
    ...(signal && { signal }),
  });
}
