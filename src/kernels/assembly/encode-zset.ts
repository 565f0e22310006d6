import { beginBox, boxInteger, boxText, endBox, OVERHEAD, putString } from './encode-compact';
import { copy, literal, PAYLOAD_END, SCRATCH, STAGE, TABLE } from './encode-memory';
import {
  numberEnd,
  readScore,
  score,
  SCORE_BYTES,
  SCORE_INFINITY,
  SCORE_INTEGER,
  SCORE_MINUS_INFINITY,
  SCORE_MINUS_ZERO,
  scoreAt,
  scoreSize,
} from './encode-numbers';
import {
  BODY,
  sealContainer,
  sealCounted,
  TYPE_ZSET,
  TYPE_ZSET_LISTPACK,
  TYPE_ZSET_ZIPLIST,
} from './encode-payload';
import { isDecoded, readText, textAt, textSize } from './encode-text';
import { listpacks, MAX_TEXT } from './encode-values';

/**
 * Sorted sets, byte for byte as src/rdb/encode/zset-encoder.ts writes them: small ones are staged,
 * since their compact form is in ascending order.
 */
const MAX_MEMBERS: u32 = 128;

const COMMA: u8 = 0x2c;
const COLON: u8 = 0x3a;
const OPEN_OBJECT: u8 = 0x7b;
const CLOSE_OBJECT: u8 = 0x7d;

/** A staged member of a sorted set: score, text, how the score is written and where it stands. */
const MEMBER_BYTES: usize = 32;
const MEMBER_AT: usize = 8;
const MEMBER_SIZE: usize = 12;
const SCORE_KIND: usize = 16;
const SCORE_AT: usize = 20;
const SCORE_SIZE: usize = 24;
/** The order of the members, behind them: a byte each. */
const ORDER: usize = TABLE + <usize>MAX_MEMBERS * MEMBER_BYTES;

export function encodeZset(at: usize): usize {
  if (load<u8>(at) !== OPEN_OBJECT) return 0;
  let p = at + 1;
  let count: u32 = 0;
  let stage = STAGE;
  let mark: u8;
  do {
    p = readText(p, SCRATCH);
    if (p === 0) return 0;
    if (textSize > MAX_TEXT || count >= MAX_MEMBERS) return encodeLargeZset(at);
    const member = TABLE + <usize>count * MEMBER_BYTES;
    let from = textAt;
    if (isDecoded()) {
      copy(stage, textAt, textSize);
      from = stage;
      stage += textSize;
    }
    store<u32>(member, <u32>from, MEMBER_AT);
    store<u32>(member, <u32>textSize, MEMBER_SIZE);
    if (load<u8>(p) !== COLON) return 0;
    p++;
    const kind = readScore(p, stage);
    if (kind === 0) return 0;
    store<f64>(member, score);
    store<u32>(member, kind, SCORE_KIND);
    store<u32>(member, <u32>scoreAt, SCORE_AT);
    store<u32>(member, <u32>scoreSize, SCORE_SIZE);
    stage += SCORE_BYTES;
    p = numberEnd;
    count++;
    mark = load<u8>(p++);
  } while (mark === COMMA);
  if (mark !== CLOSE_OBJECT) return 0;
  sealContainer(listpacks ? TYPE_ZSET_LISTPACK : TYPE_ZSET_ZIPLIST, putMembers(count));
  return p;
}

/** Writes the staged members in ascending order. */
function putMembers(count: u32): usize {
  let o = beginBox(BODY);
  if (isOrdered(count, 1)) {
    for (let i: u32 = 0; i < count; i++) o = putMember(o, i);
  } else if (isOrdered(count, -1)) {
    for (let i = count; i > 0; i--) o = putMember(o, i - 1);
  } else {
    orderMembers(count);
    for (let i: u32 = 0; i < count; i++) o = putMember(o, load<u8>(ORDER + i));
  }
  return endBox(o);
}

const INFINITY = literal('inf');
const MINUS_INFINITY = literal('-inf');
const MINUS_ZERO = literal('-0');

function putMember(to: usize, index: u32): usize {
  const member = TABLE + <usize>index * MEMBER_BYTES;
  const o = boxText(to, load<u32>(member, MEMBER_AT), load<u32>(member, MEMBER_SIZE));
  const kind = load<u32>(member, SCORE_KIND);
  if (kind === SCORE_INTEGER) return boxInteger(o, <i64>load<f64>(member));
  if (kind === SCORE_MINUS_ZERO) return boxText(o, MINUS_ZERO, 2);
  if (kind === SCORE_INFINITY) return boxText(o, INFINITY, 3);
  if (kind === SCORE_MINUS_INFINITY) return boxText(o, MINUS_INFINITY, 4);
  return boxText(o, load<u32>(member, SCORE_AT), load<u32>(member, SCORE_SIZE));
}

function isOrdered(count: u32, direction: i32): bool {
  for (let i: u32 = 1; i < count; i++) {
    if (compareMembers(i - 1, i) * direction > 0) return false;
  }
  return true;
}

/** By score, then by the bytes of the member. */
function compareMembers(a: u32, b: u32): i32 {
  const one = TABLE + <usize>a * MEMBER_BYTES;
  const two = TABLE + <usize>b * MEMBER_BYTES;
  const scoreA = load<f64>(one);
  const scoreB = load<f64>(two);
  if (scoreA < scoreB) return -1;
  if (scoreA > scoreB) return 1;
  const sizeA = load<u32>(one, MEMBER_SIZE);
  const sizeB = load<u32>(two, MEMBER_SIZE);
  const order = memory.compare(
    load<u32>(one, MEMBER_AT),
    load<u32>(two, MEMBER_AT),
    min(sizeA, sizeB),
  );
  if (order !== 0) return order < 0 ? -1 : 1;
  return sizeA < sizeB ? -1 : sizeA > sizeB ? 1 : 0;
}

/** By insertion, which keeps the order of equals: rare, as servers give their members in order. */
function orderMembers(count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    let j = i;
    for (; j > 0 && compareMembers(load<u8>(ORDER + j - 1), i) > 0; j--) {
      store<u8>(ORDER + j, load<u8>(ORDER + j - 1));
    }
    store<u8>(ORDER + j, <u8>i);
  }
}

function encodeLargeZset(at: usize): usize {
  let p = at + 1;
  let o = BODY;
  let count: u32 = 0;
  let mark: u8;
  do {
    p = readText(p, SCRATCH);
    if (p === 0 || o + textSize + OVERHEAD > PAYLOAD_END) return 0;
    o = putString(o, textAt, textSize);
    if (load<u8>(p) !== COLON || readScore(p + 1, SCRATCH) === 0) return 0;
    store<f64>(o, score);
    o += 8;
    count++;
    p = numberEnd;
    mark = load<u8>(p++);
  } while (mark === COMMA);
  if (mark !== CLOSE_OBJECT) return 0;
  sealCounted(TYPE_ZSET, count, o);
  return p;
}
