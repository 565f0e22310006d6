import { statSync } from 'node:fs';
import { CodedError } from '../../base/index.ts';
import {
  type BackupListing,
  findBackup,
  findSource,
  listSources,
  type Manifest,
  openRepository,
  readManifest,
  type Repository,
  type Source,
} from '../../repository/index.ts';
import { DirectoryStorage } from '../../storage/index.ts';
import type { Invocation } from '../invocation.ts';

/** Where `--repo` or TIDEMARK_REPO point to: an absolute or relative path. Throws USAGE. */
export function chooseFolder(repo: string | undefined): string {
  if (repo === undefined || repo === '') {
    throw new CodedError('USAGE', 'Cannot know the repository: there is no --repo', {
      hint: 'Give --repo ./backups, or set TIDEMARK_REPO',
    });
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(repo)?.[1];
  if (scheme !== undefined) {
    throw new CodedError('USAGE', `Cannot use a repository at ${scheme}:// yet`, {
      hint: 'Give a directory, as in --repo ./backups',
    });
  }
  if (!/^[\w-]+$/.test(repo) || isFolder(repo)) return repo;
  throw new CodedError('USAGE', `Cannot find a directory '${repo}' to be the repository`, {
    hint: `For a new directory write ./${repo}; names of repositories are not supported yet`,
  });
}

export async function openRepo(
  invocation: Invocation,
  mode: 'read' | 'write',
): Promise<Repository> {
  const { clock, version, signal } = invocation.terminal;
  const storage = new DirectoryStorage(chooseFolder(invocation.repo));
  return await openRepository(storage, { mode, clock, writerVersion: version }, signal);
}

/** The sources that a command is about: the one that was named, or all. SOURCE_NOT_FOUND. */
export async function chooseSources(
  repository: Repository,
  name: string | undefined,
  signal: AbortSignal,
): Promise<readonly Source[]> {
  if (name === undefined) return await listSources(repository, signal);
  return [await findSource(repository, name, signal)];
}

/** A backup that a command was pointed at. */
export type ChosenBackup = {
  readonly repository: Repository;
  readonly source: Source;
  readonly listing: BackupListing;
  readonly manifest: Manifest;
};

/** Opens the repository for reading and finds the backup: an id, its beginning, or `latest`. */
export async function chooseBackup(
  invocation: Invocation,
  backup: string,
  sourceName: string | undefined,
): Promise<ChosenBackup> {
  const { signal } = invocation.terminal;
  const repository = await openRepo(invocation, 'read');
  const source = await findSource(repository, sourceName, signal);
  const listing = await findBackup(repository, source.id, backup, signal);
  const manifest = await readManifest(repository, source.id, listing.id, signal);
  return { repository, source, listing, manifest };
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
