import { OVERHEAD, putLength, putString, putWideLength } from './encode-compact';
import { literal, matches, PAYLOAD_END, SCRATCH, TABLE } from './encode-memory';
import { numberEnd, readInteger, readWide, wide } from './encode-numbers';
import { TYPE_STREAM2, TYPE_STREAM3 } from './encode-payload';
import { readText, textAt, textSize } from './encode-text';

/**
 * What follows a stream's entries: counters, groups, their consumers and pending entries, as
 * src/entries/json-stream-info.ts reads them and src/rdb/encode/stream-tail.ts writes them. Names
 * are ours only where they are plain ASCII: elsewhere they pass through a JSON parser.
 */
const MAX_GROUPS: u32 = 64;
const MAX_CONSUMERS: u32 = 256;
const MAX_PENDING: u32 = 8192;

/** Tables behind those of the entries (encode-stream.ts). */
const GROUP_NAMES: usize = TABLE + 0x18000;
const CONSUMERS: usize = GROUP_NAMES + <usize>MAX_GROUPS * 8;
const CONSUMER_BYTES: usize = 40;
const PENDING: usize = CONSUMERS + <usize>MAX_CONSUMERS * CONSUMER_BYTES;
const PENDING_BYTES: usize = 40;

/** A consumer: its name, when it was seen and active (-1: never), its pending entries. */
const NAME_SIZE: usize = 4;
const SEEN_AT: usize = 8;
const ACTIVE_AT: usize = 16;
const OWNED: usize = 24;
const FIRST_OWNED: usize = 28;
const LAST_OWNED: usize = 32;

/** A pending entry: its id, when it was delivered, how often, and the next one of its consumer. */
const ID_SEQ: usize = 8;
const DELIVERED_AT: usize = 16;
const DELIVERIES: usize = 24;
const NEXT_OWNED: usize = 32;
const NOTHING: u32 = 0xffff_ffff;

const COMMA: u8 = 0x2c;
const CLOSE_ARRAY: u8 = 0x5d;
const CLOSE_OBJECT: u8 = 0x7d;
const QUOTE: u8 = 0x22;
const MINUS: u8 = 0x2d;

const LAST_ID = literal(',"lastId":');
const FIRST_ID = literal(',"firstId":');
const MAX_DELETED = literal(',"maxDeletedId":');
const ADDED = literal(',"entriesAdded":');
const GROUPS = literal(',"groups":[');
const NAME = literal('{"name":');
const READ = literal(',"entriesRead":');
const CONSUMERS_MEMBER = literal(',"consumers":[');
const PENDING_MEMBER = literal('],"pending":[');
const SEEN = literal(',"seenAt":');
const ACTIVE = literal(',"activeAt":');
const ID = literal('{"id":');
const CONSUMER = literal(',"consumer":');
const DELIVERED = literal(',"deliveredAt":');
const DELIVERIES_MEMBER = literal(',"deliveries":');
const NULL = literal('null');

/** What was read, and whether it was there. */
let lastMs: u64 = 0;
let lastSeq: u64 = 0;
let hasFirst: bool = false;
let firstMs: u64 = 0;
let firstSeq: u64 = 0;
let deletedMs: u64 = 0;
let deletedSeq: u64 = 0;
export let hasAdded: bool = false;
let added: u64 = 0;
/** Where the groups are. */
let groupsAt: usize = 0;

let idMs: u64 = 0;
let idSeq: u64 = 0;
let isNull: bool = false;

/** Reads the counters; the position of the groups, or 0. */
export function readCounters(at: usize): usize {
  if (!matches(at, LAST_ID, 10)) return 0;
  let p = readId(at + 10);
  if (p === 0) return 0;
  lastMs = idMs;
  lastSeq = idSeq;
  if (!matches(p, FIRST_ID, 11)) return 0;
  p = readOptionalId(p + 11);
  if (p === 0) return 0;
  hasFirst = !isNull;
  firstMs = idMs;
  firstSeq = idSeq;
  if (!matches(p, MAX_DELETED, 16)) return 0;
  p = readOptionalId(p + 16);
  if (p === 0) return 0;
  deletedMs = isNull ? 0 : idMs;
  deletedSeq = isNull ? 0 : idSeq;
  if (!matches(p, ADDED, 16)) return 0;
  p = readOptionalCounter(p + 16);
  if (p === 0) return 0;
  hasAdded = !isNull;
  added = wide;
  if (!matches(p, GROUPS, 11)) return 0;
  groupsAt = p + 11;
  return groupsAt;
}

/** A quoted stream id. */
function readId(at: usize): usize {
  if (load<u8>(at) !== QUOTE || !readWide(at + 1)) return 0;
  idMs = wide;
  if (load<u8>(numberEnd) !== MINUS || !readWide(numberEnd + 1)) return 0;
  idSeq = wide;
  return load<u8>(numberEnd) === QUOTE ? numberEnd + 1 : 0;
}

function readOptionalId(at: usize): usize {
  isNull = matches(at, NULL, 4);
  return isNull ? at + 4 : readId(at);
}

/** A quoted counter, or null. */
function readOptionalCounter(at: usize): usize {
  isNull = matches(at, NULL, 4);
  if (isNull) return at + 4;
  if (load<u8>(at) !== QUOTE || !readWide(at + 1) || load<u8>(numberEnd) !== QUOTE) return 0;
  return numberEnd + 1;
}

/** Where what `putTail` read ends; it gives the position in the payload. */
export let tailEnd: usize = 0;

/** Writes counters and groups, the latter while reading them; 0: not ours. */
export function putTail(
  to: usize,
  type: u32,
  entries: u32,
  seenMs: u64,
  seenSeq: u64,
): usize {
  let o = putLength(to, entries);
  o = putWideLength(o, lastMs);
  o = putWideLength(o, lastSeq);
  if (type >= TYPE_STREAM2) {
    o = putWideLength(o, hasFirst ? firstMs : seenMs);
    o = putWideLength(o, hasFirst ? firstSeq : seenSeq);
    o = putWideLength(o, deletedMs);
    o = putWideLength(o, deletedSeq);
    o = putWideLength(o, hasAdded ? added : entries);
  } else if (hasAdded) return 0;
  let p = groupsAt;
  if (load<u8>(p) === CLOSE_ARRAY) {
    tailEnd = p + 2;
    return load<u8>(p, 1) === CLOSE_OBJECT ? putLength(o, 0) : 0;
  }
  // Their number stands before them, in one byte as long as there are fewer than 64.
  const countAt = o++;
  let groups: u32 = 0;
  let mark: u8;
  do {
    if (groups === MAX_GROUPS - 1) return 0;
    o = putGroup(p, o, type, groups);
    if (o === 0) return 0;
    groups++;
    p = groupEnd;
    mark = load<u8>(p++);
  } while (mark === COMMA);
  if (mark !== CLOSE_ARRAY || load<u8>(p) !== CLOSE_OBJECT) return 0;
  putLength(countAt, groups);
  tailEnd = p + 1;
  return o;
}

let groupEnd: usize = 0;

function putGroup(at: usize, to: usize, type: u32, index: u32): usize {
  if (!matches(at, NAME, 8)) return 0;
  let p = readName(at + 8);
  if (p === 0 || !isNewName(index)) return 0;
  let o = to;
  if (o + textSize + OVERHEAD > PAYLOAD_END) return 0;
  o = putString(o, textAt, textSize);
  if (!matches(p, LAST_ID, 10)) return 0;
  p = readId(p + 10);
  if (p === 0) return 0;
  o = putWideLength(o, idMs);
  o = putWideLength(o, idSeq);
  if (!matches(p, READ, 15)) return 0;
  p = readOptionalCounter(p + 15);
  if (p === 0) return 0;
  if (type >= TYPE_STREAM2) o = putWideLength(o, isNull ? u64.MAX_VALUE : wide);
  if (!matches(p, CONSUMERS_MEMBER, 14)) return 0;
  p = readConsumers(p + 14, type);
  if (p === 0 || !matches(p, PENDING_MEMBER, 13)) return 0;
  p = readPending(p + 13);
  if (p === 0) return 0;
  groupEnd = p;
  if (o + <usize>pendings * 64 + OVERHEAD > PAYLOAD_END) return 0;
  o = putPending(o);
  o = putLength(o, consumers);
  for (let i: u32 = 0; i < consumers; i++) {
    o = putConsumer(o, CONSUMERS + <usize>i * CONSUMER_BYTES, type);
    if (o === 0) return 0;
  }
  return o;
}

/** A text in plain ASCII without tag or escape: as it is whatever reads it. */
function readName(at: usize): usize {
  const p = readText(at, SCRATCH);
  if (p === 0 || textAt !== at + 1) return 0;
  for (let i: usize = 0; i < textSize; i++) {
    const letter = load<u8>(textAt + i);
    if (letter < 0x20 || letter >= 0x80) return 0;
  }
  return p;
}

/** Two groups of one name are one, elsewhere. Notes the name. */
function isNewName(index: u32): bool {
  for (let i: u32 = 0; i < index; i++) {
    const name = GROUP_NAMES + ((<usize>i) << 3);
    if (load<u32>(name, NAME_SIZE) !== <u32>textSize) continue;
    if (memory.compare(load<u32>(name), textAt, textSize) === 0) return false;
  }
  const name = GROUP_NAMES + ((<usize>index) << 3);
  store<u32>(name, <u32>textAt);
  store<u32>(name, <u32>textSize, NAME_SIZE);
  return true;
}

let consumers: u32 = 0;

function readConsumers(at: usize, type: u32): usize {
  consumers = 0;
  if (load<u8>(at) === CLOSE_ARRAY) return at;
  let p = at;
  let mark: u8;
  do {
    if (consumers === MAX_CONSUMERS) return 0;
    const consumer = CONSUMERS + <usize>consumers * CONSUMER_BYTES;
    if (!matches(p, NAME, 8)) return 0;
    p = readName(p + 8);
    if (p === 0) return 0;
    store<u32>(consumer, <u32>textAt);
    store<u32>(consumer, <u32>textSize, NAME_SIZE);
    if (!matches(p, SEEN, 10) || !readJsonInteger(p + 10)) return 0;
    store<i64>(consumer, jsonInteger, SEEN_AT);
    p = numberEnd;
    if (!matches(p, ACTIVE, 12)) return 0;
    p += 12;
    if (matches(p, NULL, 4)) {
      store<i64>(consumer, -1, ACTIVE_AT);
      p += 4;
    } else {
      // Where the target cannot hold it, that must be said.
      if (type < TYPE_STREAM3 || !readJsonInteger(p)) return 0;
      store<i64>(consumer, jsonInteger, ACTIVE_AT);
      p = numberEnd;
    }
    store<u32>(consumer, 0, OWNED);
    store<u32>(consumer, NOTHING, FIRST_OWNED);
    if (load<u8>(p++) !== CLOSE_OBJECT) return 0;
    consumers++;
    mark = load<u8>(p++);
  } while (mark === COMMA);
  return mark === CLOSE_ARRAY ? p - 1 : 0;
}

/** An integer as JSON has them: without leading zeros. */
let jsonInteger: i64 = 0;
function readJsonInteger(at: usize): bool {
  jsonInteger = readInteger(at);
  return jsonInteger >= 0 && (load<u8>(at) !== 0x30 || numberEnd === at + 1);
}

let pendings: u32 = 0;

/** Reads the pending entries, and the closing bracket and brace of the group. */
function readPending(at: usize): usize {
  pendings = 0;
  let p = at;
  if (load<u8>(p) === CLOSE_ARRAY) return load<u8>(p, 1) === CLOSE_OBJECT ? p + 2 : 0;
  let mark: u8;
  do {
    if (pendings === MAX_PENDING) return 0;
    const pending = PENDING + <usize>pendings * PENDING_BYTES;
    if (!matches(p, ID, 6)) return 0;
    p = readId(p + 6);
    if (p === 0) return 0;
    store<u64>(pending, idMs);
    store<u64>(pending, idSeq, ID_SEQ);
    if (!matches(p, CONSUMER, 12)) return 0;
    p = readName(p + 12);
    if (p === 0 || !own(pendings)) return 0;
    if (!matches(p, DELIVERED, 15) || !readJsonInteger(p + 15)) return 0;
    store<i64>(pending, jsonInteger, DELIVERED_AT);
    p = numberEnd;
    if (!matches(p, DELIVERIES_MEMBER, 14)) return 0;
    p += 14;
    if (load<u8>(p) === QUOTE) {
      p = readOptionalCounter(p);
      if (p === 0) return 0;
    } else {
      if (!readJsonInteger(p)) return 0;
      wide = <u64>jsonInteger;
      p = numberEnd;
    }
    store<u64>(pending, wide, DELIVERIES);
    if (load<u8>(p++) !== CLOSE_OBJECT) return 0;
    pendings++;
    mark = load<u8>(p++);
  } while (mark === COMMA);
  return mark === CLOSE_ARRAY && load<u8>(p) === CLOSE_OBJECT ? p + 1 : 0;
}

/** Gives the pending entry to the consumer whose name was read: the last of that name. */
function own(index: u32): bool {
  store<u32>(PENDING + <usize>index * PENDING_BYTES, NOTHING, NEXT_OWNED);
  for (let i = consumers; i > 0; i--) {
    const consumer = CONSUMERS + <usize>(i - 1) * CONSUMER_BYTES;
    if (load<u32>(consumer, NAME_SIZE) !== <u32>textSize) continue;
    if (memory.compare(load<u32>(consumer), textAt, textSize) !== 0) continue;
    const owned = load<u32>(consumer, OWNED);
    if (owned === 0) store<u32>(consumer, index, FIRST_OWNED);
    else {
      const last = PENDING + <usize>load<u32>(consumer, LAST_OWNED) * PENDING_BYTES;
      store<u32>(last, index, NEXT_OWNED);
    }
    store<u32>(consumer, index, LAST_OWNED);
    store<u32>(consumer, owned + 1, OWNED);
    return true;
  }
  return false;
}

function putPending(to: usize): usize {
  let o = putLength(to, pendings);
  for (let i: u32 = 0; i < pendings; i++) {
    const pending = PENDING + <usize>i * PENDING_BYTES;
    o = putRawId(o, pending);
    store<i64>(o, load<i64>(pending, DELIVERED_AT));
    o = putWideLength(o + 8, load<u64>(pending, DELIVERIES));
  }
  return o;
}

function putConsumer(to: usize, consumer: usize, type: u32): usize {
  const size = <usize>load<u32>(consumer, NAME_SIZE);
  const owned = load<u32>(consumer, OWNED);
  if (to + size + (<usize>owned << 4) + OVERHEAD > PAYLOAD_END) return 0;
  let o = putString(to, load<u32>(consumer), size);
  store<i64>(o, load<i64>(consumer, SEEN_AT));
  o += 8;
  if (type >= TYPE_STREAM3) {
    store<i64>(o, load<i64>(consumer, ACTIVE_AT));
    o += 8;
  }
  o = putLength(o, owned);
  let index = load<u32>(consumer, FIRST_OWNED);
  while (index !== NOTHING) {
    const pending = PENDING + <usize>index * PENDING_BYTES;
    o = putRawId(o, pending);
    index = load<u32>(pending, NEXT_OWNED);
  }
  return o;
}

function putRawId(to: usize, pending: usize): usize {
  store<u64>(to, bswap<u64>(load<u64>(pending)));
  store<u64>(to, bswap<u64>(load<u64>(pending, ID_SEQ)), 8);
  return to + 16;
}
