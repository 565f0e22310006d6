import { parseDouble } from './parse-double';
import { readString, textEnd, textStart } from './rdb-input';

/**
 * The compact containers (src/rdb/encodings has their pictures), as strictly read as there. One is
 * open at a time.
 */
export const LISTPACK: i32 = 0;
export const ZIPLIST: i32 = 1;
export const INTSET: i32 = 2;
export const ZIPMAP: i32 = 3;

/** Answers of `nextElement`. */
export const END: i32 = 0;
export const ELEMENT: i32 = 1;
export const BROKEN: i32 = -1;

/** Elements that the header promises; -1: it does not say. Pairs of a zipmap. */
export let elementCount: i32 = 0;

/** The present element: its text, or its number. */
export let isNumber: bool = false;
export let elementStart: usize = 0;
export let elementEnd: usize = 0;
export let elementNumber: i64 = 0;

let pos: usize = 0;
let boxEnd: usize = 0;
let seen: i32 = 0;
let width: usize = 0;
let isValue: bool = false;

/** Reads the string that holds a container and opens it. */
export function openContainer(form: i32): bool {
  if (!readString()) return false;
  pos = textStart;
  boxEnd = textEnd;
  seen = 0;
  const size = boxEnd - pos;
  if (form === LISTPACK) {
    if (size < 7 || <usize>load<u32>(pos) !== size) return false;
    openCounted(load<u16>(pos, 4), 6);
    return true;
  }
  if (form === ZIPLIST) {
    if (size < 11 || <usize>load<u32>(pos) !== size) return false;
    openCounted(load<u16>(pos, 8), 10);
    return true;
  }
  if (form === ZIPMAP) {
    if (size < 2) return false;
    const count = <i32>load<u8>(pos);
    elementCount = count >= 254 ? -1 : count;
    isValue = false;
    pos++;
    return true;
  }
  if (size < 8) return false;
  width = load<u32>(pos);
  elementCount = load<i32>(pos, 4);
  if (width !== 2 && width !== 4 && width !== 8) return false;
  if (<u64>size !== 8 + <u64>width * <u32>elementCount) return false;
  pos += 8;
  return true;
}

function openCounted(count: i32, header: usize): void {
  elementCount = count === 0xffff ? -1 : count;
  pos += header;
}

/** Where the next element of a listpack begins, to come back to it. */
export function containerPosition(): usize {
  return pos;
}

/** Goes back to an element of the open listpack; it does not count again. */
export function rereadElement(at: usize): usize {
  const back = pos;
  pos = at;
  seen--;
  nextListpack();
  const after = pos;
  pos = back;
  return after;
}

export function nextElement(form: i32): i32 {
  if (form === LISTPACK) return nextListpack();
  if (form === ZIPLIST) return nextZiplist();
  if (form === INTSET) return nextIntset();
  return nextZipmap();
}

/** The present element as a score; NaN: not for the kernel. */
export function elementScore(): f64 {
  return isNumber ? <f64>elementNumber : parseDouble(elementStart, elementEnd);
}

function setNumber(value: i64): void {
  isNumber = true;
  elementNumber = value;
}

/** Takes `size` bytes behind a header of `header` as the text; false when they are not there. */
function setText(header: usize, size: usize): bool {
  const left = boxEnd - pos;
  if (left < header || size > left - header) return false;
  isNumber = false;
  elementStart = pos + header;
  elementEnd = elementStart + size;
  pos = elementEnd;
  return true;
}

function endOfCounted(): i32 {
  if (pos + 1 !== boxEnd) return BROKEN;
  return elementCount >= 0 && seen !== elementCount ? BROKEN : END;
}

export function nextListpack(): i32 {
  if (pos >= boxEnd) return BROKEN;
  const at = pos;
  const first = <u32>load<u8>(at);
  if (first === 0xff) return endOfCounted();
  seen++;
  if (first < 0x80) {
    setNumber(first);
    pos = at + 1;
  } else if (first < 0xc0) {
    if (!setText(1, first & 0x3f)) return BROKEN;
  } else if (boxEnd - at < 2) return BROKEN;
  else if (first < 0xe0) {
    const value = <i32>(((first & 0x1f) << 8) | load<u8>(at, 1));
    setNumber(value >= 4096 ? value - 8192 : value);
    pos = at + 2;
  } else if (first < 0xf0) {
    if (!setText(2, ((first & 0x0f) << 8) | load<u8>(at, 1))) return BROKEN;
  } else if (!wideListpack(first, at)) return BROKEN;
  return passBackwardSize(pos - at) ? ELEMENT : BROKEN;
}

function wideListpack(first: u32, at: usize): bool {
  const left = boxEnd - at;
  // The smallest of them is followed by its backward size and the end.
  if (left < 5) return false;
  if (first === 0xf0) return setText(5, load<u32>(at, 1));
  if (first === 0xf1) {
    setNumber(load<i16>(at, 1));
    pos = at + 3;
  } else if (first === 0xf2) {
    setNumber(load<i32>(at) >> 8);
    pos = at + 4;
  } else if (first === 0xf3) {
    setNumber(load<i32>(at, 1));
    pos = at + 5;
  } else if (first === 0xf4) {
    if (left < 9) return false;
    setNumber(load<i64>(at, 1));
    pos = at + 9;
  } else return false;
  return true;
}

/** Most significant group first, all but the first with bit 7. */
function passBackwardSize(size: usize): bool {
  if (size < 128) {
    if (pos >= boxEnd || load<u8>(pos) !== size) return false;
    pos++;
    return true;
  }
  const bytes: usize = size < 16384 ? 2 : size < 2097152 ? 3 : size < 268435456 ? 4 : 5;
  if (boxEnd - pos < bytes) return false;
  let value = <u64>load<u8>(pos);
  for (let i: usize = 1; i < bytes; i++) {
    const group = <u64>load<u8>(pos + i);
    if (group < 0x80) return false;
    value = value * 128 + (group & 0x7f);
  }
  pos += bytes;
  return value === size;
}

function nextZiplist(): i32 {
  if (pos >= boxEnd) return BROKEN;
  const first = <u32>load<u8>(pos);
  if (first === 0xff) return endOfCounted();
  seen++;
  const header: usize = first < 254 ? 1 : 5;
  if (boxEnd - pos < header + 2) return BROKEN;
  pos += header;
  const left = boxEnd - pos;
  const encoding = <u32>load<u8>(pos);
  let found = false;
  if (encoding < 0x40) found = setText(1, encoding);
  else if (encoding < 0x80) found = setText(2, ((encoding & 0x3f) << 8) | load<u8>(pos, 1));
  else if (encoding === 0x80) found = left >= 5 && setText(5, bswap(load<u32>(pos, 1)));
  else found = ziplistNumber(encoding, left);
  return found ? ELEMENT : BROKEN;
}

function ziplistNumber(encoding: u32, left: usize): bool {
  if (encoding >= 0xf1 && encoding <= 0xfd) {
    setNumber(encoding - 0xf1);
    pos++;
    return true;
  }
  let size: usize = 0;
  if (encoding === 0xfe) size = 1;
  else if (encoding === 0xc0) size = 2;
  else if (encoding === 0xf0) size = 3;
  else if (encoding === 0xd0) size = 4;
  else if (encoding === 0xe0) size = 8;
  if (size === 0 || left < 1 + size) return false;
  if (size === 1) setNumber(load<i8>(pos, 1));
  else if (size === 2) setNumber(load<i16>(pos, 1));
  else if (size === 3) setNumber(load<i32>(pos) >> 8);
  else if (size === 4) setNumber(load<i32>(pos, 1));
  else setNumber(load<i64>(pos, 1));
  pos += 1 + size;
  return true;
}

function nextIntset(): i32 {
  if (pos === boxEnd) return END;
  if (width === 2) setNumber(load<i16>(pos));
  else if (width === 4) setNumber(load<i32>(pos));
  else setNumber(load<i64>(pos));
  pos += width;
  return ELEMENT;
}

function nextZipmap(): i32 {
  if (pos >= boxEnd) return BROKEN;
  let size = <usize>load<u8>(pos);
  if (size === 0xff) return pos + 1 !== boxEnd || isValue ? BROKEN : END;
  let header: usize = 1;
  if (size === 254) {
    if (boxEnd - pos < 5) return BROKEN;
    size = load<u32>(pos, 1);
    header = 5;
  }
  let unused: usize = 0;
  if (isValue) {
    if (boxEnd - pos < header + 1) return BROKEN;
    unused = load<u8>(pos + header);
    header++;
  }
  if (!setText(header, size) || unused > boxEnd - pos) return BROKEN;
  pos += unused;
  isValue = !isValue;
  return ELEMENT;
}
