import { fillCrc64Tables } from './crc64';
import { fillDecimalTables, writeU64 } from './decimal';
import { chooseBox } from './encode-compact';
import {
  copy,
  ENDS,
  INPUT,
  INPUT_BYTES,
  KEY,
  literal,
  matches,
  MAX_ENDS,
  OUTPUT,
  OUTPUT_END,
  SCRATCH,
} from './encode-memory';
import { numberEnd, readInteger } from './encode-numbers';
import { payloadAt, payloadEnd } from './encode-payload';
import { chooseStreamType, encodeStream } from './encode-stream';
import { readKey, readText, textAt, textSize } from './encode-text';
import {
  chooseForms,
  encodeHash,
  encodeList,
  encodeSet,
  encodeString,
} from './encode-values';
import { encodeZset } from './encode-zset';
import { fillExactPowers } from './parse-double';
import { fillPowersOfTen } from './powers-of-ten';

/**
 * Canonical lines of one block → the commands that restore their keys, byte for byte as
 * src/restore/encode/block-encoder.ts writes them. What is not ours to read — parts of long keys,
 * fields that expire, modules, anything odd — ends the run at the beginning of its line, before
 * anything of that line was written or counted.
 */
// All that has no fixed place lies before the first of them.
if (__heap_base > KEY) unreachable();
fillCrc64Tables();
fillDecimalTables();
fillExactPowers();
fillPowersOfTen();

/** What `run` says. */
const DONE: u32 = 0;
/** The line at `position` is not ours. */
const OTHER: u32 = 1;
/** The output is full: take it, and go on. */
const FULL: u32 = 2;

/** Flags of `configure`. */
const LISTPACKS: u32 = 1;
const SET_LISTPACKS: u32 = 2;
const SET_PXAT: u32 = 4;
const RESTORE_OPTIONS: u32 = 8;

/** Expiry policies. */
const ABSOLUTE: u32 = 0;
const REMAINING: u32 = 1;

/** Where lines are put, commands and their ends are found. */
export const inputAt: u32 = <u32>INPUT;
export const inputBytes: u32 = <u32>INPUT_BYTES;
export const outputAt: u32 = <u32>OUTPUT;
export const endsAt: u32 = <u32>ENDS;

/** Where in the input the next line begins. */
export let position: u32 = 0;
/** Bytes and number of commands since the last `run` began, keys selected and expired. */
export let outputSize: u32 = 0;
export let commands: u32 = 0;
export let selected: u32 = 0;
export let expired: u32 = 0;

let setPxat: bool = false;
let restoreOptions: bool = false;
let kinds: u32 = 0;
let policy: u32 = 0;
let startedAt: f64 = 0;
let snapshotAt: f64 = 0;
let database: i64 = 0;
let now: f64 = 0;
let inputEnd: usize = 0;
let out: usize = 0;

/**
 * `wanted`: a bit for each kind of value that is selected, in the order of the kinds below;
 * `streamType`: the newest RDB type of streams that the target takes, 0 for none.
 */
export function configure(
  flags: u32,
  wanted: u32,
  streamType: u32,
  ttlPolicy: u32,
  startedAtMs: f64,
  snapshotAtMs: f64,
): void {
  chooseBox((flags & LISTPACKS) !== 0);
  chooseForms((flags & LISTPACKS) !== 0, (flags & SET_LISTPACKS) !== 0);
  chooseStreamType(streamType);
  setPxat = (flags & SET_PXAT) !== 0;
  restoreOptions = (flags & RESTORE_OPTIONS) !== 0;
  kinds = wanted;
  policy = ttlPolicy;
  startedAt = startedAtMs;
  snapshotAt = snapshotAtMs;
}

/**
 * Begins a block of `size` bytes in the input, which must end with a line feed; the database of its
 * first line, -1 when that does not say. Lines of another database are not ours.
 */
export function begin(size: u32, nowMs: f64): i32 {
  inputEnd = INPUT + size;
  position = 0;
  now = nowMs;
  database = matches(INPUT, DB, 6) ? readInteger(INPUT + 6) : -1;
  if (database > 0x7fffffff) database = -1;
  return <i32>database;
}

/** Encodes the lines from `position` on, into an empty output. */
export function run(): u32 {
  out = OUTPUT;
  commands = 0;
  selected = 0;
  expired = 0;
  let p = INPUT + position;
  let verdict = DONE;
  while (p < inputEnd) {
    const next = encodeLine(p);
    if (next <= FULL) {
      verdict = <u32>next;
      break;
    }
    p = next;
  }
  position = <u32>(p - INPUT);
  outputSize = <u32>(out - OUTPUT);
  return verdict;
}

const KIND_STRING: u32 = 0;
const KIND_LIST: u32 = 1;
const KIND_SET: u32 = 2;
const KIND_HASH: u32 = 3;
const KIND_ZSET: u32 = 4;
const KIND_STREAM: u32 = 5;
const NO_KIND: u32 = 6;

const DB = literal('{"db":');
const KEY_MEMBER = literal(',"key":');
const TYPE_MEMBER = literal(',"type":"');
const EXPIRY = literal(',"expireAt":');
const IDLE = literal(',"idleSeconds":');
const FREQUENCY = literal(',"frequency":');
const VALUE = literal(',"value":');
const STRING = literal('string"');
const LIST = literal('list"');
const SET = literal('set"');
const HASH = literal('hash"');
const ZSET = literal('zset"');
const STREAM = literal('stream"');

let kindEnd: usize = 0;
function readKind(at: usize): u32 {
  if (matches(at, STRING, 7)) {
    kindEnd = at + 7;
    return KIND_STRING;
  }
  if (matches(at, SET, 4)) {
    kindEnd = at + 4;
    return KIND_SET;
  }
  if (matches(at, STREAM, 7)) {
    kindEnd = at + 7;
    return KIND_STREAM;
  }
  kindEnd = at + 5;
  if (matches(at, HASH, 5)) return KIND_HASH;
  if (matches(at, LIST, 5)) return KIND_LIST;
  return matches(at, ZSET, 5) ? KIND_ZSET : NO_KIND;
}

/** No expiry, or no idle time, or no frequency. */
const NONE: i64 = -1;

/** Encodes the line at `at`; the position of the next one, or OTHER, or FULL. */
function encodeLine(at: usize): usize {
  if (!matches(at, DB, 6)) return OTHER;
  if (database < 0 || readInteger(at + 6) !== database) return OTHER;
  let p = numberEnd;
  if (!matches(p, KEY_MEMBER, 7)) return OTHER;
  p = readKey(p + 7);
  if (p === 0) return OTHER;
  const key = textAt;
  const keySize = textSize;
  if (!matches(p, TYPE_MEMBER, 9)) return OTHER;
  const kind = readKind(p + 9);
  if (kind === NO_KIND) return OTHER;
  p = kindEnd;
  let expireAt = NONE;
  let idle = NONE;
  let frequency = NONE;
  if (!matches(p, VALUE, 9)) {
    if (matches(p, EXPIRY, 12)) {
      expireAt = readInteger(p + 12);
      if (expireAt < 0) return OTHER;
      p = numberEnd;
    }
    if (matches(p, IDLE, 15)) {
      idle = readInteger(p + 15);
      if (idle < 0) return OTHER;
      p = numberEnd;
    }
    if (matches(p, FREQUENCY, 13)) {
      frequency = readInteger(p + 13);
      if (frequency < 0) return OTHER;
      p = numberEnd;
    }
    if (!matches(p, VALUE, 9)) return OTHER;
  }
  p += 9;
  if ((kinds & (1 << kind)) === 0) return endOfLine(p);
  if (expireAt !== NONE) {
    expireAt = expiryOf(expireAt);
    if (expireAt === EXPIRED) {
      selected++;
      expired++;
      return endOfLine(p);
    }
    if (expireAt === UNKNOWN) return OTHER;
  }
  if (commands === MAX_ENDS) return FULL;
  const fitsSet =
    kind === KIND_STRING && idle === NONE && frequency === NONE && (expireAt === NONE || setPxat);
  if (fitsSet) {
    p = readText(p, SCRATCH);
    if (p === 0 || load<u16>(p) !== LINE_END) return OTHER;
    if (out + keySize + textSize + COMMAND_BYTES > OUTPUT_END) return FULL;
    putSet(key, keySize, expireAt);
  } else {
    p = encodeValue(kind, p);
    if (p === 0 || load<u16>(p) !== LINE_END) return OTHER;
    if (out + keySize + (payloadEnd - payloadAt) + COMMAND_BYTES > OUTPUT_END) return FULL;
    putRestore(key, keySize, expireAt, idle, frequency);
  }
  selected++;
  store<u32>(ENDS + ((<usize>commands) << 2), <u32>(out - OUTPUT));
  commands++;
  return p + 2;
}

/** `}` and a line feed. */
const LINE_END: u16 = 0x0a7d;
/** All of a command but key and value: less. */
const COMMAND_BYTES: usize = 256;

function endOfLine(from: usize): usize {
  let p = from;
  let found = newlines(p);
  while (found === 0) {
    p += 16;
    found = newlines(p);
  }
  return p + ctz(found) + 1;
}

// @ts-ignore: decorator
@inline
function newlines(at: usize): i32 {
  return i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(0x0a)));
}

const EXPIRED: i64 = -2;
const UNKNOWN: i64 = -3;

/** As in src/restore/policies.ts; UNKNOWN where the result is no usual instant. */
function expiryOf(expireAt: i64): i64 {
  const at = <f64>expireAt;
  if (policy === ABSOLUTE) return at <= now ? EXPIRED : expireAt;
  if (policy !== REMAINING) return NONE;
  const remaining = at - snapshotAt;
  if (remaining <= 0) return EXPIRED;
  const moved = startedAt + remaining;
  const whole = <i64>moved;
  return <f64>whole !== moved || whole < 0 || whole > 999999999999999 ? UNKNOWN : whole;
}

function encodeValue(kind: u32, at: usize): usize {
  switch (kind) {
    case KIND_HASH:
      return encodeHash(at);
    case KIND_LIST:
      return encodeList(at);
    case KIND_SET:
      return encodeSet(at);
    case KIND_ZSET:
      return encodeZset(at);
    case KIND_STREAM:
      return encodeStream(at);
    default:
      return encodeString(at);
  }
}

const SET_HEAD = literal('*4\r\n$3\r\nSET\r\n$');
const NX_TAIL = literal('\r\n$2\r\nNX\r\n');
const PXAT = literal('\r\n$4\r\nPXAT\r\n$');
const RESTORE_HEAD = literal('*4\r\n$7\r\nRESTORE\r\n$');
const NEXT_PART = literal('\r\n$');
const ABSTTL = literal('\r\n$6\r\nABSTTL');
const IDLETIME = literal('\r\n$8\r\nIDLETIME\r\n$');
const FREQ = literal('\r\n$4\r\nFREQ\r\n$');

const CRLF: u16 = 0x0a0d;

/** Appends up to 32 letters of a literal. */
// @ts-ignore: decorator
@inline
function putLiteral(to: usize, text: usize, size: usize): usize {
  v128.store(to, v128.load(text));
  if (size > 16) v128.store(to, v128.load(text, 16), 16);
  return to + size;
}

/** The length of a part, its line end and its bytes. */
// @ts-ignore: decorator
@inline
function putPart(to: usize, at: usize, size: usize): usize {
  const o = writeU64(to, size);
  store<u16>(o, CRLF);
  copy(o + 2, at, size);
  return o + 2 + size;
}

/** As `putPart`, of a whole number in decimal. */
function putNumber(to: usize, value: u64): usize {
  const end = writeU64(SCRATCH, value);
  return putPart(to, SCRATCH, end - SCRATCH);
}

function putSet(key: usize, keySize: usize, expireAt: i64): void {
  const start = out;
  let o = putLiteral(start, SET_HEAD, 14);
  o = putPart(o, key, keySize);
  o = putLiteral(o, NEXT_PART, 3);
  o = putPart(o, textAt, textSize);
  if (expireAt !== NONE) {
    store<u8>(start, 0x36, 1);
    o = putLiteral(o, PXAT, 13);
    o = putNumber(o, <u64>expireAt);
  }
  out = putLiteral(o, NX_TAIL, 10);
}

function putRestore(
  key: usize,
  keySize: usize,
  expireAt: i64,
  idle: i64,
  frequency: i64,
): void {
  const start = out;
  const hasUse = restoreOptions && (idle !== NONE || frequency !== NONE);
  const hasAbsolute = restoreOptions && expireAt !== NONE;
  let o = putLiteral(start, RESTORE_HEAD, 18);
  store<u8>(start, 0x34 + (hasAbsolute ? 1 : 0) + (hasUse ? 2 : 0), 1);
  o = putPart(o, key, keySize);
  o = putLiteral(o, NEXT_PART, 3);
  o = putNumber(o, expireAt === NONE ? 0 : restoreOptions ? <u64>expireAt : timeToLive(expireAt));
  o = putLiteral(o, NEXT_PART, 3);
  o = putPart(o, payloadAt, payloadEnd - payloadAt);
  if (hasAbsolute) o = putLiteral(o, ABSTTL, 12);
  if (hasUse) {
    const isIdle = idle !== NONE;
    o = isIdle ? putLiteral(o, IDLETIME, 17) : putLiteral(o, FREQ, 13);
    o = putNumber(o, <u64>(isIdle ? idle : frequency));
  }
  store<u16>(o, CRLF);
  out = o + 2;
}

/** Before 5.0 only a time to live can be given: at least one millisecond of it. */
function timeToLive(expireAt: i64): u64 {
  return <u64>max<i64>(1, expireAt - <i64>now);
}
