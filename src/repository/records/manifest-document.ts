import { CodedError } from '../../base/index.ts';
import { isBackupId, isShardId, parseDataObject } from '../layout.ts';
import {
  MAX_FILE_BYTES,
  MAX_SLOT_RANGES,
  TRAILER_FRAME_BYTES,
} from '../data-file/data-file-format.ts';
import { encodeDocument, parseDocument } from './document.ts';
import type { Fields } from './fields.ts';
import {
  type DatabaseFacts,
  type DataFileRecord,
  type Manifest,
  MANIFEST_FORMAT,
  type ReadingFacts,
  type ReplayFacts,
  type ShardFacts,
  type Totals,
} from './manifest.ts';

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const WORD = /^[a-z][a-z0-9-]{0,63}$/;
const HIGHEST_SLOT = 16383;
const MAX_RDB_VERSION = 100_000;

export type ManifestPlace = {
  readonly object: string;
  readonly repository: string;
  readonly source: string;
  readonly backup: string;
};

export function encodeManifest(manifest: Manifest): Buffer {
  const { requires, optional, ...members } = manifest;
  return encodeDocument(MANIFEST_FORMAT, members, { requires, optional });
}

/** Reads a manifest, every bound and sum checked, and that it belongs where it was found. */
export function parseManifest(bytes: Buffer, place: ManifestPlace): Manifest {
  const fields = parseDocument(bytes, MANIFEST_FORMAT, place.object);
  const manifest: Manifest = {
    id: fields.text('id'),
    repository: fields.text('repository'),
    source: fields.text('source'),
    requires: fields.texts('requires'),
    optional: fields.texts('optional'),
    writer: readWriter(fields.fields('writer')),
    parents: fields.texts('parents'),
    predecessor: readPredecessor(fields),
    consistency: fields.oneOf('consistency', ['point-in-time', 'fuzzy']),
    startedAt: fields.time('startedAt'),
    snapshotAt: fields.time('snapshotAt'),
    endedAt: fields.time('endedAt'),
    labels: fields.textMap('labels'),
    selection: readSelection(fields.fields('selection')),
    topology: fields.textOrNull('topology'),
    slotRanges: fields.integer('slotRanges', 1, MAX_SLOT_RANGES),
    shards: fields.items('shards', readShard),
    databases: fields.items('databases', readDatabase),
    lossy: fields.counts('lossy'),
    totals: readTotals(fields.fields('totals')),
    files: fields.items('files', readFile),
  };
  const found = findInconsistency(manifest, place);
  if (found === undefined) return manifest;
  throw new CodedError('REPOSITORY_CORRUPT', `Cannot read '${place.object}': ${found}`, {
    object: place.object,
  });
}

/** What the files and databases of a manifest add up to. */
export function sumTotals(
  files: readonly DataFileRecord[],
  databases: readonly DatabaseFacts[],
): Totals {
  const sum = (pick: (file: DataFileRecord) => number) =>
    files.reduce((total, file) => total + pick(file), 0);
  return {
    keys: databases.reduce((total, database) => total + database.keys, 0),
    files: files.length,
    blocks: sum((file) => file.blocks),
    storedBytes: sum((file) => file.size),
    rawBytes: sum((file) => file.rawBytes),
  };
}

/** What is wrong between the parts of a manifest whose members are all well-formed. */
export function findInconsistency(manifest: Manifest, place: ManifestPlace): string | undefined {
  const { files, databases, shards, totals } = manifest;
  const belongs =
    manifest.id === place.backup &&
    manifest.source === place.source &&
    manifest.repository === place.repository;
  if (!belongs) return 'it is the manifest of another backup';
  if (!manifest.parents.every(isBackupId)) return 'a parent is no backup id';
  if (manifest.startedAt > manifest.endedAt) return 'it ended before it started';
  if (new Set(files.map((file) => file.name)).size !== files.length) return 'a file comes twice';
  const isScanned = shards.some(({ reading }) => reading?.mode === 'scan');
  if (isScanned && manifest.consistency !== 'fuzzy') return 'a scanned shard has no one instant';
  const known = new Set(shards.map((shard) => shard.shard));
  if (known.size !== shards.length) return 'a shard comes twice';
  for (const file of files) {
    const found = findFileInconsistency(file, known, manifest);
    if (found !== undefined) return `${file.name}: ${found}`;
  }
  for (const [index, database] of databases.entries()) {
    const above = databases[index - 1];
    if (above !== undefined && above.db >= database.db) return 'the databases are out of order';
    const keys = Object.values(database.types).reduce((sum, count) => sum + count, 0);
    if (keys !== database.keys) return `the types of database ${database.db} do not add up`;
  }
  const expected = sumTotals(files, databases);
  for (const name of Object.keys(expected) as (keyof Totals)[]) {
    if (totals[name] !== expected[name]) return `totals.${name} is not what its parts add up to`;
  }
  const entries = files
    .filter((file) => file.kind === 'entries')
    .reduce((sum, file) => sum + file.entries, 0);
  // Increments over a parent need not repeat the parent's files.
  if (entries !== totals.keys && manifest.parents.length === 0) {
    return `its files hold ${entries} keys, its databases ${totals.keys}`;
  }
  return undefined;
}

function findFileInconsistency(
  file: DataFileRecord,
  shards: ReadonlySet<string>,
  manifest: Manifest,
): string | undefined {
  const name = parseDataObject(file.name);
  if (name === undefined || name.source !== manifest.source) return 'no data file of this source';
  if (name.kind !== file.kind || name.shard !== file.shard || name.sequence !== file.sequence) {
    return 'its name says something else than its record';
  }
  if (!shards.has(file.shard)) return 'no facts about its shard';
  const { offset, length } = file.directory;
  if (offset + length + TRAILER_FRAME_BYTES !== file.size) return 'its directory is misplaced';
  if (file.entries > file.rawBytes) return 'it has more entries than bytes';
  return undefined;
}

function readWriter(fields: Fields) {
  return { name: fields.text('name'), version: fields.text('version') };
}

function readPredecessor(fields: Fields): Manifest['predecessor'] {
  const found = fields.fieldsOrNull('predecessor');
  if (found === null) return null;
  const id = found.text('id');
  if (!isBackupId(id)) throw found.inconsistent('its predecessor is no backup id');
  return { id, digest: found.text('digest', DIGEST) };
}

function readSelection(fields: Fields): Manifest['selection'] {
  return {
    databases: fields.isNull('databases') ? null : fields.integers('databases', 0, 2 ** 31 - 1),
    keys: fields.textsOrNull('keys'),
    match: fields.textsOrNull('match'),
    exclude: fields.textsOrNull('exclude'),
    types: fields.textsOrNull('types'),
  };
}

function readShard(fields: Fields): ShardFacts {
  const shard = fields.text('shard');
  if (!isShardId(shard)) throw fields.inconsistent(`'${shard}' is no shard id`);
  const server = fields.fields('server');
  const replication = fields.fieldsOrNull('replication');
  const rdb = fields.fieldsOrNull('rdb');
  return {
    shard,
    slots: fields.isNull('slots') ? null : fields.pairs('slots', 0, HIGHEST_SLOT),
    address: fields.text('address'),
    role: fields.oneOf('role', ['master', 'replica', 'file']),
    server: {
      family: server.text('family', WORD),
      version: server.textOrNull('version'),
      runId: server.textOrNull('runId'),
    },
    replication: replication && {
      replid: replication.text('replid', /^[0-9a-f]{40}$/),
      offset: replication.integer('offset'),
    },
    lineage: fields.textOrNull('lineage'),
    rdb: rdb && {
      version: rdb.integer('version', 1, MAX_RDB_VERSION),
      checksum: rdb.oneOf('checksum', ['verified', 'off']),
      bytes: rdb.integer('bytes'),
    },
    snapshotAt: fields.time('snapshotAt'),
    ...(fields.has('reading') && { reading: readReading(fields.fields('reading')) }),
    ...(fields.has('replayed') && { replayed: readReplayed(fields.fields('replayed')) }),
  };
}

function readReplayed(fields: Fields): ReplayFacts {
  const base = fields.text('base');
  if (!isBackupId(base)) throw fields.inconsistent('its base is no backup id');
  return { base, fromOffset: fields.integer('fromOffset') };
}

function readReading(fields: Fields): ReadingFacts {
  return {
    mode: fields.oneOf('mode', ['psync', 'scan']),
    why: fields.textOrNull('why'),
    vanished: fields.integer('vanished'),
    changed: fields.integer('changed'),
    duplicates: fields.integer('duplicates'),
  };
}

function readDatabase(fields: Fields): DatabaseFacts {
  const keys = fields.integer('keys');
  const expiring = fields.integer('expiring', 0, keys);
  return {
    db: fields.integer('db', 0, 2 ** 31 - 1),
    keys,
    expiring,
    expired: fields.integer('expired', 0, expiring),
    types: fields.counts('types'),
  };
}

function readTotals(fields: Fields): Totals {
  return {
    keys: fields.integer('keys'),
    files: fields.integer('files'),
    blocks: fields.integer('blocks'),
    storedBytes: fields.integer('storedBytes'),
    rawBytes: fields.integer('rawBytes'),
  };
}

function readFile(fields: Fields): DataFileRecord {
  const directory = fields.fields('directory');
  if (!fields.isNull('cipher') || !fields.isNull('keyId')) {
    throw fields.inconsistent('a sealed file where nothing requires to know sealing');
  }
  return {
    name: fields.text('name'),
    kind: fields.oneOf('kind', ['entries', 'instance']),
    shard: fields.text('shard'),
    sequence: fields.integer('sequence'),
    codec: fields.oneOf('codec', ['zstd']),
    cipher: null,
    keyId: null,
    size: fields.integer('size', 0, MAX_FILE_BYTES),
    digest: fields.text('digest', DIGEST),
    directory: {
      offset: directory.integer('offset', 0, MAX_FILE_BYTES),
      length: directory.integer('length', 0, MAX_FILE_BYTES),
      digest: directory.text('digest', DIGEST),
    },
    blocks: fields.integer('blocks'),
    entries: fields.integer('entries'),
    rawBytes: fields.integer('rawBytes'),
  };
}
