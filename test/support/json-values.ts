import { isUtf8 } from 'node:buffer';
import { type Bytes, utf8ToBytes } from './model.ts';
import { type Json, JsonNumber } from './strict-json.ts';

/** A Redis string from its JSON form. */
export function readText(value: Json | undefined, line: { readonly canonical: boolean }): Bytes {
  if (typeof value !== 'string') throw new Error('A string was expected');
  if (value.startsWith('base64:')) {
    const bytes = Buffer.from(value.slice(7), 'base64');
    if (bytes.toString('base64') !== value.slice(7)) throw new Error('Not well-formed base64');
    if (line.canonical && isUtf8(bytes)) throw new Error('base64 around text');
    return bytes.toString('latin1');
  }
  if (value.startsWith('text:')) {
    const text = value.slice(5);
    if (line.canonical && !/^(?:base64|text):/.test(text)) throw new Error('A needless "text:"');
    return utf8ToBytes(text);
  }
  return utf8ToBytes(value);
}

export function readInteger(value: Json | undefined): number {
  if (!(value instanceof JsonNumber) || !/^-?\d+$/.test(value.text)) {
    throw new Error('An integer was expected');
  }
  if (!Number.isSafeInteger(value.value)) throw new Error('An integer is too large for a number');
  return value.value;
}

/** A counter that may pass 2^53: a decimal string, or a number where it is small. */
export function readCounter(value: Json): string {
  if (typeof value === 'string' && /^(?:0|[1-9]\d*)$/.test(value)) return value;
  return String(readInteger(value));
}
