import {
  beginListpack,
  boxAt,
  endListpack,
  listpackInteger,
  listpackText,
  OVERHEAD,
  settleLength,
} from './encode-compact';
import {
  copy,
  literal,
  matches,
  PAYLOAD_END,
  SCRATCH,
  STAGE,
  STAGE_BYTES,
  TABLE,
} from './encode-memory';
import { numberEnd, readWide, wide } from './encode-numbers';
import { BODY, sealCounted, TYPE_STREAM1, TYPE_STREAM3 } from './encode-payload';
import { hasAdded, putTail, readCounters, tailEnd } from './encode-stream-tail';
import { isDecoded, readText, textAt, textSize } from './encode-text';

/**
 * Streams, byte for byte as src/rdb/encode/stream-node-builder.ts writes them: nodes of entries,
 * each a listpack that names the fields of its first entry once.
 */
const MAX_NODE_ENTRIES: u32 = 100;
const MAX_NODE_BYTES: usize = 4096;
const MAX_PAIRS: u32 = 4096;

const FLAG_NONE: i64 = 0;
const FLAG_SAME_FIELDS: i64 = 2;

const COMMA: u8 = 0x2c;
const OPEN_ARRAY: u8 = 0x5b;
const CLOSE_ARRAY: u8 = 0x5d;
const MINUS: u8 = 0x2d;
/** `]}` */
const END_OF_ENTRY: u16 = 0x7d5d;

const ENTRIES = literal('{"entries":[');
const ENTRY_ID = literal('{"id":"');
const FIELDS = literal('","fields":[');

/** The texts of one entry, and the fields of a node's first entry: where and how long. */
const TEXTS: usize = TABLE;
const MASTER: usize = TABLE + <usize>MAX_PAIRS * 16;

let newestType: u32 = 0;

export function chooseStreamType(streamType: u32): void {
  newestType = streamType;
}

/** The entry just read. */
let entryMs: u64 = 0;
let entrySeq: u64 = 0;
let entryPairs: u32 = 0;
/** Bytes of all its texts. */
let entryBytes: usize = 0;

/** The open node: its master id, fields and entries, and where their number and its size go. */
let masterMs: u64 = 0;
let masterSeq: u64 = 0;
let masterPairs: u32 = 0;
let nodeEntries: u32 = 0;
let countAt: usize = 0;
let lengthAt: usize = 0;

/** Where decoded texts go: those of the master fields stay as long as their node. */
let stage: usize = 0;

let firstMs: u64 = 0;
let firstSeq: u64 = 0;

export function encodeStream(at: usize): usize {
  if (newestType === 0 || !matches(at, ENTRIES, 12)) return 0;
  let p = at + 12;
  let o = BODY;
  let entries: u32 = 0;
  let nodes: u32 = 0;
  let stageAt = STAGE;
  nodeEntries = 0;
  firstMs = 0;
  firstSeq = 0;
  if (load<u8>(p) === CLOSE_ARRAY) p++;
  else {
    let mark: u8;
    do {
      const isFull =
        nodeEntries >= MAX_NODE_ENTRIES || (nodeEntries > 0 && o - boxAt + 1 >= MAX_NODE_BYTES);
      if (isFull) {
        o = closeNode(o);
        nodeEntries = 0;
      }
      if (nodeEntries === 0) stageAt = STAGE;
      stage = stageAt;
      p = readEntry(p);
      if (p === 0) return 0;
      const need = entryBytes + <usize>entryPairs * 32 + 4 * OVERHEAD;
      if (o + need > PAYLOAD_END) return 0;
      if (entries === 0) {
        firstMs = entryMs;
        firstSeq = entrySeq;
      }
      if (nodeEntries === 0) {
        nodes++;
        o = putFirstEntry(o);
        stageAt = stage;
      } else o = putEntry(o);
      nodeEntries++;
      entries++;
      mark = load<u8>(p++);
    } while (mark === COMMA);
    if (mark !== CLOSE_ARRAY) return 0;
    o = closeNode(o);
  }
  if (readCounters(p) === 0) return 0;
  // Without counters it comes from before Redis 7.0; servers derive them better than we could.
  const type = hasAdded ? min(newestType, TYPE_STREAM3) : TYPE_STREAM1;
  o = putTail(o, type, entries, firstMs, firstSeq);
  if (o === 0) return 0;
  sealCounted(type, nodes, o);
  return tailEnd;
}

/** Reads an entry's id and texts; the position behind it, or 0. */
function readEntry(at: usize): usize {
  if (!matches(at, ENTRY_ID, 7) || !readWide(at + 7)) return 0;
  entryMs = wide;
  if (load<u8>(numberEnd) !== MINUS || !readWide(numberEnd + 1)) return 0;
  entrySeq = wide;
  let p = numberEnd;
  if (!matches(p, FIELDS, 12)) return 0;
  p += 12;
  entryPairs = 0;
  entryBytes = 0;
  if (load<u8>(p) === CLOSE_ARRAY) return load<u16>(p) === END_OF_ENTRY ? p + 2 : 0;
  let mark: u8;
  let text = TEXTS;
  do {
    if (load<u8>(p) !== OPEN_ARRAY || entryPairs === MAX_PAIRS) return 0;
    p = readEntryText(p + 1, text);
    if (p === 0 || load<u8>(p) !== COMMA) return 0;
    p = readEntryText(p + 1, text + 8);
    if (p === 0 || load<u8>(p) !== CLOSE_ARRAY) return 0;
    text += 16;
    entryPairs++;
    mark = load<u8>(p, 1);
    p += 2;
  } while (mark === COMMA);
  return load<u16>(p - 1) === END_OF_ENTRY ? p + 1 : 0;
}

function readEntryText(at: usize, to: usize): usize {
  const p = readText(at, SCRATCH);
  if (p === 0) return 0;
  if (isDecoded()) {
    if (stage + textSize > STAGE + STAGE_BYTES) return 0;
    copy(stage, textAt, textSize);
    textAt = stage;
    stage += textSize;
  }
  store<u32>(to, <u32>textAt);
  store<u32>(to, <u32>textSize, 4);
  entryBytes += textSize;
  return p;
}

/** Opens a node with the entry, whose fields become the node's. */
function putFirstEntry(to: usize): usize {
  masterMs = entryMs;
  masterSeq = entrySeq;
  masterPairs = entryPairs;
  store<u8>(to, 16);
  store<u64>(to, bswap<u64>(entryMs), 1);
  store<u64>(to, bswap<u64>(entrySeq), 9);
  lengthAt = to + 17;
  let o = beginListpack(lengthAt + 2);
  // The number of entries is known last; it is below 128, and so a single byte.
  countAt = o;
  o = listpackInteger(o, 0);
  o = listpackInteger(o, 0);
  o = listpackInteger(o, entryPairs);
  for (let i: usize = 0; i < entryPairs; i++) {
    store<u64>(MASTER + (i << 3), load<u64>(TEXTS + (i << 4)));
    o = putText(o, TEXTS + (i << 4));
  }
  o = listpackInteger(o, 0);
  o = listpackInteger(o, FLAG_SAME_FIELDS);
  o = listpackInteger(o, 0);
  o = listpackInteger(o, 0);
  for (let i: usize = 0; i < entryPairs; i++) o = putText(o, TEXTS + (i << 4) + 8);
  return listpackInteger(o, entryPairs + 3);
}

function putEntry(to: usize): usize {
  const isSame = hasMasterFields();
  let o = listpackInteger(to, isSame ? FLAG_SAME_FIELDS : FLAG_NONE);
  o = listpackInteger(o, <i64>(entryMs - masterMs));
  o = listpackInteger(o, <i64>(entrySeq - masterSeq));
  if (isSame) {
    for (let i: usize = 0; i < entryPairs; i++) o = putText(o, TEXTS + (i << 4) + 8);
    return listpackInteger(o, entryPairs + 3);
  }
  o = listpackInteger(o, entryPairs);
  for (let i: usize = 0; i < <usize>entryPairs * 2; i++) o = putText(o, TEXTS + (i << 3));
  return listpackInteger(o, entryPairs * 2 + 4);
}

// @ts-ignore: decorator
@inline
function putText(to: usize, text: usize): usize {
  return listpackText(to, load<u32>(text), load<u32>(text, 4));
}

function hasMasterFields(): bool {
  if (entryPairs !== masterPairs) return false;
  for (let i: usize = 0; i < entryPairs; i++) {
    const text = TEXTS + (i << 4);
    const master = MASTER + (i << 3);
    const size = load<u32>(text, 4);
    if (size !== load<u32>(master, 4)) return false;
    if (size <= 16) {
      if (!matches(load<u32>(text), load<u32>(master), size)) return false;
    } else if (memory.compare(load<u32>(text), load<u32>(master), size) !== 0) return false;
  }
  return true;
}

function closeNode(to: usize): usize {
  store<u8>(countAt, <u8>nodeEntries);
  return settleLength(endListpack(to), lengthAt);
}
