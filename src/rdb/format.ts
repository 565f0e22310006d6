/**
 * The numbers of the RDB format, Redis versions 1 to 15 and Valkey 80 (docs/formats/rdb.md).
 * Redis and Valkey numbers above 21 collide: a dump is read in the dialect that its magic names.
 */
import type { Dialect } from './value-sink.ts';

export const OPCODE = {
  eof: 255,
  selectDb: 254,
  expireSeconds: 253,
  expireMs: 252,
  resizeDb: 251,
  aux: 250,
  frequency: 249,
  idle: 248,
  moduleAux: 247,
  functionPreGa: 246,
  function: 245,
  slotInfo: 244,
  /** Redis 8.6: metadata of the next key. Valkey 9: a slot import in progress. */
  keyMetaOrSlotImport: 243,
  /** Redis 8.10: a hash template. Valkey 9.2: an inline command, which we refuse. */
  hashTemplate: 242,
} as const;

/** Opcodes lie from here on, value types below (Redis Enterprise's 101–121 are neither). */
export const FIRST_OPCODE = 242;

export const TYPE = {
  string: 0,
  list: 1,
  set: 2,
  zsetText: 3,
  hash: 4,
  zset: 5,
  modulePreGa: 6,
  module: 7,
  hashZipmap: 9,
  listZiplist: 10,
  setIntset: 11,
  zsetZiplist: 12,
  hashZiplist: 13,
  listQuicklist: 14,
  stream1: 15,
  hashListpack: 16,
  zsetListpack: 17,
  listQuicklist2: 18,
  stream2: 19,
  setListpack: 20,
  stream3: 21,
  /** Valkey 80: hash with field expiry. Redis 7.4 release candidates: a hash, never released. */
  hash22: 22,
  hash23: 23,
  hashExpiry: 24,
  hashListpackExpiry: 25,
  stream4: 26,
  stream5: 27,
  array: 28,
  hashTemplateListpack: 29,
  hashTemplateListpackRef: 30,
  hashTemplateFields: 31,
  hashTemplateFieldsRef: 32,
  keydbCron: 64,
} as const;

/** Special string forms: the low six bits after `11`. */
export const STRING_INT8 = 0;
export const STRING_INT16 = 1;
export const STRING_INT32 = 2;
export const STRING_LZF = 3;

/** The newest versions that this decoder knows. */
export const NEWEST_REDIS_RDB = 15;
export const NEWEST_VALKEY_RDB = 80;

/** How a dump is to be read: from its magic, or from the footer of a DUMP payload. */
export type RdbFormat = { readonly version: number; readonly dialect: Dialect };

export const MAGIC_BYTES = 9;

/** A key longer than this is refused: it would be repeated in every line of a big value. */
export const MAX_KEY_BYTES = 6 << 20;

/**
 * A listpack, ziplist or intset longer than this is refused: it must be held whole. Above what a
 * server takes as one list item, which older versions store as a node of its own.
 */
export const MAX_CONTAINER_BYTES = 640 << 20;

/** AUX fields, functions and module AUX are held whole up to this size. */
export const MAX_SIDE_RECORD_BYTES = 64 << 20;

/** Reads the nine magic bytes; `undefined` when they are none. */
export function parseMagic(bytes: Uint8Array, at: number): RdbFormat | undefined {
  const text = String.fromCharCode(...bytes.subarray(at, at + MAGIC_BYTES));
  const match = /^(?:REDIS(\d{4})|VALKEY(\d{3}))$/.exec(text);
  if (match === null) return undefined;
  if (match[1] !== undefined) return { version: Number(match[1]), dialect: 'redis' };
  return { version: Number(match[2]), dialect: 'valkey' };
}

export function isKnownFormat(format: RdbFormat): boolean {
  if (format.dialect === 'valkey') return format.version === NEWEST_VALKEY_RDB;
  return format.version >= 1 && format.version <= NEWEST_REDIS_RDB;
}
