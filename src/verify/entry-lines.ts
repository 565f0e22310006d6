import { CodedError } from '../base/index.ts';

/** What verification needs to know about one line of entries. Reused from line to line. */
export type EntryLine = {
  db: number;
  /** The key's bytes are `[keyStart, keyEnd)` of `keyBytes`. */
  keyBytes: Uint8Array;
  keyStart: number;
  keyEnd: number;
  /** 0 for a key's only or first line. */
  part: number;
  /** More lines of the same key follow. */
  more: boolean;
};

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const CLOSE = 0x7d;
const NEWLINE = 0x0a;
const BASE64 = Buffer.from('base64:');
const TEXT = Buffer.from('text:');

/**
 * Visits the lines of one raw block, which must be whole and in the form that we write:
 * `{"db":N,"key":"…","type":"…"` and then plain members up to the first object or array. Looks no
 * further into a line than that, and allocates only for keys with escapes. Throws JSONL_INVALID.
 */
export function scanEntryLines(raw: Buffer, visit: (line: EntryLine) => void): void {
  const line = { db: 0, keyBytes: raw, keyStart: 0, keyEnd: 0, part: 0, more: false };
  for (let start = 0; start < raw.length; ) {
    const end = raw.indexOf(NEWLINE, start);
    if (end < 0) throw invalid('the last line has no end', start);
    scanLine(raw, start, end, line);
    visit(line);
    start = end + 1;
  }
}

function scanLine(raw: Buffer, start: number, end: number, line: EntryLine): void {
  let at = expectText(raw, start, end, '{"db":');
  const dbEnd = skipPlain(raw, at, end);
  line.db = parseCount(raw, at, dbEnd);
  at = expectText(raw, dbEnd, end, ',"key":"');
  const close = skipString(raw, at, end);
  takeKey(raw, at, close, line);
  line.part = 0;
  line.more = false;
  at = close + 1;
  while (raw[at] === COMMA && raw[at + 1] === QUOTE) {
    const nameStart = at + 2;
    const nameEnd = skipString(raw, nameStart, end);
    at = expectText(raw, nameEnd, end, '":');
    const valueStart = at;
    const first = raw[at];
    if (first === 0x7b || first === 0x5b) return;
    at = first === QUOTE ? skipString(raw, at + 1, end) + 1 : skipPlain(raw, at, end);
    if (isText(raw, nameStart, nameEnd, 'part')) line.part = parseCount(raw, valueStart, at);
    if (isText(raw, nameStart, nameEnd, 'more')) line.more = isText(raw, valueStart, at, 'true');
    if (isText(raw, nameStart, nameEnd, 'value')) return;
  }
  throw invalid('a line without a value', start);
}

/** Most keys stand in the line as they are; only escapes and the two prefixes need decoding. */
function takeKey(raw: Buffer, start: number, end: number, line: EntryLine): void {
  const slash = raw.indexOf(BACKSLASH, start);
  const escaped = slash >= 0 && slash < end;
  const prefixed = begins(raw, start, end, BASE64) || begins(raw, start, end, TEXT);
  if (!escaped && !prefixed) {
    line.keyBytes = raw;
    line.keyStart = start;
    line.keyEnd = end;
    return;
  }
  let text: unknown;
  try {
    text = JSON.parse(raw.toString('utf8', start - 1, end + 1));
  } catch (cause) {
    throw new CodedError('JSONL_INVALID', 'Cannot read a key', { offset: start, cause });
  }
  const key = text as string;
  const bytes = key.startsWith('base64:')
    ? Buffer.from(key.slice('base64:'.length), 'base64')
    : Buffer.from(key.startsWith('text:') ? key.slice('text:'.length) : key);
  line.keyBytes = bytes;
  line.keyStart = 0;
  line.keyEnd = bytes.length;
}

function begins(raw: Buffer, start: number, end: number, prefix: Buffer): boolean {
  if (end - start < prefix.length || raw[start] !== prefix[0]) return false;
  return raw.compare(prefix, 0, prefix.length, start, start + prefix.length) === 0;
}

/** From behind an opening quote to the closing one. */
function skipString(raw: Buffer, from: number, end: number): number {
  for (let at = from; at < end; at++) {
    if (raw[at] === BACKSLASH) at++;
    else if (raw[at] === QUOTE) return at;
  }
  throw invalid('a text without an end', from);
}

/** Over a number or a word. */
function skipPlain(raw: Buffer, from: number, end: number): number {
  let at = from;
  while (at < end && raw[at] !== COMMA && raw[at] !== CLOSE) at++;
  return at;
}

function parseCount(raw: Buffer, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = raw[at] - 0x30;
    if (digit < 0 || digit > 9) throw invalid('no number', at);
    value = value * 10 + digit;
  }
  if (end > start && Number.isSafeInteger(value)) return value;
  throw invalid('no number', start);
}

function expectText(raw: Buffer, at: number, end: number, text: string): number {
  if (at + text.length <= end && isText(raw, at, at + text.length, text)) return at + text.length;
  throw invalid(`no ${text}`, at);
}

function isText(raw: Buffer, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (raw[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

function invalid(found: string, offset: number): CodedError {
  return new CodedError('JSONL_INVALID', `Cannot read a line of entries: ${found}`, { offset });
}
