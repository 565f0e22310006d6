/**
 * The waist of Tidemark: how one value is handed from whoever reads it (RDB decoder, JSON Lines
 * parser) to whoever writes it (JSON Lines, RESTORE payloads, commands, value digest). Calls carry
 * byte ranges of the producer's buffers; they are valid during the call only and must be copied to
 * be kept. Nothing is allocated per element.
 *
 * Order of calls: `begin`, then by kind
 *   string   one text
 *   list     a text per item
 *   set      a text per member
 *   hash     a text per field, one for its value, then `fieldExpireAt` if that field expires
 *   zset     a text per member, then `score`
 *   stream   `streamEntry` and its texts (field, value, field, …) per entry, then `streamEnd`
 *   array    `arrayIndex`, then a text, per item
 *   opaque   one text: the payload bytes, without the RDB type byte
 * then `end`. A text longer than TEXT_PIECE_BYTES comes as several calls, all but the last of them
 * of exactly that size.
 */
export interface ValueSink {
  /**
   * `count`: bytes of a string; elements of a collection (pairs of a hash, live entries of a
   * stream); -1 where the producer does not know before the end.
   */
  begin(kind: ValueKind, count: number): void;
  /** `total`: bytes of the whole text, -1 only for an opaque payload of unknown length. */
  text(bytes: Uint8Array, start: number, end: number, last: boolean, total: number): void;
  /** IEEE double; may be infinite or -0, never NaN. */
  score(value: number): void;
  /** Unix milliseconds, an exact integer. */
  fieldExpireAt(ms: number): void;
  /** The two 64-bit halves of an entry id, each as unsigned 32-bit high and low words. */
  streamEntry(msHigh: number, msLow: number, seqHigh: number, seqLow: number, pairs: number): void;
  streamEnd(info: StreamInfo): void;
  /** Given once, before the items, when the array has an insert index. */
  arrayInsertIndex(index: bigint): void;
  arrayIndex(index: bigint): void;
  /** Given once after `begin('opaque')`. */
  opaque(value: OpaqueInfo): void;
  end(): void;
}

export const TEXT_PIECE_BYTES = 1 << 20;

export type ValueKind = 'string' | 'list' | 'set' | 'hash' | 'zset' | 'stream' | 'array' | 'opaque';

export type Dialect = 'redis' | 'valkey';

/** 128-bit stream ids, compared as (ms, seq). */
export type StreamId = { readonly ms: bigint; readonly seq: bigint };

/** What a stream knows beside its entries. `null`: the source's format did not say. */
export type StreamInfo = {
  readonly length: bigint;
  readonly lastId: StreamId;
  readonly firstId: StreamId | null;
  readonly maxDeletedId: StreamId | null;
  readonly entriesAdded: bigint | null;
  readonly groups: readonly StreamGroup[];
  readonly idmp: StreamIdmp | null;
};

export type StreamGroup = {
  readonly name: Uint8Array;
  readonly lastId: StreamId;
  /** `null`: unknown (−1 in the format, or a format without it). */
  readonly entriesRead: bigint | null;
  readonly consumers: readonly StreamConsumer[];
  readonly pending: readonly StreamPending[];
};

export type StreamConsumer = {
  readonly name: Uint8Array;
  readonly seenAtMs: number;
  /** `null`: never active, or a format before RDB 11. */
  readonly activeAtMs: number | null;
};

export type StreamPending = {
  readonly id: StreamId;
  /** Index into `consumers`; -1 for an entry given back by XNACK (RDB 14). */
  readonly consumer: number;
  readonly deliveredAtMs: number;
  readonly deliveries: bigint;
};

/** Idempotent-producer state (RDB 13). */
export type StreamIdmp = {
  readonly durationSeconds: bigint;
  readonly maxSize: bigint;
  readonly producers: readonly {
    readonly id: Uint8Array;
    readonly iids: readonly { readonly iid: Uint8Array; readonly entryId: StreamId }[];
  }[];
  readonly iidsAdded: bigint;
  readonly iidsDuplicates: bigint;
};

/** A value that travels undecoded: a module's, or a native type that we do not know well enough. */
export type OpaqueInfo = {
  readonly rdbType: number;
  readonly rdbVersion: number;
  readonly dialect: Dialect;
  /** The module type's nine characters, when it is a module value. */
  readonly moduleName: string | null;
};
