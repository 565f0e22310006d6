import {
  BROKEN,
  containerPosition,
  ELEMENT,
  elementNumber,
  END,
  isNumber,
  LISTPACK,
  nextListpack,
  openContainer,
  rereadElement,
} from './containers';
import { writeAscii, writeI64, writeU64 } from './decimal';
import {
  clearFailure,
  failed64,
  ip,
  readLength,
  readLength64,
  readMilliseconds,
  readString,
  seek,
  stop,
  take,
  textEnd,
  textStart,
} from './rdb-input';
import { writeElement, writeString } from './values';

/** Streams (src/rdb/stream-decoder.ts, and src/entries/json-stream.ts for the output). */
const FLAG_DELETED: i64 = 1;
const FLAG_SAME_FIELDS: i64 = 2;
const MAX_SAFE: i64 = 9007199254740991;

/** Pending entries of the present group: where each lies in the batch, and its consumer's name. */
const MAX_PENDING: i32 = 4096;
const PENDING = memory.data(4096 * 16, 16);

/** Live entries of the node that `writeNode` wrote last. */
let nodeLive: i64 = 0;

export function writeStream(op: usize, limit: usize, version: u32): usize {
  const begin = writeAscii(op, '{"entries":[');
  op = begin;
  const nodes = readLength();
  if (nodes < 0) return 0;
  let live: i64 = 0;
  for (let i = 0; i < nodes; i++) {
    op = writeNode(op, limit, begin);
    if (op === 0) return 0;
    live += nodeLive;
  }
  clearFailure();
  if (readLength64() !== live || failed64 || op > limit) return 0;
  op = writeLengthId(writeAscii(op, '],"lastId":'));
  if (version >= 2) {
    op = writeLengthId(writeAscii(op, ',"firstId":'));
    op = writeLengthId(writeAscii(op, ',"maxDeletedId":'));
    op = writeQuoted(writeAscii(op, ',"entriesAdded":'), readLength64());
  } else op = writeAscii(op, ',"firstId":null,"maxDeletedId":null,"entriesAdded":null');
  if (failed64) return 0;
  op = writeGroups(writeAscii(op, ',"groups":['), limit, version);
  if (op === 0) return 0;
  if (version >= 4) op = writeProducers(op);
  if (op === 0) return 0;
  store<u8>(op, 0x7d);
  return op + 1;
}

/** The next element as a count; negative: it is none. */
function nextCount(): i64 {
  if (nextListpack() !== ELEMENT || !isNumber || elementNumber > MAX_SAFE) return -1;
  return elementNumber;
}

function nextNumber(): bool {
  return nextListpack() === ELEMENT && isNumber;
}

function writeNode(op: usize, limit: usize, begin: usize): usize {
  if (!readString() || textEnd - textStart !== 16) return 0;
  const masterMs = bswap(load<u64>(textStart));
  const masterSeq = bswap(load<u64>(textStart, 8));
  if (!openContainer(LISTPACK)) return 0;
  const count = nextCount();
  const deleted = nextCount();
  const masters = nextCount();
  if (count < 0 || deleted < 0 || masters < 0) return 0;
  const mastersAt = containerPosition();
  for (let i: i64 = 0; i < masters; i++) if (nextListpack() !== ELEMENT) return 0;
  if (nextCount() !== 0) return 0;
  let seen: i64 = 0;
  nodeLive = 0;
  for (;;) {
    const found = nextListpack();
    if (found === END) break;
    if (found === BROKEN || !isNumber || elementNumber < 0 || elementNumber > i32.MAX_VALUE) {
      return 0;
    }
    const flags = elementNumber;
    if (!nextNumber()) return 0;
    const ms = masterMs + elementNumber;
    if (!nextNumber()) return 0;
    const seq = masterSeq + elementNumber;
    const same = (flags & FLAG_SAME_FIELDS) !== 0;
    const pairs = same ? masters : nextCount();
    if (pairs < 0 || op > limit) return 0;
    const isLive = (flags & FLAG_DELETED) === 0;
    if (isLive) {
      if (op !== begin) store<u8>(op++, 0x2c);
      op = writeAscii(writeId(writeAscii(op, '{"id":'), ms, seq), ',"fields":[');
      nodeLive++;
    }
    op = writeFields(op, limit, pairs, same ? mastersAt : 0, isLive);
    if (op === 0) return 0;
    if (isLive) op = writeAscii(op, ']}');
    if (nextCount() !== (same ? pairs + 3 : pairs * 2 + 4)) return 0;
    seen++;
  }
  return seen === count + deleted && nodeLive === count ? op : 0;
}

/** The names stand before their values, or all together at `names`. */
function writeFields(op: usize, limit: usize, pairs: i64, names: usize, isLive: bool): usize {
  const begin = op;
  for (let i: i64 = 0; i < pairs; i++) {
    if (isLive) {
      if (op !== begin) store<u8>(op++, 0x2c);
      store<u8>(op++, 0x5b);
    }
    if (names === 0) {
      if (nextListpack() !== ELEMENT) return 0;
    } else if (isLive) names = rereadElement(names);
    if (isLive) {
      op = writeElement(op, limit);
      if (op === 0) return 0;
      store<u8>(op++, 0x2c);
    }
    if (nextListpack() !== ELEMENT) return 0;
    if (!isLive) continue;
    op = writeElement(op, limit);
    if (op === 0) return 0;
    store<u8>(op++, 0x5d);
  }
  return op;
}

function writeId(op: usize, ms: u64, seq: u64): usize {
  store<u8>(op, 0x22);
  op = writeU64(op + 1, ms);
  store<u8>(op, 0x2d);
  op = writeU64(op + 1, seq);
  store<u8>(op, 0x22);
  return op + 1;
}

function writeLengthId(op: usize): usize {
  const ms = readLength64();
  return writeId(op, ms, readLength64());
}

/** Counters may pass 2^53, hence text. */
function writeQuoted(op: usize, value: u64): usize {
  store<u8>(op, 0x22);
  op = writeU64(op + 1, value);
  store<u8>(op, 0x22);
  return op + 1;
}

function writeGroups(op: usize, limit: usize, version: u32): usize {
  const groups = readLength();
  if (groups < 0) return 0;
  for (let i = 0; i < groups; i++) {
    if (i > 0) store<u8>(op++, 0x2c);
    op = writeString(writeAscii(op, '{"name":'), limit);
    if (op === 0 || op > limit) return 0;
    op = writeLengthId(writeAscii(op, ',"lastId":'));
    const read: u64 = version >= 2 ? readLength64() : u64.MAX_VALUE;
    op = writeAscii(op, ',"entriesRead":');
    op = read === u64.MAX_VALUE ? writeAscii(op, 'null') : writeQuoted(op, read);
    const pending = readPending();
    if (pending < 0) return 0;
    op = writeConsumers(writeAscii(op, ',"consumers":['), limit, version, pending);
    if (op === 0) return 0;
    if (version >= 5 && !passReturned(pending)) return 0;
    op = writePending(writeAscii(op, '],"pending":['), limit, pending);
    if (op === 0) return 0;
    op = writeAscii(op, ']}');
  }
  store<u8>(op, 0x5d);
  return op + 1;
}

/** Notes where the pending entries of a group lie; how many, or -1. Their ids must ascend. */
function readPending(): i32 {
  const count = readLength();
  if (count < 0 || count > MAX_PENDING) return -1;
  let beforeMs: u64 = 0;
  let beforeSeq: u64 = 0;
  for (let i = 0; i < count; i++) {
    const at = ip;
    if (!take(24)) return -1;
    const ms = bswap(load<u64>(at));
    const seq = bswap(load<u64>(at, 8));
    if (i > 0 && (ms < beforeMs || (ms === beforeMs && seq <= beforeSeq))) return -1;
    beforeMs = ms;
    beforeSeq = seq;
    readLength64();
    if (failed64) return -1;
    const slot = PENDING + (i << 4);
    store<u32>(slot, at);
    store<u32>(slot, 0, 4);
  }
  return failed64 ? -1 : count;
}

/** The slot of the pending entry whose id stands at `ip`, which is passed; 0: there is none. */
function findPending(pending: i32): usize {
  const at = ip;
  if (!take(16)) return 0;
  const ms = bswap(load<u64>(at));
  const seq = bswap(load<u64>(at, 8));
  let low = 0;
  let high = pending;
  while (low < high) {
    const middle = (low + high) >> 1;
    const slot = PENDING + (middle << 4);
    const other = <usize>load<u32>(slot);
    const otherMs = bswap(load<u64>(other));
    const otherSeq = bswap(load<u64>(other, 8));
    if (otherMs === ms && otherSeq === seq) return slot;
    if (otherMs < ms || (otherMs === ms && otherSeq < seq)) low = middle + 1;
    else high = middle;
  }
  return 0;
}

function writeConsumers(op: usize, limit: usize, version: u32, pending: i32): usize {
  const count = readLength();
  if (count < 0) return 0;
  for (let i = 0; i < count; i++) {
    if (i > 0) store<u8>(op++, 0x2c);
    const nameStart = writeAscii(op, '{"name":');
    const nameEnd = writeString(nameStart, limit);
    if (nameEnd === 0 || nameEnd > limit) return 0;
    if (stop - ip < (version >= 3 ? 16 : 8)) return 0;
    op = writeI64(writeAscii(nameEnd, ',"seenAt":'), readMilliseconds());
    const activeAt = version >= 3 ? readMilliseconds() : -1;
    op = writeAscii(op, ',"activeAt":');
    op = activeAt === -1 ? writeAscii(op, 'null') : writeI64(op, activeAt);
    store<u8>(op++, 0x7d);
    const own = readLength();
    if (own < 0) return 0;
    for (let j = 0; j < own; j++) {
      const slot = findPending(pending);
      if (slot === 0) return 0;
      store<u32>(slot, nameStart, 4);
      store<u32>(slot, nameEnd, 8);
    }
  }
  return op;
}

/** RDB 14: entries that were given back, which belong to nobody. */
function passReturned(pending: i32): bool {
  const count = readLength();
  if (count < 0) return false;
  for (let i = 0; i < count; i++) if (findPending(pending) === 0) return false;
  return true;
}

function writePending(op: usize, limit: usize, pending: i32): usize {
  const after = ip;
  for (let i = 0; i < pending; i++) {
    if (i > 0) store<u8>(op++, 0x2c);
    const slot = PENDING + (i << 4);
    const at = <usize>load<u32>(slot);
    const name = <usize>load<u32>(slot, 4);
    const nameBytes: usize = name === 0 ? 4 : <usize>load<u32>(slot, 8) - name;
    if (op > limit || op + nameBytes > limit) return 0;
    op = writeId(writeAscii(op, '{"id":'), bswap(load<u64>(at)), bswap(load<u64>(at, 8)));
    op = writeAscii(op, ',"consumer":');
    if (name === 0) op = writeAscii(op, 'null');
    else {
      memory.copy(op, name, nameBytes);
      op += nameBytes;
    }
    seek(at + 16);
    op = writeI64(writeAscii(op, ',"deliveredAt":'), readMilliseconds());
    const deliveries = readLength64();
    op = writeAscii(op, ',"deliveries":');
    op = deliveries > <u64>MAX_SAFE ? writeQuoted(op, deliveries) : writeU64(op, deliveries);
    store<u8>(op++, 0x7d);
  }
  seek(after);
  return op;
}

/** Idempotent producers (RDB 13): only that there are none. */
function writeProducers(op: usize): usize {
  op = writeQuoted(writeAscii(op, ',"idmp":{"durationSeconds":'), readLength64());
  op = writeQuoted(writeAscii(op, ',"maxSize":'), readLength64());
  if (readLength() !== 0) return 0;
  op = writeQuoted(writeAscii(op, ',"iidsAdded":'), readLength64());
  op = writeQuoted(writeAscii(op, ',"iidsDuplicates":'), readLength64());
  return failed64 ? 0 : writeAscii(op, ',"producers":[]}');
}
