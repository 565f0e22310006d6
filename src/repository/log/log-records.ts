/**
 * What is stored of a log. An *offset* counts the bytes of a history before the next one, as
 * `master_repl_offset` does: the state "at offset N" is the state after byte N. A run of bytes
 * `[startOffset, endOffset)` therefore leads from the state at `startOffset` to that at
 * `endOffset`. Times are Unix milliseconds by our clock at arrival.
 */

/** `log/<shard>/<lineage>/lineage.json`: an unbroken run of one replication history. */
export type LineageRecord = {
  readonly lineage: string;
  readonly shard: string;
  /** RFC 3339 in UTC with milliseconds. */
  readonly startedAt: string;
  /** The offset that recording began at. */
  readonly startOffset: number;
  readonly replid: string;
  readonly server: { readonly family: string; readonly version: string | null };
  /** How many databases the source has; null when it does not tell. */
  readonly databases: number | null;
  /** Why recording did not go on in the lineage before; null for the first of a shard. */
  readonly gap: GapRecord | null;
};

export type GapRecord = {
  /** The lineage before, and where its recording ended. */
  readonly lineage: string;
  readonly endOffset: number;
  readonly endMs: number;
  /** One sentence. */
  readonly why: string;
  /**
   * From here on the lineage before is an orphan: its bytes came from a master whose successor does
   * not know them. null: it has no orphan tail.
   */
  readonly orphanFrom: number | null;
};

/**
 * What is known of a segment without opening it any further: months of log fit in memory. Where its
 * blocks are and when its bytes came is in its `SegmentDirectory`.
 */
export type SegmentRecord = {
  readonly name: string;
  readonly shard: string;
  readonly lineage: string;
  readonly startOffset: number;
  readonly endOffset: number;
  /** Arrival of its first and last byte. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** The database in force at its start. */
  readonly database: number;
  /** Of the whole object. */
  readonly size: number;
  /** `sha256:<64 hex>` of the raw stream bytes, without the annotations. */
  readonly rawDigest: string;
  /** Name and directory digest of the segment before it in the lineage; null for the first. */
  readonly predecessor: { readonly name: string; readonly digest: string } | null;
  /** `sha256:<64 hex>` of the directory frame. */
  readonly directoryDigest: string;
  /** The ids that the history bore, each from its offset on; the first is in force at the start. */
  readonly replids: readonly ReplicationId[];
  readonly uncertain: readonly UncertainSpan[];
  readonly marks: readonly LogMark[];
  /** Commands that are data, that is not PING, SELECT, REPLCONF, MULTI, EXEC. */
  readonly commands: number;
  /** EVAL and EVALSHA: exact only in the source's own major version. */
  readonly verbatimScripts: number;
  /** Names of commands that the command table does not know (modules, newer servers). */
  readonly unknownCommands: readonly string[];
};

/** Everything that the end of a segment says about it. */
export type SegmentDirectory = SegmentRecord & {
  readonly blocks: readonly SegmentBlock[];
  /**
   * Arrival times, by cuts: the bytes from `offset` up to the next pair's (or the end) were
   * complete at `ms`. Offsets are cuts and rise, times rise.
   */
  readonly times: readonly ArrivalTime[];
  /** (source's clock, offset) pairs that a second connection saw: exact brackets of time. */
  readonly brackets: readonly ArrivalTime[];
};

export type ReplicationId = { readonly offset: number; readonly replid: string };

export type ArrivalTime = { readonly offset: number; readonly ms: number };

export type SegmentBlock = {
  /** Within the object. */
  readonly offset: number;
  readonly storedLength: number;
  /** Of the text with its annotations. */
  readonly rawLength: number;
  /** In the stream. */
  readonly startOffset: number;
  readonly endOffset: number;
  /** In force at its start; of a block that continues, where the command or MULTI began. */
  readonly database: number;
  /**
   * It does not begin at a cut (between commands, outside MULTI … EXEC): what began in an earlier
   * block goes on, because it is larger than a block.
   */
  readonly continues: boolean;
  /** What was inserted into the text: `[position, length, position, length, …]`, rising. */
  readonly inserted: readonly number[];
  /** 64 hex digits: SHA-256 of the stored bytes. */
  readonly digest: string;
};

/** Bytes whose time is an upper bound only: they are from between `sinceMs` and their arrival. */
export type UncertainSpan = {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly sinceMs: number;
};

/** A command that people look for after an accident. */
export type LogMark = {
  /** Six characters of [a-z0-9], from shard, lineage and offset: the same each time. */
  readonly id: string;
  readonly kind: MarkKind;
  /** The command lies in `[startOffset, endOffset)`; "before it" is the last cut at or before. */
  readonly startOffset: number;
  readonly endOffset: number;
  readonly ms: number;
  readonly database: number;
};

export type MarkKind =
  | 'FLUSHALL'
  | 'FLUSHDB'
  | 'SWAPDB'
  | 'FUNCTION'
  | 'SCRIPT'
  | 'TRIMSLOTS'
  | 'CLUSTER';
