import { isUtf8 } from 'node:buffer';
import { ByteBuilder } from '../base/index.ts';

/**
 * A Redis string as a JSON string (docs/formats/entries.md, strings): the text itself when it is
 * valid UTF-8; `base64:…` when it is not; `text:` in front of a text that itself begins with
 * `base64:` or `text:`.
 */

/** 0: stands for itself. 1: must be escaped. 2: part of a multi-byte character, or of none. */
const CLASS = new Uint8Array(256);
for (let i = 0; i < 256; i++)
  CLASS[i] = i < 0x20 || i === 0x22 || i === 0x5c ? 1 : i < 0x80 ? 0 : 2;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_B = 0x62;
const LETTER_T = 0x74;

const BASE64_TAG = Buffer.from('base64:');
const TEXT_TAG = Buffer.from('text:');
const HEX = Buffer.from('0123456789abcdef');
const BASE64 = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');

/** The letter after the backslash for control characters that have one. */
const SHORT = new Uint8Array(256);
for (const [code, letter] of [
  [8, 'b'],
  [9, 't'],
  [10, 'n'],
  [12, 'f'],
  [13, 'r'],
  [QUOTE, '"'],
  [BACKSLASH, '\\'],
] as const) {
  SHORT[code] = letter.charCodeAt(0);
}

/** Appends `[start, end)` as a quoted JSON string. */
export function writeJsonText(
  out: ByteBuilder,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const size = end - start;
  out.reserve(size + 2);
  const target = out.bytes;
  let p = out.length;
  target[p++] = QUOTE;
  const first = size > 0 ? bytes[start] : 0;
  const tagged = (first === LETTER_B || first === LETTER_T) && isTagged(bytes, start, end, first);
  let i = start;
  if (!tagged) {
    if (size < 48) {
      for (; i < end; i++) {
        const byte = bytes[i];
        if (CLASS[byte] !== 0) break;
        target[p++] = byte;
      }
    } else {
      while (i < end && CLASS[bytes[i]] === 0) i++;
      if (i === end) target.set(bytes.subarray(start, end), p);
      p += size;
    }
    if (i === end) {
      target[p++] = QUOTE;
      out.length = p;
      return;
    }
  }
  out.length++;
  writeUneven(out, bytes, start, end, tagged);
  out.byte(QUOTE);
}

/** Appends bytes that are no text: always `base64:…`. */
export function writeJsonBase64(
  out: ByteBuilder,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  out.byte(QUOTE);
  out.append(BASE64_TAG);
  writeBase64(out, bytes, start, end);
  out.byte(QUOTE);
}

function isTagged(bytes: Uint8Array, start: number, end: number, first: number): boolean {
  const tag = first === LETTER_B ? BASE64_TAG : TEXT_TAG;
  if (end - start < tag.length) return false;
  for (let i = 0; i < tag.length; i++) if (bytes[start + i] !== tag[i]) return false;
  return true;
}

/** A text that needs more than quotes. */
function writeUneven(
  out: ByteBuilder,
  bytes: Uint8Array,
  start: number,
  end: number,
  tagged: boolean,
): void {
  if (!isUtf8(bytes.subarray(start, end))) {
    out.append(BASE64_TAG);
    writeBase64(out, bytes, start, end);
    return;
  }
  if (tagged) out.append(TEXT_TAG);
  out.reserve((end - start) * 6);
  const target = out.bytes;
  let p = out.length;
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (CLASS[byte] !== 1) {
      target[p++] = byte;
      continue;
    }
    target[p++] = BACKSLASH;
    const short = SHORT[byte];
    if (short !== 0) target[p++] = short;
    else {
      target[p++] = 0x75;
      target[p++] = 0x30;
      target[p++] = 0x30;
      target[p++] = HEX[byte >> 4];
      target[p++] = HEX[byte & 15];
    }
  }
  out.length = p;
}

/** Above this, two native passes beat our loop. */
const NATIVE_BASE64_BYTES = 512;

function writeBase64(out: ByteBuilder, bytes: Uint8Array, start: number, end: number): void {
  const size = end - start;
  out.reserve(Math.ceil(size / 3) * 4);
  if (size > NATIVE_BASE64_BYTES) {
    const source = Buffer.from(bytes.buffer, bytes.byteOffset + start, size);
    out.length += out.bytes.write(source.toString('base64'), out.length, 'latin1');
    return;
  }
  const target = out.bytes;
  let p = out.length;
  let i = start;
  for (; i + 2 < end; i += 3) {
    const group = (bytes[i] << 16) | (bytes[i + 1] << 8) | bytes[i + 2];
    target[p] = BASE64[group >> 18];
    target[p + 1] = BASE64[(group >> 12) & 63];
    target[p + 2] = BASE64[(group >> 6) & 63];
    target[p + 3] = BASE64[group & 63];
    p += 4;
  }
  if (i < end) {
    const second = i + 1 < end ? bytes[i + 1] : 0;
    const group = (bytes[i] << 16) | (second << 8);
    target[p] = BASE64[group >> 18];
    target[p + 1] = BASE64[(group >> 12) & 63];
    target[p + 2] = i + 1 < end ? BASE64[(group >> 6) & 63] : 0x3d;
    target[p + 3] = 0x3d;
    p += 4;
  }
  out.length = p;
}

/** The same without its quotes and escapes, as a string: for manifests and reports. */
export function formatText(bytes: Uint8Array): string {
  const out = new ByteBuilder(bytes.length + 16);
  writeJsonText(out, bytes, 0, bytes.length);
  return JSON.parse(out.view().toString('utf8')) as string;
}
