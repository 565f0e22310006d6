import {
  beginBox,
  boxAt,
  boxText,
  endBox,
  OVERHEAD,
  putRaw,
  putString,
  settleLength,
} from './encode-compact';
import { PAYLOAD_END, SCRATCH, TABLE } from './encode-memory';
import { canonical, readCanonical } from './encode-numbers';
import {
  BODY,
  seal,
  sealContainer,
  sealCounted,
  TYPE_HASH,
  TYPE_HASH_LISTPACK,
  TYPE_HASH_ZIPLIST,
  TYPE_LIST_QUICKLIST,
  TYPE_LIST_QUICKLIST2,
  TYPE_SET,
  TYPE_SET_INTSET,
  TYPE_SET_LISTPACK,
  TYPE_STRING,
} from './encode-payload';
import { readText, textAt, textSize } from './encode-text';

/**
 * Strings, hashes, lists and sets, from their JSON to a payload, with the choices of
 * src/rdb/encode/: a value is tried in its most compact form, and read again from the start when it
 * turns out too large. Each takes the position of the value and returns the one behind it, or 0
 * for a value that is not ours.
 */
export const MAX_TEXT: usize = 64;
const MAX_HASH_TEXTS: u32 = 1024;
const MAX_INTSET_MEMBERS: u32 = 512;
const MAX_SET_MEMBERS: u32 = 128;
const MAX_NODE_BYTES: usize = 8192;
const NODE_OVERHEAD: usize = 15;
const NODE_PLAIN: u8 = 1;
const NODE_PACKED: u8 = 2;

const COMMA: u8 = 0x2c;
const COLON: u8 = 0x3a;
const OPEN_ARRAY: u8 = 0x5b;
const CLOSE_ARRAY: u8 = 0x5d;
const OPEN_OBJECT: u8 = 0x7b;
const CLOSE_OBJECT: u8 = 0x7d;

export let listpacks: bool = true;
let setListpacks: bool = true;

export function chooseForms(useListpacks: bool, useSetListpacks: bool): void {
  listpacks = useListpacks;
  setListpacks = useSetListpacks;
}

export function encodeString(at: usize): usize {
  const p = readText(at, SCRATCH);
  if (p === 0 || BODY + textSize + OVERHEAD > PAYLOAD_END) return 0;
  seal(TYPE_STRING, putString(BODY, textAt, textSize));
  return p;
}

export function encodeHash(at: usize): usize {
  if (load<u8>(at) !== OPEN_OBJECT) return 0;
  let p = at + 1;
  let o = beginBox(BODY);
  let texts: u32 = 0;
  let mark: u8;
  do {
    p = readText(p, SCRATCH);
    if (p === 0) return 0;
    if (textSize > MAX_TEXT || texts >= MAX_HASH_TEXTS) return encodeLargeHash(at);
    o = boxText(o, textAt, textSize);
    if (load<u8>(p) !== COLON) return 0;
    p = readText(p + 1, SCRATCH);
    if (p === 0) return 0;
    if (textSize > MAX_TEXT) return encodeLargeHash(at);
    o = boxText(o, textAt, textSize);
    texts += 2;
    mark = load<u8>(p++);
  } while (mark === COMMA);
  if (mark !== CLOSE_OBJECT) return 0;
  sealContainer(listpacks ? TYPE_HASH_LISTPACK : TYPE_HASH_ZIPLIST, endBox(o));
  return p;
}

function encodeLargeHash(at: usize): usize {
  let p = at + 1;
  let o = BODY;
  let pairs: u32 = 0;
  let mark: u8;
  do {
    p = readText(p, SCRATCH);
    if (p === 0 || o + textSize + OVERHEAD > PAYLOAD_END) return 0;
    o = putString(o, textAt, textSize);
    if (load<u8>(p) !== COLON) return 0;
    p = readText(p + 1, SCRATCH);
    if (p === 0 || o + textSize + OVERHEAD > PAYLOAD_END) return 0;
    o = putString(o, textAt, textSize);
    pairs++;
    mark = load<u8>(p++);
  } while (mark === COMMA);
  if (mark !== CLOSE_OBJECT) return 0;
  sealCounted(TYPE_HASH, pairs, o);
  return p;
}

export function encodeList(at: usize): usize {
  if (load<u8>(at) !== OPEN_ARRAY) return 0;
  let p = at + 1;
  let o = BODY;
  let nodes: u32 = 0;
  /** Where the length of the open node goes; 0: none is open. */
  let openAt: usize = 0;
  let mark: u8;
  do {
    p = readText(p, SCRATCH);
    const size = textSize;
    if (p === 0 || o + size + OVERHEAD > PAYLOAD_END) return 0;
    if (listpacks && size > MAX_NODE_BYTES) {
      if (openAt !== 0) o = settleLength(endBox(o), openAt);
      openAt = 0;
      nodes++;
      store<u8>(o, NODE_PLAIN);
      o = putRaw(o + 1, textAt, size);
    } else {
      if (openAt !== 0 && o - boxAt + 1 + size + NODE_OVERHEAD > MAX_NODE_BYTES) {
        o = settleLength(endBox(o), openAt);
        openAt = 0;
      }
      if (openAt === 0) {
        nodes++;
        if (listpacks) store<u8>(o++, NODE_PACKED);
        openAt = o;
        o = beginBox(o + 2);
      }
      o = boxText(o, textAt, size);
    }
    mark = load<u8>(p++);
  } while (mark === COMMA);
  if (mark !== CLOSE_ARRAY) return 0;
  if (openAt !== 0) o = settleLength(endBox(o), openAt);
  sealCounted(listpacks ? TYPE_LIST_QUICKLIST2 : TYPE_LIST_QUICKLIST, nodes, o);
  return p;
}

export function encodeSet(at: usize): usize {
  if (load<u8>(at) !== OPEN_ARRAY) return 0;
  let p = at + 1;
  let count: u32 = 0;
  let mark: u8;
  do {
    p = readText(p, SCRATCH);
    if (p === 0) return 0;
    const size = textSize;
    if (size > 20 || count >= MAX_INTSET_MEMBERS || !readCanonical(textAt, size)) {
      const isSmall = size <= MAX_TEXT && count < MAX_SET_MEMBERS;
      return setListpacks && isSmall ? encodeSmallSet(at) : encodeLargeSet(at);
    }
    store<i64>(TABLE + ((<usize>count) << 3), canonical);
    count++;
    mark = load<u8>(p++);
  } while (mark === COMMA);
  if (mark !== CLOSE_ARRAY) return 0;
  sealContainer(TYPE_SET_INTSET, putIntset(BODY, count));
  return p;
}

/** Writes the integers of the table in ascending order, as narrow as they all fit. */
function putIntset(to: usize, count: u32): usize {
  let width: u32 = 2;
  let isSorted = true;
  for (let i: u32 = 0; i < count; i++) {
    const value = memberAt(i);
    if (value !== <i64>(<i32>value)) width = 8;
    else if (width === 2 && value !== <i64>(<i16>value)) width = 4;
    if (i > 0 && memberAt(i - 1) >= value) isSorted = false;
  }
  if (!isSorted) sortMembers(count);
  store<u32>(to, width);
  store<u32>(to, count, 4);
  let o = to + 8;
  for (let i: u32 = 0; i < count; i++) {
    store<i64>(o, memberAt(i));
    o += width;
  }
  return o;
}

// @ts-ignore: decorator
@inline
function memberAt(index: u32): i64 {
  return load<i64>(TABLE + ((<usize>index) << 3));
}

/** Shell's sort: small numbers of members, often sorted already. */
function sortMembers(count: u32): void {
  for (let gap: u32 = 301; gap > 0; gap = gap === 301 ? 132 : gap === 132 ? 57 : gap / 2) {
    for (let i = gap; i < count; i++) {
      const value = memberAt(i);
      let j = i;
      for (; j >= gap && memberAt(j - gap) > value; j -= gap) {
        store<i64>(TABLE + ((<usize>j) << 3), memberAt(j - gap));
      }
      store<i64>(TABLE + ((<usize>j) << 3), value);
    }
  }
}

function encodeSmallSet(at: usize): usize {
  let p = at + 1;
  let o = beginBox(BODY);
  let count: u32 = 0;
  let mark: u8;
  do {
    p = readText(p, SCRATCH);
    if (p === 0) return 0;
    count++;
    if (textSize > MAX_TEXT || count > MAX_SET_MEMBERS) return encodeLargeSet(at);
    o = boxText(o, textAt, textSize);
    mark = load<u8>(p++);
  } while (mark === COMMA);
  if (mark !== CLOSE_ARRAY) return 0;
  sealContainer(TYPE_SET_LISTPACK, endBox(o));
  return p;
}

function encodeLargeSet(at: usize): usize {
  let p = at + 1;
  let o = BODY;
  let count: u32 = 0;
  let mark: u8;
  do {
    p = readText(p, SCRATCH);
    if (p === 0 || o + textSize + OVERHEAD > PAYLOAD_END) return 0;
    o = putString(o, textAt, textSize);
    count++;
    mark = load<u8>(p++);
  } while (mark === COMMA);
  if (mark !== CLOSE_ARRAY) return 0;
  sealCounted(TYPE_SET, count, o);
  return p;
}
