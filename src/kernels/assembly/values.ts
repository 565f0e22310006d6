import {
  ELEMENT,
  elementCount,
  elementEnd,
  elementNumber,
  elementScore,
  elementStart,
  END,
  INTSET,
  isNumber,
  LISTPACK,
  nextElement,
  openContainer,
  ZIPLIST,
  ZIPMAP,
} from './containers';
import { writeAscii, writeI64 } from './decimal';
import { writeDouble } from './format-double';
import { writeText } from './json-text';
import { parseDouble } from './parse-double';
import { ip, readLength, readString, seek, stop, take, textEnd, textStart } from './rdb-input';

/**
 * Values of all common types and encodings as JSON (src/rdb/value-decoder.ts, and
 * src/entries/json-writer.ts for its output). Functions read at `ip`, write at `op` and return the
 * place behind, or 0 for a value that is not for the kernel.
 */
const COMMA: u8 = 0x2c;
const COLON: u8 = 0x3a;

/** A string of the dump, as a text. */
export function writeString(op: usize, limit: usize): usize {
  return readString() ? writeText(op, limit, textStart, textEnd) : 0;
}

/** The present element of a container, as a text. */
export function writeElement(op: usize, limit: usize): usize {
  if (!isNumber) return writeText(op, limit, elementStart, elementEnd);
  if (op > limit) return 0;
  store<u8>(op, 0x22);
  op = writeI64(op + 1, elementNumber);
  store<u8>(op, 0x22);
  return op + 1;
}

function close(op: usize, bracket: u8): usize {
  store<u8>(op, bracket);
  return op + 1;
}

/** Between two elements: the first has `begin` at `op`. */
function separate(op: usize, begin: usize): usize {
  if (op === begin) return op;
  store<u8>(op, COMMA);
  return op + 1;
}

export function writeList(op: usize, limit: usize, type: u32): usize {
  const begin = close(op, 0x5b);
  op = begin;
  if (type === 10) {
    op = writeElements(op, limit, begin, ZIPLIST);
    return op === 0 ? 0 : close(op, 0x5d);
  }
  const count = readLength();
  if (count < 0) return 0;
  for (let i = 0; i < count; i++) {
    if (type === 1) op = writeString(separate(op, begin), limit);
    else if (type === 14) op = writeElements(op, limit, begin, ZIPLIST);
    else op = writeQuicklistNode(op, limit, begin);
    if (op === 0) return 0;
  }
  return close(op, 0x5d);
}

function writeQuicklistNode(op: usize, limit: usize, begin: usize): usize {
  const container = readLength();
  if (container === 1) return writeString(separate(op, begin), limit);
  return container === 2 ? writeElements(op, limit, begin, LISTPACK) : 0;
}

/** Everything in a container. */
function writeElements(op: usize, limit: usize, begin: usize, form: i32): usize {
  if (!openContainer(form)) return 0;
  while (true) {
    const found = nextElement(form);
    if (found !== ELEMENT) return found === END ? op : 0;
    op = writeElement(separate(op, begin), limit);
    if (op === 0) return 0;
  }
}

export function writeSet(op: usize, limit: usize, type: u32): usize {
  const begin = close(op, 0x5b);
  op = begin;
  if (type !== 2) {
    op = writeElements(op, limit, begin, type === 11 ? INTSET : LISTPACK);
    return op === 0 ? 0 : close(op, 0x5d);
  }
  const count = readLength();
  if (count < 0) return 0;
  for (let i = 0; i < count; i++) {
    op = writeString(separate(op, begin), limit);
    if (op === 0) return 0;
  }
  return close(op, 0x5d);
}

export function writeHash(op: usize, limit: usize, type: u32): usize {
  const begin = close(op, 0x7b);
  if (type !== 4) {
    const form = type === 9 ? ZIPMAP : type === 13 ? ZIPLIST : LISTPACK;
    op = writePairs(begin, limit, form);
    return op === 0 ? 0 : close(op, 0x7d);
  }
  op = begin;
  const count = readLength();
  if (count < 0) return 0;
  for (let i = 0; i < count; i++) {
    op = writeString(separate(op, begin), limit);
    if (op === 0) return 0;
    op = writeString(close(op, COLON), limit);
    if (op === 0) return 0;
  }
  return close(op, 0x7d);
}

function writePairs(begin: usize, limit: usize, form: i32): usize {
  if (!openContainer(form)) return 0;
  if (form !== ZIPMAP && elementCount > 0 && (elementCount & 1) === 1) return 0;
  let op = begin;
  while (true) {
    const found = nextElement(form);
    if (found !== ELEMENT) return found === END ? op : 0;
    op = writeElement(separate(op, begin), limit);
    if (op === 0 || nextElement(form) !== ELEMENT) return 0;
    op = writeElement(close(op, COLON), limit);
    if (op === 0) return 0;
  }
}

export function writeZset(op: usize, limit: usize, type: u32): usize {
  const begin = close(op, 0x7b);
  if (type === 12 || type === 17) {
    op = writeCompactZset(begin, limit, type === 17 ? LISTPACK : ZIPLIST);
    return op === 0 ? 0 : close(op, 0x7d);
  }
  op = begin;
  const count = readLength();
  if (count < 0) return 0;
  for (let i = 0; i < count; i++) {
    op = writeString(separate(op, begin), limit);
    if (op === 0 || op > limit) return 0;
    const score = type === 5 ? readDouble() : readTextScore();
    if (isNaN(score)) return 0;
    op = writeScore(close(op, COLON), score);
  }
  return close(op, 0x7d);
}

function writeCompactZset(begin: usize, limit: usize, form: i32): usize {
  if (!openContainer(form)) return 0;
  if (elementCount > 0 && (elementCount & 1) === 1) return 0;
  let op = begin;
  while (true) {
    const found = nextElement(form);
    if (found !== ELEMENT) return found === END ? op : 0;
    op = writeElement(separate(op, begin), limit);
    if (op === 0 || op > limit || nextElement(form) !== ELEMENT) return 0;
    store<u8>(op, COLON);
    // An integer's own text is that of the double wherever the double is exact.
    if (isNumber && elementNumber <= 9007199254740991 && elementNumber >= -9007199254740991) {
      op = writeI64(op + 1, elementNumber);
      continue;
    }
    const score = elementScore();
    if (isNaN(score)) return 0;
    op = writeScore(op + 1, score);
  }
}

function writeScore(op: usize, score: f64): usize {
  if (isFinite(score)) return writeDouble(op, score);
  return writeAscii(op, score > 0 ? '"inf"' : '"-inf"');
}

function readDouble(): f64 {
  const at = ip;
  return take(8) ? load<f64>(at) : NaN;
}

/** A byte of text length, then the text; 253 NaN, 254 infinity, 255 minus infinity. */
function readTextScore(): f64 {
  if (ip >= stop) return NaN;
  const size = <usize>load<u8>(ip);
  seek(ip + 1);
  if (size >= 253) return size === 253 ? NaN : size === 254 ? Infinity : -Infinity;
  const at = ip;
  return take(size) ? parseDouble(at, ip) : NaN;
}
