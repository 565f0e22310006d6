import { CodedError } from '../base/index.ts';
import { sha256 } from './data-file/block.ts';
import {
  backupOfManifest,
  backupOfTombstone,
  backupsFolder,
  deletedFolder,
  manifestObject,
} from './layout.ts';
import { MAX_MANIFEST_BYTES, type Manifest } from './records/manifest.ts';
import { parseManifest } from './records/manifest-document.ts';
import type { Repository } from './repository.ts';

/** A backup as one LIST shows it. */
export type BackupListing = {
  readonly id: string;
  readonly source: string;
  /** When its manifest was stored, by the storage's clock. */
  readonly committedAtMs: number;
};

const MAX_CANDIDATES_SHOWN = 8;

/** The committed and not deleted backups of a source, oldest first. Reads no manifest. */
export async function listBackups(
  repository: Repository,
  source: string,
  signal?: AbortSignal,
): Promise<BackupListing[]> {
  const { storage } = repository;
  const backups: BackupListing[] = [];
  for await (const info of storage.list(backupsFolder(source), signal)) {
    const id = backupOfManifest(source, info.name);
    if (id !== undefined) backups.push({ id, source, committedAtMs: info.modifiedAtMs });
  }
  const deleted = new Set<string>();
  for await (const info of storage.list(deletedFolder(source), signal)) {
    const id = backupOfTombstone(source, info.name);
    if (id !== undefined) deleted.add(id);
  }
  return backups.filter((backup) => !deleted.has(backup.id));
}

/**
 * The backup meant by an id, a unique beginning of one, or `latest`; with `~n` behind it, the n-th
 * before that one in the order in which they were begun: `latest~1`. BACKUP_NOT_FOUND,
 * BACKUP_AMBIGUOUS.
 */
export async function findBackup(
  repository: Repository,
  source: string,
  wanted: string,
  signal?: AbortSignal,
): Promise<BackupListing> {
  const all = await listBackups(repository, source, signal);
  if (all.length === 0) {
    throw new CodedError('BACKUP_NOT_FOUND', `Cannot find '${wanted}': '${source}' has no backups`);
  }
  const [, name, back = '0'] = /^(.*?)(?:~(\d{1,9}))?$/s.exec(wanted) as RegExpExecArray;
  const at = all.indexOf(chooseNamed(all, source, name, wanted));
  const found = all[at - Number(back)];
  if (found !== undefined) return found;
  const message = `Cannot find backup '${wanted}' of '${source}': ${all[at].id} has ${at} before it`;
  throw new CodedError('BACKUP_NOT_FOUND', message);
}

function chooseNamed(
  all: readonly BackupListing[],
  source: string,
  name: string,
  wanted: string,
): BackupListing {
  const latest = all[all.length - 1];
  if (name === 'latest') return latest;
  const prefix = name.toLowerCase();
  const found = prefix === '' ? [] : all.filter((backup) => backup.id.startsWith(prefix));
  if (found.length === 1) return found[0];
  if (found.length === 0) {
    const message = `Cannot find backup '${wanted}' of '${source}': the latest is ${latest.id}`;
    throw new CodedError('BACKUP_NOT_FOUND', message);
  }
  const shown = found.slice(0, MAX_CANDIDATES_SHOWN).map((backup) => backup.id);
  const more = found.length > shown.length ? ` and ${found.length - shown.length} more` : '';
  const message = `Cannot choose a backup: '${name}' begins ${shown.join(', ')}${more}`;
  throw new CodedError('BACKUP_AMBIGUOUS', message);
}

/** Reads and checks one manifest. OBJECT_MISSING, REPOSITORY_CORRUPT, REPOSITORY_UNSUPPORTED. */
export async function readManifest(
  repository: Repository,
  source: string,
  backup: string,
  signal?: AbortSignal,
): Promise<Manifest> {
  const object = manifestObject(source, backup);
  const bytes = await repository.storage.read(object, { maxBytes: MAX_MANIFEST_BYTES }, signal);
  return parseManifest(bytes, { object, repository: repository.id, source, backup });
}

/** `sha256:…` over the stored bytes of a manifest, as its successor names it. */
export async function manifestDigest(
  repository: Repository,
  source: string,
  backup: string,
  signal?: AbortSignal,
): Promise<string> {
  const object = manifestObject(source, backup);
  const bytes = await repository.storage.read(object, { maxBytes: MAX_MANIFEST_BYTES }, signal);
  return `sha256:${sha256(bytes).toString('hex')}`;
}
