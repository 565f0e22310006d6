import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  addKey,
  type Bytes,
  createModel,
  type GroupModel,
  type HashField,
  hashValue,
  keyId,
  type KeyModel,
  type Model,
  setValue,
  type StreamModel,
  streamValue,
  type ValueModel,
  zsetValue,
} from './model.ts';

export { diffModels, type DiffOptions } from './diff-models.ts';
export { fromJsonLines } from './json-lines-reader.ts';
export type { KeyModel, Model, ValueModel } from './model.ts';

/**
 * Ground truth of the fixtures (test/fixtures/README.md): what the servers themselves said about
 * the data in the files, in the comparable model.
 */
const FOLDER = join(import.meta.dirname, '..', 'fixtures');

export type Truth = {
  readonly name: string;
  readonly server: string;
  readonly family: 'redis' | 'valkey' | 'keydb';
  readonly version: readonly [number, number, number];
  /** `REDIS0011`, `VALKEY080`. */
  readonly rdbMagic: string;
  readonly rdbSha256: string;
  /** What decoding the file gives: also keys and fields that had expired when it was written. */
  readonly model: Model;
  /** What a server holds after loading the file: without them. */
  readonly loadedModel: Model;
};

export type PsyncTruth = {
  readonly name: string;
  readonly server: string;
  /** Everything from `+FULLRESYNC` to the final offset; `layout` says where its pieces are. */
  readonly bytes: Buffer;
  readonly layout: {
    readonly fullresync: ByteRange;
    readonly bulkHeader: ByteRange;
    readonly rdb: ByteRange;
    readonly stream: ByteRange;
  };
  readonly framing: 'length' | 'mark';
  readonly replid: string;
  readonly startOffset: number;
  readonly finalOffset: number;
  readonly streamCommands: number;
  /** `[bytes received so far, Unix milliseconds]`. */
  readonly receiveTimes: readonly (readonly [number, number])[];
  /** Keys whose expiry travels as a relative time (before 7.0). */
  readonly relativeTtl: readonly unknown[];
  /** The stream has scripts as they were sent, not what they did (before 5.0). */
  readonly verbatimLua: boolean;
  readonly afterRdb: Model;
  readonly afterStream: Model;
};

export type AofTruth = {
  readonly name: string;
  readonly server: string;
  readonly family: Truth['family'];
  readonly version: Truth['version'];
  /** A tar of `appendonlydir`, before 7.0 of `appendonly.aof`. */
  readonly archive: Buffer;
  /** What a server of the same version read back from these files. */
  readonly model: Model;
};

export type ByteRange = readonly [start: number, end: number];

/** Every fixture that has an RDB file: `redis-7.2.6`, `redis-7.2.6.lfu`, … */
export function truthNames(): string[] {
  return namesEndingWith('.dump.json.gz');
}

/** Every recorded replication link: `redis-7.2.6.psync`, `redis-7.2.6.psync-diskless`, … */
export function psyncNames(): string[] {
  return namesEndingWith('.bin.gz');
}

function namesEndingWith(suffix: string): string[] {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith(suffix));
  return files.map((file) => file.slice(0, -suffix.length)).sort();
}

/** Every recorded AOF: `redis-7.2.6.aofdir`, `redis-7.2.6.aofdir-plain`, … */
export function aofNames(): string[] {
  return namesEndingWith('.tar.gz');
}

export function loadAof(name: string): AofTruth {
  const dump = readJson(`${name}.json.gz`) as Dump;
  const { family, version } = parseServer(dump.server);
  const archive = gunzipSync(readFileSync(join(FOLDER, `${name}.tar.gz`)));
  return { name, server: dump.server, family, version, archive, model: readDump(dump) };
}

export function loadRdb(name: string): Buffer {
  return gunzipSync(readFileSync(join(FOLDER, `${name}.rdb.gz`)));
}

export function loadTruth(name: string): Truth {
  const dump = readJson(`${name}.dump.json.gz`) as Dump;
  const { family, version } = parseServer(dump.server);
  const loadedModel = readDump(dump);
  const model: Model = { ...loadedModel, keys: new Map(loadedModel.keys) };
  addExpired(model, dump);
  return {
    name,
    server: dump.server,
    family,
    version,
    rdbMagic: dump.rdb_magic,
    rdbSha256: dump.rdb_sha256,
    model,
    loadedModel,
  };
}

export function loadPsync(name: string): PsyncTruth {
  const facts = readJson(`${name}.json.gz`) as PsyncFacts;
  const bytes = gunzipSync(readFileSync(join(FOLDER, `${name}.bin.gz`)));
  if (createHash('sha256').update(bytes).digest('hex') !== facts.sha256) {
    throw new Error(`Fixture ${name} is damaged`);
  }
  const { fullresync, bulk_header: bulkHeader, rdb, stream } = facts.layout;
  return {
    name,
    server: facts.server,
    bytes,
    layout: { fullresync, bulkHeader, rdb, stream },
    framing: facts.rdb_mode === 'len' ? 'length' : 'mark',
    replid: facts.replid,
    startOffset: facts.fullresync_offset,
    finalOffset: facts.final_offset,
    streamCommands: facts.stream_commands,
    receiveTimes: facts.recv_times,
    relativeTtl: facts.relative_ttl,
    verbatimLua: facts.verbatim_lua,
    afterRdb: readDump(facts.after_rdb),
    afterStream: readDump(facts.after_stream),
  };
}

type Dump = {
  readonly server: string;
  readonly rdb_magic: string;
  readonly rdb_sha256: string;
  readonly dbs: Record<string, Row[]>;
  readonly functions: readonly { readonly code: string }[];
  readonly expired_in_rdb?: readonly (Row & { readonly db: number })[];
  readonly expired_fields_in_rdb?: readonly ExpiredField[];
};

type ExpiredField = {
  readonly db: number;
  readonly key: string;
  readonly field: string;
  readonly value: string;
  readonly hpexpiretime: number;
};

type PsyncFacts = {
  readonly server: string;
  readonly sha256: string;
  readonly layout: Record<'fullresync' | 'bulk_header' | 'rdb' | 'stream', ByteRange>;
  readonly rdb_mode: string;
  readonly replid: string;
  readonly fullresync_offset: number;
  readonly final_offset: number;
  readonly stream_commands: number;
  readonly recv_times: readonly (readonly [number, number])[];
  readonly relative_ttl: readonly unknown[];
  readonly verbatim_lua: boolean;
  readonly after_rdb: Dump;
  readonly after_stream: Dump;
};

type Row = {
  readonly key: string;
  readonly type: string;
  readonly pexpireat: number;
  readonly freq?: number;
  readonly idletime?: number;
  readonly value: never;
};

type StreamRow = {
  readonly entries: readonly (readonly [string, readonly string[]])[];
  readonly length: number;
  readonly last_id: string;
  readonly max_deleted_id?: string;
  readonly entries_added?: number;
  readonly recorded_first_id?: string;
  readonly groups: readonly GroupRow[];
  readonly idmp?: Record<string, number>;
};

type GroupRow = {
  readonly name: string;
  readonly last_delivered_id: string;
  readonly entries_read?: number | null;
  readonly times_approx?: boolean;
  readonly pel: readonly (readonly [string, string, number, number])[];
  readonly consumers: readonly {
    readonly name: string;
    readonly seen_time: number;
    readonly active_time?: number;
  }[];
};

type VectorRow = {
  readonly dim: number;
  readonly info: Record<string, string | number>;
  readonly elements: readonly {
    readonly element: string;
    readonly attr: string | null;
    readonly raw: { quant: string; blob: string; norm: string; range?: string };
  }[];
};

function readJson(file: string): unknown {
  return JSON.parse(gunzipSync(readFileSync(join(FOLDER, file))).toString('utf8'));
}

function parseServer(server: string): Pick<Truth, 'family' | 'version'> {
  const match = /^(redis|valkey|keydb)-(\d+)\.(\d+)\.(\d+)$/.exec(server);
  if (match === null) throw new Error(`Unknown server "${server}"`);
  const [, family, major, minor, patch] = match;
  return {
    family: family as Truth['family'],
    version: [Number(major), Number(minor), Number(patch)],
  };
}

function readDump(dump: Dump): Model {
  const model = createModel();
  for (const [db, rows] of Object.entries(dump.dbs)) {
    for (const row of rows) addKey(model, readRow(Number(db), row));
  }
  model.functions = dump.functions.map(({ code }) => fromBase64(code)).sort();
  return model;
}

function readRow(db: number, row: Row): KeyModel {
  return {
    db,
    key: fromBase64(row.key),
    type: row.type,
    expireAt: row.pexpireat === -1 ? null : row.pexpireat,
    idleSeconds: row.idletime ?? null,
    frequency: row.freq ?? null,
    value: readRowValue(row.type, row.value),
  };
}

function readRowValue(type: string, value: unknown): ValueModel {
  switch (type) {
    case 'string':
      return { kind: 'string', bytes: fromBase64(value as string) };
    case 'list':
      return { kind: 'list', items: (value as string[]).map(fromBase64) };
    case 'set':
      return setValue((value as string[]).map(fromBase64));
    case 'hash':
      return hashValue((value as [string, string, number?][]).map(readField));
    case 'zset':
      return zsetValue(
        (value as [string, string, string][]).map(([member, , bits]) => [
          fromBase64(member),
          bits === '8000000000000000' ? '0000000000000000' : bits,
        ]),
      );
    case 'stream':
      return readStreamRow(value as StreamRow);
    case 'vectorset':
      return readVectorRow(value as VectorRow);
    default:
      throw new Error(`Unknown type "${type}" in a ground truth file`);
  }
}

function readField([field, value, expireAt]: readonly [string, string, number?]): HashField {
  const expires = expireAt !== undefined && expireAt !== -1;
  return [fromBase64(field), fromBase64(value), expires ? expireAt : null];
}

function readStreamRow(row: StreamRow): ValueModel {
  if (row.entries.length !== row.length) throw new Error('A stream in a ground truth file is cut');
  const stream: StreamModel = {
    entries: row.entries.map(([id, texts]) => [id, texts.map(fromBase64)]),
    lastId: row.last_id,
    firstId: row.recorded_first_id,
    maxDeletedId: row.max_deleted_id,
    entriesAdded: row.entries_added === undefined ? undefined : String(row.entries_added),
    groups: row.groups.map(readGroupRow),
    idmp: row.idmp === undefined ? undefined : readIdmpRow(row.idmp),
  };
  return streamValue(stream);
}

function readGroupRow(row: GroupRow): GroupModel {
  const read = row.entries_read;
  return {
    name: fromBase64(row.name),
    lastId: row.last_delivered_id,
    entriesRead: read === undefined || read === null ? read : String(read),
    consumers: row.consumers.map((consumer) => ({
      name: fromBase64(consumer.name),
      seenAt: consumer.seen_time,
      activeAt: consumer.active_time === -1 ? null : consumer.active_time,
    })),
    pending: row.pel.map(([id, consumer, deliveredAt, deliveries]) => ({
      id,
      consumer: fromBase64(consumer),
      deliveredAt,
      deliveries,
    })),
    timesApprox: row.times_approx ?? false,
  };
}

function readIdmpRow(row: Record<string, number>): StreamModel['idmp'] {
  return {
    duration: row['idmp-duration'] ?? 0,
    maxSize: row['idmp-maxsize'] ?? 0,
    iidsAdded: row['iids-added'] ?? 0,
    iidsDuplicates: row['iids-duplicates'] ?? 0,
    producers: row['pids-tracked'] ?? 0,
    iids: row['iids-tracked'] ?? 0,
  };
}

function readVectorRow(row: VectorRow): ValueModel {
  const elements = row.elements.map(({ element, attr, raw }) => ({
    element: fromBase64(element),
    attributes: attr === null ? null : fromBase64(attr),
    raw: fromBase64(raw.blob),
    norm: raw.norm,
    range: raw.range ?? null,
  }));
  elements.sort((a, b) => (a.element < b.element ? -1 : 1));
  const quantization = String(row.info['quant-type']);
  return { kind: 'vectorset', vectors: { dim: row.dim, quantization, elements } };
}

function addExpired(model: Model, dump: Dump): void {
  for (const row of dump.expired_in_rdb ?? []) addKey(model, readRow(row.db, row));
  for (const row of dump.expired_fields_in_rdb ?? []) {
    const key = fromBase64(row.key);
    const id = keyId(row.db, key);
    const field: HashField = [fromBase64(row.field), fromBase64(row.value), row.hpexpiretime];
    const there = model.keys.get(id);
    const others = there?.value.kind === 'hash' ? there.value.fields : [];
    const base = there ?? { db: row.db, key, type: 'hash', expireAt: null, idleSeconds: null };
    model.keys.set(id, { frequency: null, ...base, value: hashValue([...others, field]) });
  }
}

function fromBase64(text: string): Bytes {
  return Buffer.from(text, 'base64').toString('latin1');
}
