import { CodedError } from '../../base/index.ts';
import {
  formatOfRdb,
  type TargetFamily,
  targetFormat,
  type TargetFormat,
  versionNumber,
} from '../../rdb/index.ts';
import type { Manifest, ShardFacts } from '../../repository/index.ts';

/** The server for which an export is written. Plain data. */
export type ExportTarget = {
  readonly family: TargetFamily;
  /** What the file says it comes from: `7.0.15`. */
  readonly version: string;
  /** As `versionNumber` gives it; a patch that was not named counts as the newest. */
  readonly number: number;
  readonly format: TargetFormat;
};

/** The first server that writes a version of the format. */
const FIRST_WRITERS: Readonly<Record<number, readonly [TargetFamily, string]>> = {
  6: ['redis', '2.8.0'],
  7: ['redis', '3.2.0'],
  8: ['redis', '4.0.0'],
  9: ['redis', '5.0.0'],
  10: ['redis', '7.0.0'],
  11: ['redis', '7.2.0'],
  12: ['redis', '7.4.0'],
  13: ['redis', '8.6.0'],
  14: ['redis', '8.8.0'],
  15: ['redis', '8.10.0'],
  80: ['valkey', '9.0.0'],
};

const OLDEST = { redis: 20600, valkey: 70200, keydb: 60000 } as const;
const NEWEST_PATCH = 99;

/** Vector sets of Redis 8.0.3 are bad data to the versions before it, which end on such a file. */
const VECTOR_SETS_CHANGED = 80003;

/** Reads `redis-7.0`, `valkey-8.1.1`, `keydb-6.3`, `rdb:12`. Throws USAGE. */
export function parseExportTarget(text: string): ExportTarget {
  const rdb = /^rdb:(\d{1,3})$/i.exec(text)?.[1];
  const first = rdb === undefined ? undefined : FIRST_WRITERS[Number(rdb)];
  if (first !== undefined) {
    const [family, version] = first;
    const number = versionNumber(version);
    return { family, version, number, format: formatOfRdb(family, Number(rdb)) };
  }
  const match = /^(redis|valkey|keydb)-(\d{1,2}\.\d{1,2}(?:\.\d{1,2})?)$/i.exec(text);
  if (match !== null) {
    const family = match[1].toLowerCase() as TargetFamily;
    const target = serverTarget(family, match[2]);
    if (target.number >= OLDEST[family]) return target;
  }
  throw new CodedError('USAGE', `Cannot write for '${text}'`, {
    hint: 'Name a server as in redis-7.0, valkey-8.1, keydb-6.3, or a format as in rdb:12',
  });
}

function serverTarget(family: TargetFamily, named: string): ExportTarget {
  const hasPatch = named.split('.').length === 3;
  const number = versionNumber(hasPatch ? named : `${named}.${NEWEST_PATCH}`);
  const version = hasPatch ? named : `${named}.0`;
  return { family, version, number, format: targetFormat(family, number) };
}

/**
 * The server that a backup was taken of; of several shards the newest, which holds what the others
 * do. USAGE where the backup does not know.
 */
export function sourceTarget(manifest: Manifest): ExportTarget {
  const known = manifest.shards.flatMap((shard) => shardTarget(shard) ?? []);
  const newest = known.sort((a, b) => b.number - a.number)[0];
  if (newest !== undefined) return newest;
  throw new CodedError('USAGE', 'Cannot know for which server to write: the backup does not say', {
    hint: 'Name it with --for, as in --for redis-7.0',
  });
}

function shardTarget({ server, rdb }: ShardFacts): ExportTarget | undefined {
  const family = (['redis', 'valkey', 'keydb'] as const).find((name) => name === server.family);
  if (family === undefined) return undefined;
  const version = /^\d+\.\d+(\.\d+)?/.exec(server.version ?? '')?.[0];
  if (version !== undefined) return serverTarget(family, version);
  if (rdb === null) return undefined;
  const first = FIRST_WRITERS[rdb.version];
  return first === undefined ? undefined : serverTarget(first[0], first[1]);
}

/** A target with what is known of the source: see VECTOR_SETS_CHANGED. */
export function targetForSource(target: ExportTarget, manifest: Manifest): ExportTarget {
  const { number, format } = target;
  if (!format.vectorSets || number >= VECTOR_SETS_CHANGED) return target;
  const isOfSuch = manifest.shards.every((shard) => {
    const source = shardTarget(shard);
    return source !== undefined && source.number < VECTOR_SETS_CHANGED;
  });
  return isOfSuch ? target : { ...target, format: { ...format, vectorSets: false } };
}
