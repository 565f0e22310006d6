import { writeAscii, fillDecimalTables, writeI64 } from './decimal';
import { fillTextTables, writeText } from './json-text';
import { fillKeyTables, keySlot, mix, murmur3 } from './key-hash';
import { fillExactPowers } from './parse-double';
import { fillPowersOfTen } from './powers-of-ten';
import {
  ip,
  openInput,
  readLength,
  readMilliseconds,
  readString,
  seek,
  setUnpackArea,
  stop,
  textEnd,
  textStart,
} from './rdb-input';
import { writeStream } from './streams';
import { writeHash, writeList, writeSet, writeString, writeZset } from './values';

/**
 * RDB entries to JSON Lines, batch by batch: src/kernels/transcode-kernel.ts says what each export
 * does. Memory: tables below 512 KiB, the batch at INPUT, one decompressed string at UNPACKED, then
 * the slots, each with the lines of a block in the making and the hashes of its keys.
 */
export const INPUT: usize = 1 << 20;
export const INPUT_BYTES: usize = 5 << 20;
const UNPACKED: usize = 7 << 20;
const UNPACKED_BYTES: usize = 1 << 20;
const FILTER: usize = 9 << 20;
export const SLOTS: usize = 10 << 20;
/** Lines of up to BLOCK_BYTES and another of up to LINE_BYTES, slack, then hashes. */
export const SLOT_BYTES: usize = (2 << 20) + (256 << 10);
export const SLOT_HASHES: usize = (2 << 20) + (128 << 10);
const MAX_ENTRIES: u32 = 32768;
export const SLOT_COUNT: i32 = 22;
const MAX_RANGES: i32 = 256;

/** A slot that is never sealed, for entries that nobody wants. */
const WASTE: i32 = 22;

const BLOCK_BYTES: u32 = 1 << 20;
/** A longer line may have to be cut. */
export const LINE_BYTES: usize = 1 << 20;

/** What `run` stopped for. */
const ENDED: i32 = 0;
const NOT_OURS: i32 = 1;
const NEEDS_SLOT: i32 = 2;
const FULL: i32 = 3;
const CROWDED: i32 = 4;

/** By slot range: the slot of its open block in the present database, or -1. */
export const RANGE_SLOTS: usize = memory.data(256 * 4, 16);
/** By slot: bytes of lines, and number of lines. */
export const SLOT_LENGTHS: usize = memory.data(32 * 4, 16);
export const SLOT_ENTRIES: usize = memory.data(32 * 4, 16);

/** Keys by kind (string, list, set, hash, zset, stream), expiring, expired, read. */
export const COUNTS: usize = memory.data(16 * 4, 16);
const EXPIRING: usize = 6 * 4;
const EXPIRED: usize = 7 * 4;
const SCANNED: usize = 8 * 4;

const PREFIX = memory.data(64, 16);
let prefixBytes: usize = 0;

let ranges: u32 = 1;
let snapshotAt: f64 = 0;
let isRedis: bool = true;
let wantedKinds: u32 = 0;
let isWantedDatabase: bool = true;
let openBytes: u32 = 0;
let maxOpenBytes: u32 = 0;

/** The range that `run` stopped for. */
let present: u32 = 0;

fillDecimalTables();
fillTextTables();
fillKeyTables();
fillExactPowers();
fillPowersOfTen();
setUnpackArea(UNPACKED, UNPACKED_BYTES);

export function configure(slotRanges: u32, kinds: u32, snapshotAtMs: f64, mostOpen: u32): void {
  ranges = slotRanges;
  wantedKinds = kinds;
  snapshotAt = snapshotAtMs;
  maxOpenBytes = mostOpen;
  memory.fill(RANGE_SLOTS, 0xff, (<usize>MAX_RANGES) << 2);
}

export function setDatabase(db: f64, wanted: bool): void {
  isWantedDatabase = wanted;
  const op = writeI64(writeAscii(PREFIX, '{"db":'), <i64>db);
  prefixBytes = writeAscii(op, ',"key":') - PREFIX;
}

export function beginBatch(size: usize, redis: bool): void {
  openInput(INPUT, INPUT + size);
  isRedis = redis;
}

export function position(): usize {
  return ip - INPUT;
}

export function setPosition(at: usize): void {
  seek(INPUT + at);
}

export function presentRange(): u32 {
  return present;
}

export function addOpenBytes(bytes: i32): u32 {
  openBytes += bytes;
  return openBytes;
}

/** Reads entries until it must stop. */
export function run(): i32 {
  while (true) {
    const status = entry();
    if (status >= 0) return status;
  }
}

/** One entry; -1: it is done, go on. */
function entry(): i32 {
  const from = ip;
  let expireAt: i64 = -1;
  let idle: i32 = -1;
  let frequency: i32 = -1;
  let inKey = false;
  let type: u32 = 0;
  for (;;) {
    if (ip >= stop) return inKey ? notOurs(from) : ENDED;
    type = load<u8>(ip);
    seek(ip + 1);
    if (type < 242) break;
    if (type === 252) {
      if (stop - ip < 8) return notOurs(from);
      expireAt = readMilliseconds();
    } else if (type === 253) {
      if (stop - ip < 4) return notOurs(from);
      expireAt = <i64>load<i32>(ip) * 1000;
      seek(ip + 4);
    } else if (type === 249) {
      if (ip >= stop) return notOurs(from);
      frequency = load<u8>(ip);
      seek(ip + 1);
    } else if (type === 248) {
      idle = readLength();
      if (idle < 0) return notOurs(from);
    } else if (type === 251 || type === 244) {
      for (let i = type === 251 ? 2 : 3; i > 0; i--) if (readLength() < 0) return notOurs(from);
      continue;
    } else return notOurs(from);
    inKey = true;
  }
  const kind = kindOf(type);
  if (kind < 0 || !readString()) return notOurs(from);
  const hash = murmur3(textStart, textEnd);
  const isWanted = isWantedDatabase && ((wantedKinds >> kind) & 1) === 1;
  let slot = WASTE;
  if (isWanted) {
    present = ranges === 1 ? 0 : (keySlot(textStart, textEnd) * ranges) >> 14;
    slot = load<i32>(RANGE_SLOTS + (present << 2));
    if (slot < 0) {
      seek(from);
      return NEEDS_SLOT;
    }
  }
  const base = SLOTS + <usize>slot * SLOT_BYTES;
  const begin = base + load<u32>(SLOT_LENGTHS + (slot << 2));
  const limit = begin + LINE_BYTES;
  v128.store(begin, v128.load(PREFIX));
  v128.store(begin + 16, v128.load(PREFIX + 16));
  let op = writeText(begin + prefixBytes, limit, textStart, textEnd);
  if (op === 0 || op > limit) return notOurs(from);
  if (kind === 0) op = writeAscii(op, ',"type":"string"');
  else op = writeKind(op, kind);
  if (inKey) op = writeAttributes(op, expireAt, idle, frequency);
  op = writeValue(writeAscii(op, ',"value":'), limit, type, kind);
  if (op === 0 || op > limit) return notOurs(from);
  // }\n
  store<u16>(op, 0x0a7d);
  op += 2;
  if (op - begin > LINE_BYTES) return notOurs(from);
  add(COUNTS + SCANNED, 1);
  if (!isWanted) return -1;
  add(COUNTS + (kind << 2), 1);
  if (expireAt !== -1) {
    add(COUNTS + EXPIRING, 1);
    if (<f64>expireAt <= snapshotAt) add(COUNTS + EXPIRED, 1);
  }
  return commit(slot, base, <u32>(op - begin), hash);
}

function commit(slot: i32, base: usize, bytes: u32, hash: u32): i32 {
  const entries = load<u32>(SLOT_ENTRIES + (slot << 2));
  store<u32>(base + SLOT_HASHES + (entries << 2), hash);
  store<u32>(SLOT_ENTRIES + (slot << 2), entries + 1);
  const length = load<u32>(SLOT_LENGTHS + (slot << 2)) + bytes;
  store<u32>(SLOT_LENGTHS + (slot << 2), length);
  openBytes += bytes;
  if (length >= BLOCK_BYTES || entries + 1 === MAX_ENTRIES) return FULL;
  return openBytes > maxOpenBytes ? CROWDED : -1;
}

function notOurs(from: usize): i32 {
  seek(from);
  return NOT_OURS;
}

function add(at: usize, count: u32): void {
  store<u32>(at, load<u32>(at) + count);
}

/** String, list, set, hash, zset, stream: 0 to 5; -1 for what is not for the kernel. */
function kindOf(type: u32): i32 {
  switch (type) {
    case 0:
      return 0;
    case 1:
    case 10:
    case 14:
    case 18:
      return 1;
    case 2:
    case 11:
    case 20:
      return 2;
    case 4:
    case 9:
    case 13:
    case 16:
      return 3;
    case 3:
    case 5:
    case 12:
    case 17:
      return 4;
    case 15:
    case 19:
    case 21:
      return 5;
    case 26:
    case 27:
      return isRedis ? 5 : -1;
    default:
      return -1;
  }
}

function writeKind(op: usize, kind: i32): usize {
  switch (kind) {
    case 1:
      return writeAscii(op, ',"type":"list"');
    case 2:
      return writeAscii(op, ',"type":"set"');
    case 3:
      return writeAscii(op, ',"type":"hash"');
    case 4:
      return writeAscii(op, ',"type":"zset"');
    default:
      return writeAscii(op, ',"type":"stream"');
  }
}

function writeAttributes(op: usize, expireAt: i64, idle: i32, frequency: i32): usize {
  if (expireAt !== -1) op = writeI64(writeAscii(op, ',"expireAt":'), expireAt);
  if (idle !== -1) op = writeI64(writeAscii(op, ',"idleSeconds":'), idle);
  if (frequency !== -1) op = writeI64(writeAscii(op, ',"frequency":'), frequency);
  return op;
}

function writeValue(op: usize, limit: usize, type: u32, kind: i32): usize {
  switch (kind) {
    case 0:
      return writeString(op, limit);
    case 1:
      return writeList(op, limit, type);
    case 2:
      return writeSet(op, limit, type);
    case 3:
      return writeHash(op, limit, type);
    case 4:
      return writeZset(op, limit, type);
    default:
      return writeStream(op, limit, versionOf(type));
  }
}

function versionOf(type: u32): u32 {
  if (type === 15) return 1;
  if (type === 19) return 2;
  if (type === 21) return 3;
  return type - 22;
}

/** Writes the Bloom filter of a slot's keys to FILTER; its place. */
export function buildFilter(slot: i32, bits: u32): usize {
  memory.fill(FILTER, 0, bits >> 3);
  // n mod bits by two multiplications (D. Lemire, "Faster remainder by direct computation").
  const magic = u64.MAX_VALUE / bits + 1;
  const hashes = SLOTS + <usize>slot * SLOT_BYTES + SLOT_HASHES;
  const entries = load<u32>(SLOT_ENTRIES + (slot << 2));
  for (let i: u32 = 0; i < entries; i++) {
    let probe = load<u32>(hashes + (i << 2));
    const step = mix(probe ^ 0x9e3779b9) | 1;
    for (let j = 0; j < 7; j++) {
      const low = magic * probe;
      const bit = <u32>(((low >> 32) * bits + (((low & 0xffffffff) * bits) >> 32)) >> 32);
      const at = FILTER + (bit >> 3);
      store<u8>(at, <u8>(<u32>load<u8>(at) | (<u32>1 << (bit & 7))));
      probe += step;
    }
  }
  return FILTER;
}

/** Adds a line that somebody else has written at the end of the slot, with its key's hash. */
export function addLine(slot: i32, bytes: u32, hash: u32): i32 {
  return commit(slot, SLOTS + <usize>slot * SLOT_BYTES, bytes, hash);
}
