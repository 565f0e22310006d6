import { CodedError } from '../../base/index.ts';
import type { EntrySelection } from '../../entries/index.ts';
import {
  connect,
  describeServer,
  displayAddress,
  type RedisAddress,
  type ServerIdentity,
} from '../../redis/index.ts';
import type { Manifest } from '../../repository/index.ts';
import type { RestoreRequest } from '../../restore/index.ts';
import { defined } from '../options/defined.ts';
import { formatAmount, formatInstant } from '../output/format.ts';
import { formatFacts } from '../output/text-table.ts';

/**
 * What `--to …/5` means: the one database that is restored goes there. Throws USAGE where several
 * would, or where `--map-db` says something else.
 */
export function mapToAddress(
  target: RedisAddress,
  manifest: Manifest,
  selection: EntrySelection,
  given: ReadonlyMap<number, number> | undefined,
): ReadonlyMap<number, number> | undefined {
  const { database } = target;
  if (database === null) return given;
  const wanted = wantedDatabases(manifest, selection);
  if (given !== undefined) {
    if (wanted.every((db) => (given.get(db) ?? db) === database)) return given;
    throw new CodedError('USAGE', 'Cannot obey both --map-db and the database in --to', {
      hint: 'Leave out the number after the / of the address',
    });
  }
  if (wanted.length > 1) {
    const list = wanted.join(', ');
    throw new CodedError(
      'USAGE',
      `Cannot write databases ${list} into database ${database} of the target`,
      { hint: 'Choose one with --db, or say where each goes with --map-db' },
    );
  }
  return new Map(wanted.map((db) => [db, database]));
}

/** A few lines for whoever is about to start a restore. Throws what `connect` throws. */
export async function describePlan(request: RestoreRequest): Promise<string> {
  const { source, manifest, target, selection = {}, mapDb } = request;
  const identity = await askTarget(request);
  const wanted = wantedDatabases(manifest, selection);
  const databases = wanted.map((db) => {
    const to = mapDb?.get(db) ?? db;
    return to === db ? `${db}` : `${db} → ${to}`;
  });
  return formatFacts([
    ['restore', `${manifest.id} of ${source.name}`],
    ['instant', formatInstant(manifest.snapshotAt)],
    ['to', `${displayAddress(target)} (${describeTarget(identity)})`],
    ['databases', databases.join(', ') || 'none'],
    ['conflicts', request.conflict ?? 'rename'],
    ['expiry', request.ttl ?? 'absolute'],
    ['functions', request.functions ?? null],
    ['dry run', request.dryRun === true ? 'yes, nothing will be written' : null],
  ]);
}

function wantedDatabases(manifest: Manifest, selection: EntrySelection): number[] {
  const all = manifest.databases.map(({ db }) => db);
  return all.filter((db) => selection.databases?.includes(db) ?? true);
}

async function askTarget({ target, tls, signal }: RestoreRequest): Promise<ServerIdentity> {
  const conn = await connect(target, defined({ tls, signal }));
  try {
    return await describeServer(conn);
  } finally {
    conn.close();
  }
}

function describeTarget({ family, version, keys }: ServerIdentity): string {
  const name = `${family} ${version}`.trim();
  if (keys === null) return name;
  const count = Object.values(keys).reduce((sum, keys) => sum + keys, 0);
  return `${name}, ${count === 0 ? 'empty' : `holds ${formatAmount(count, 'key')} now`}`;
}
