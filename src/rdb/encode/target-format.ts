import { assert } from '../../base/index.ts';
import { TYPE } from '../format.ts';
import type { Dialect } from '../value-sink.ts';

export type ServerFamily = 'redis' | 'valkey' | 'keydb';

/**
 * What a server can be given: the facts about a target that decide how values are encoded
 * (docs/formats/rdb.md, versions; DUMP and RESTORE). Plain data, may cross to a worker.
 */
export type TargetFormat = {
  readonly family: ServerFamily;
  readonly dialect: Dialect;
  /** The newest RDB version that the server writes and reads. */
  readonly rdbVersion: number;
  /** Listpack hashes, zsets and list nodes (types 16 to 18); ziplists otherwise. */
  readonly listpacks: boolean;
  readonly setListpacks: boolean;
  readonly quicklists: boolean;
  /** Type 5; decimal text (type 3) otherwise. */
  readonly binaryScores: boolean;
  /** The newest stream type; 0: no streams. */
  readonly streamType: number;
  /** 'redis': types 24 and 25. 'valkey': its own type 22. */
  readonly fieldExpiry: 'none' | Dialect;
  readonly arrays: boolean;
  readonly functions: boolean;
  /** The one module type that is built in (Redis 8.0). */
  readonly vectorSets: boolean;
};

/** Sizes up to which servers keep compact encodings by default. */
export const LIMIT = {
  hashPairs: 512,
  zsetMembers: 128,
  intsetMembers: 512,
  setMembers: 128,
  listItems: 512,
  textBytes: 64,
  listNodeBytes: 8192,
  streamNodeEntries: 100,
  streamNodeBytes: 4096,
} as const;

/** `7.0.15` as 70015: two digits each for minor and patch. */
export function versionNumber(text: string): number {
  const [major = 0, minor = 0, patch = 0] = text
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  const number = major * 10000 + (minor || 0) * 100 + (patch || 0);
  assert(Number.isInteger(number), `${text} is no version`);
  return number;
}

/** The newest RDB version of a server; `version` as `versionNumber` gives it. */
export function rdbVersionOf(family: ServerFamily, version: number): number {
  if (family === 'keydb') return 9;
  if (family === 'valkey') return version >= 90000 ? 80 : 11;
  for (const [since, rdb] of REDIS_VERSIONS) if (version >= since) return rdb;
  return 6;
}

const REDIS_VERSIONS: readonly (readonly [number, number])[] = [
  [81000, 15],
  [80800, 14],
  [80600, 13],
  [70400, 12],
  [70200, 11],
  [70000, 10],
  [50000, 9],
  [40000, 8],
  [30200, 7],
];

/** How values for a server are encoded; `version` as `versionNumber` gives it: 7.0.15 is 70015. */
export function targetFormat(family: ServerFamily, version: number): TargetFormat {
  const format = formatOfRdb(family, rdbVersionOf(family, version));
  return { ...format, vectorSets: family === 'redis' && version >= 80000 };
}

/** As `targetFormat`, for files and replicas of which only the RDB version is known. */
export function formatOfRdb(family: ServerFamily, rdbVersion: number): TargetFormat {
  const valkey = family === 'valkey';
  assert(!(valkey && rdbVersion > 11 && rdbVersion < 80), `RDB ${rdbVersion} is not of Valkey`);
  // Valkey branched off at RDB 11; of what Redis added since it has nothing
  const redis = valkey ? Math.min(rdbVersion, 11) : rdbVersion;
  let fieldExpiry: TargetFormat['fieldExpiry'] = 'none';
  if (valkey && rdbVersion >= 80) fieldExpiry = 'valkey';
  else if (redis >= 12) fieldExpiry = 'redis';
  return {
    family,
    dialect: valkey ? 'valkey' : 'redis',
    rdbVersion,
    listpacks: redis >= 10,
    setListpacks: redis >= 11,
    quicklists: redis >= 7,
    binaryScores: redis >= 8,
    streamType: newestStream(redis),
    fieldExpiry,
    arrays: redis >= 14,
    functions: redis >= 10,
    vectorSets: redis >= 12,
  };
}

function newestStream(redisRdb: number): number {
  if (redisRdb >= 14) return TYPE.stream5;
  if (redisRdb >= 13) return TYPE.stream4;
  if (redisRdb >= 11) return TYPE.stream3;
  if (redisRdb >= 10) return TYPE.stream2;
  return redisRdb >= 9 ? TYPE.stream1 : 0;
}

/**
 * The oldest RDB version that has a type: what goes into a DUMP footer, since servers take any
 * version up to their own, except that those before 3.2 want exactly 6. `undefined`: not a type
 * that we know.
 */
export function oldestVersionOf(type: number, dialect: Dialect): number | undefined {
  if (type <= TYPE.hash || (type >= TYPE.hashZipmap && type <= TYPE.hashZiplist)) return 6;
  switch (type) {
    case TYPE.listQuicklist:
      return 7;
    case TYPE.zset:
    case TYPE.module:
      return 8;
    case TYPE.stream1:
      return 9;
    case TYPE.hashListpack:
    case TYPE.zsetListpack:
    case TYPE.listQuicklist2:
    case TYPE.stream2:
      return 10;
    case TYPE.setListpack:
    case TYPE.stream3:
      return 11;
    case TYPE.hash22:
      return dialect === 'valkey' ? 80 : undefined;
    default:
      return dialect === 'redis' ? oldestVersionOfRedis(type) : undefined;
  }
}

function oldestVersionOfRedis(type: number): number | undefined {
  switch (type) {
    case TYPE.hashExpiry:
    case TYPE.hashListpackExpiry:
      return 12;
    case TYPE.stream4:
      return 13;
    case TYPE.stream5:
    case TYPE.array:
      return 14;
    case TYPE.hashTemplateListpack:
    case TYPE.hashTemplateFields:
      return 15;
    default:
      return undefined;
  }
}
