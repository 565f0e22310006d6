import { CodedError, isCoded } from '../base/index.ts';
import { decodeText, EntrySelector, equalDigests } from '../entries/index.ts';
import {
  type BackupListing,
  listBackups,
  type Manifest,
  readManifest,
  type Repository,
  type Selection,
} from '../repository/index.ts';
import { findInBackup, type KeyFacts } from './find-in-backup.ts';
import { inOrder } from './in-order.ts';

export type FindRequest = {
  readonly repository: Repository;
  /** Id of the source. */
  readonly source: string;
  readonly key: Uint8Array;
  readonly databases?: readonly number[];
  /** Only the newest so many backups. */
  readonly limit?: number;
  /** Only backups that show an instant from `sinceMs` to `untilMs`, Unix milliseconds. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
  readonly signal?: AbortSignal;
};

/** Compared with the backup before: null where that one does not tell, or there is none. */
export type KeyChange = 'added' | 'removed' | 'changed' | 'ttl-changed' | 'same' | null;

/** A key in one database of one backup. */
export type KeyVersion = {
  /** Null: in no database, now and before. */
  readonly db: number | null;
  /** Null: absent. */
  readonly facts: KeyFacts | null;
  readonly change: KeyChange;
};

/** What one backup says about a key. */
export type KeyInBackup = {
  readonly backup: string;
  /** Null where the manifest cannot be read. */
  readonly snapshotAt: string | null;
  /**
   * `not-selected`: the backup was made of a selection without this key, or of other types than it
   * may have, so it does not know.
   * `unreadable`: see `error`.
   */
  readonly state: 'searched' | 'not-selected' | 'unreadable';
  readonly error: CodedError | null;
  /** In order of `db`; one of them at least where `state` is `searched`. */
  readonly versions: readonly KeyVersion[];
};

type Looked = Omit<KeyInBackup, 'versions'> & {
  readonly facts: readonly KeyFacts[];
  /** Whether the absence from a database means that the key was not there. */
  readonly knows: (db: number) => boolean;
};

const BACKUPS_AT_ONCE = 3;

/**
 * One key in the backups of a source, newest first, each told as soon as the one before it is
 * known. Reads manifests, directories, filters and the blocks that may hold the key. A backup that
 * cannot be read is an answer of its own and hides no other; what is wrong with the listing throws.
 */
export async function* findKey(request: FindRequest): AsyncGenerator<KeyInBackup> {
  const { repository, source, limit = Infinity, signal } = request;
  const { sinceMs, untilMs } = request;
  const listed = (await listBackups(repository, source, signal)).toReversed();
  // One further backup, to compare the last with; which are in the window only manifests tell.
  const isWindow = sinceMs !== undefined || untilMs !== undefined;
  const wanted = isWindow ? listed : listed.slice(0, limit + 1);
  let newer: Looked | undefined;
  let told = 0;
  for await (const backup of inOrder(wanted, BACKUPS_AT_ONCE, (one) => open(request, one))) {
    const looked = newer !== undefined || backup.isInWindow ? await backup.look() : undefined;
    if (newer !== undefined) {
      yield compare(newer, looked);
      if (++told === limit) return;
    }
    newer = backup.isInWindow ? looked : undefined;
  }
  if (newer !== undefined) yield compare(newer, undefined);
}

type Opened = { readonly isInWindow: boolean; readonly look: () => Promise<Looked> };

/** Reads a manifest, and begins the search where the backup lies in the window. */
async function open(request: FindRequest, listing: BackupListing): Promise<Opened> {
  const { repository, source, sinceMs = -Infinity, untilMs = Infinity, signal } = request;
  const backup = listing.id;
  let manifest: Manifest;
  try {
    manifest = await readManifest(repository, source, backup, signal);
  } catch (error) {
    const looked = unreadable(backup, null, error, signal);
    return { isInWindow: true, look: () => Promise.resolve(looked) };
  }
  const at = Date.parse(manifest.snapshotAt);
  const isInWindow = at >= sinceMs && at <= untilMs;
  const search = isInWindow ? look(request, manifest) : undefined;
  search?.catch(() => {});
  return { isInWindow, look: () => search ?? look(request, manifest) };
}

async function look(request: FindRequest, manifest: Manifest): Promise<Looked> {
  const { repository, key, databases, signal } = request;
  const { id: backup, snapshotAt, selection } = manifest;
  const selected = new EntrySelector(namesOf(selection));
  const header = { ...ANY, key, keyEnd: key.length };
  if (!selected.wants(header)) {
    const none = { facts: [], knows: () => false, error: null };
    return { backup, snapshotAt, state: 'not-selected', ...none };
  }
  try {
    const facts = await findInBackup({ repository, manifest, key, databases, signal });
    const state = facts.length === 0 && selection.types !== null ? 'not-selected' : 'searched';
    // A selection of types leaves open whether an absent key had another type.
    const knows = (db: number): boolean =>
      selection.types === null && (selection.databases?.includes(db) ?? true);
    return { backup, snapshotAt, state, error: null, facts, knows };
  } catch (error) {
    return unreadable(backup, snapshotAt, error, signal);
  }
}

function unreadable(
  backup: string,
  snapshotAt: string | null,
  error: unknown,
  signal: AbortSignal | undefined,
): Looked {
  signal?.throwIfAborted();
  if (!isCoded(error) || error.code === 'INTERRUPTED') throw error;
  return { backup, snapshotAt, state: 'unreadable', error, facts: [], knows: () => false };
}

function compare(looked: Looked, older: Looked | undefined): KeyInBackup {
  const { backup, snapshotAt, state, error, facts } = looked;
  const versions: KeyVersion[] = facts.map((one) => ({
    db: one.db,
    facts: one,
    change: changeOf(one, older),
  }));
  for (const { db } of older?.facts ?? []) {
    const isGone = looked.knows(db) && !facts.some((one) => one.db === db);
    if (isGone) versions.push({ db, facts: null, change: 'removed' });
  }
  if (state === 'searched' && versions.length === 0) {
    const isSame = older?.state === 'searched' && older.facts.length === 0;
    versions.push({ db: null, facts: null, change: isSame ? 'same' : null });
  }
  versions.sort((a, b) => (a.db ?? 0) - (b.db ?? 0));
  return { backup, snapshotAt, state, error, versions };
}

function changeOf(facts: KeyFacts, older: Looked | undefined): KeyChange {
  if (older === undefined) return null;
  const before = older.facts.find((one) => one.db === facts.db);
  if (before === undefined) return older.knows(facts.db) ? 'added' : null;
  if (!equalDigests(facts.digest, before.digest)) return 'changed';
  return facts.expireAtMs === before.expireAtMs ? 'same' : 'ttl-changed';
}

/** The selection of a manifest as far as it is one by name: databases and types say no more. */
function namesOf({ keys, match, exclude }: Selection) {
  return {
    ...(keys && { keys: keys.map(decodeText) }),
    ...(match && { match: match.map(decodeText) }),
    ...(exclude && { exclude: exclude.map(decodeText) }),
  };
}

/** What a selection by name looks at, and members that it does not. */
const ANY = {
  db: 0,
  keyStart: 0,
  rdbType: 0,
  kind: 'string',
  expireAtMs: -1,
  idleSeconds: -1,
  frequency: -1,
  keyMeta: undefined,
} as const;
