/**
 * A manifest: all that is known about one backup, and the only thing that makes it one. It is
 * written last, when every file it names is durable (docs/formats/repository.md, "Manifests").
 *
 * Times are RFC 3339 in UTC with milliseconds (`2026-11-22T12:30:00.000Z`), digests are
 * `sha256:<64 hex>`, sizes are bytes. `null` means not known.
 */
export type Manifest = BackupFacts & {
  readonly id: string;
  /** Id of the repository. */
  readonly repository: string;
  /** Id of the source. */
  readonly source: string;
  /** What a reader has to know to read this backup; see KNOWN_REQUIREMENTS. */
  readonly requires: readonly string[];
  readonly optional: readonly string[];
  readonly writer: { readonly name: string; readonly version: string };
  /** Backups without which this one cannot be restored. Empty for a full backup. */
  readonly parents: readonly string[];
  /** The newest backup of the source when this one was committed: removal and rollback show. */
  readonly predecessor: { readonly id: string; readonly digest: string } | null;
  /** Into how many ranges of hash slots the blocks of the data files are partitioned, 1 to 16. */
  readonly slotRanges: number;
  readonly totals: Totals;
  readonly files: readonly DataFileRecord[];
};

/** The part of a manifest that whoever makes the backup knows. */
export type BackupFacts = {
  readonly consistency: 'point-in-time' | 'fuzzy';
  readonly startedAt: string;
  /** The instant that the backup shows; of a fuzzy one, the start of reading. */
  readonly snapshotAt: string;
  readonly endedAt: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly selection: Selection;
  /** Name of the topology object that was true at the time. */
  readonly topology: string | null;
  readonly shards: readonly ShardFacts[];
  /** In order of `db`; a database without keys is left out. */
  readonly databases: readonly DatabaseFacts[];
  /** How often something could not be expressed exactly, by reason. Normally empty. */
  readonly lossy: Readonly<Record<string, number>>;
};

/** `null`: no restriction. Keys and patterns are written as in the entries (`base64:` …). */
export type Selection = {
  readonly databases: readonly number[] | null;
  readonly keys: readonly string[] | null;
  readonly match: readonly string[] | null;
  readonly exclude: readonly string[] | null;
  readonly types: readonly string[] | null;
};

export const EVERYTHING: Selection = {
  databases: null,
  keys: null,
  match: null,
  exclude: null,
  types: null,
};

export type ShardFacts = {
  readonly shard: string;
  /** Inclusive ranges of hash slots owned at the snapshot; null outside a cluster. */
  readonly slots: readonly (readonly [number, number])[] | null;
  /** Where it was read; never with a password. */
  readonly address: string;
  readonly role: 'master' | 'replica' | 'file';
  readonly server: {
    readonly family: string;
    readonly version: string | null;
    readonly runId: string | null;
  };
  /** The place in the replication history that the snapshot shows; null where there is none. */
  readonly replication: { readonly replid: string; readonly offset: number } | null;
  /** Id of the recorded lineage that contains this place. */
  readonly lineage: string | null;
  readonly rdb: {
    readonly version: number;
    /** `off`: the server wrote none, so nothing could be verified. */
    readonly checksum: 'verified' | 'off';
    readonly bytes: number;
  } | null;
  readonly snapshotAt: string;
  /** How a live server was read; absent for imported files, and from writers before 0.2. */
  readonly reading?: ReadingFacts;
  /** Made from an earlier backup and the log, not read from the source; otherwise absent. */
  readonly replayed?: ReplayFacts;
};

/** The place that was replayed to is the shard's `replication`. */
export type ReplayFacts = {
  /** Id of the backup that the replay began with. */
  readonly base: string;
  /** The offset of the lineage that this backup shows. */
  readonly fromOffset: number;
};

export type ReadingFacts = {
  /** `scan`: key by key, which is never of one instant. */
  readonly mode: 'psync' | 'scan';
  /** Why the server could not be read by PSYNC; null where it was, or SCAN was asked for. */
  readonly why: string | null;
  /** Keys that were listed and gone when they were read. */
  readonly vanished: number;
  /** Big keys that were written to while they were read in parts. */
  readonly changed: number;
  /** Keys that were listed more than once, and taken once. */
  readonly duplicates: number;
};

export type DatabaseFacts = {
  readonly db: number;
  readonly keys: number;
  /** How many of the keys have an expiry. */
  readonly expiring: number;
  /** How many of those had already expired at the snapshot. */
  readonly expired: number;
  /** Keys by entry type; they add up to `keys`. */
  readonly types: Readonly<Record<string, number>>;
};

export type Totals = {
  readonly keys: number;
  readonly files: number;
  readonly blocks: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
};

/** One data file as a manifest names it: enough to read and verify it. */
export type DataFileRecord = {
  /** Object name within the repository; may lie in another backup's folder. */
  readonly name: string;
  readonly kind: DataFileKind;
  readonly shard: string;
  /** From 1 within the shard; 0 for the instance record. */
  readonly sequence: number;
  readonly codec: 'zstd';
  readonly cipher: null;
  readonly keyId: null;
  readonly size: number;
  /** Of the whole file. */
  readonly digest: string;
  /** The directory frame. */
  readonly directory: {
    readonly offset: number;
    readonly length: number;
    readonly digest: string;
  };
  readonly blocks: number;
  /** Keys that begin in this file; lines of an instance record. */
  readonly entries: number;
  readonly rawBytes: number;
};

export type DataFileKind = 'entries' | 'instance';

export const MANIFEST_FORMAT = 'tidemark-manifest';

/** Far above what a backup of 500 data files in a cluster of 1,000 shards needs. */
export const MAX_MANIFEST_BYTES = 256 << 20;
