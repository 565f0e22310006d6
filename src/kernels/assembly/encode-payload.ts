import { crc64 } from './crc64';
import { PAYLOAD } from './encode-memory';
import { putLength } from './encode-compact';

/**
 * One value as RESTORE takes it: type byte, body, RDB version, checksum. The body is written first;
 * what stands before it is put in front when it is known (src/rdb/encode/value-buffer.ts).
 */
const HEADROOM: usize = 64;
export const BODY: usize = PAYLOAD + HEADROOM;

export let payloadAt: usize = 0;
export let payloadEnd: usize = 0;

/** The numbers of src/rdb/format.ts. */
export const TYPE_STRING: u32 = 0;
export const TYPE_SET: u32 = 2;
export const TYPE_HASH: u32 = 4;
export const TYPE_ZSET: u32 = 5;
export const TYPE_SET_INTSET: u32 = 11;
export const TYPE_ZSET_ZIPLIST: u32 = 12;
export const TYPE_HASH_ZIPLIST: u32 = 13;
export const TYPE_LIST_QUICKLIST: u32 = 14;
export const TYPE_STREAM1: u32 = 15;
export const TYPE_HASH_LISTPACK: u32 = 16;
export const TYPE_ZSET_LISTPACK: u32 = 17;
export const TYPE_LIST_QUICKLIST2: u32 = 18;
export const TYPE_STREAM2: u32 = 19;
export const TYPE_SET_LISTPACK: u32 = 20;
export const TYPE_STREAM3: u32 = 21;

/** The oldest RDB version that has one of the types above (src/rdb/encode/target-format.ts). */
function oldestVersionOf(type: u32): u16 {
  if (type <= TYPE_HASH || (type >= TYPE_SET_INTSET && type <= TYPE_HASH_ZIPLIST)) return 6;
  if (type === TYPE_LIST_QUICKLIST) return 7;
  if (type === TYPE_ZSET) return 8;
  if (type === TYPE_STREAM1) return 9;
  if (type <= TYPE_STREAM2) return 10;
  return 11;
}

/** Completes a value whose body ends at `end`. */
export function seal(type: u32, end: usize): void {
  payloadAt = BODY - 1;
  finish(type, end);
}

/** As `seal`, with a number in front of the body: of elements, or of the bytes of a container. */
export function sealCounted(type: u32, count: usize, end: usize): void {
  const bytes: usize = count < 64 ? 1 : count < 16384 ? 2 : 5;
  putLength(BODY - bytes, count);
  payloadAt = BODY - bytes - 1;
  finish(type, end);
}

export function sealContainer(type: u32, end: usize): void {
  sealCounted(type, end - BODY, end);
}

function finish(type: u32, end: usize): void {
  store<u8>(payloadAt, <u8>type);
  store<u16>(end, oldestVersionOf(type));
  store<u64>(end, crc64(0, payloadAt, end + 2), 2);
  payloadEnd = end + 10;
}
