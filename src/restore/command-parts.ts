import { assert } from '../base/index.ts';
import { type ValueDigest, ValueDigester } from '../entries/index.ts';
import { decodePayload } from '../rdb/index.ts';
import { NO_EXPIRY } from './policies.ts';

/** One key as this restore would write it, taken apart from its encoded command. */
export type WantedKey = {
  readonly key: Buffer;
  readonly expireAtMs: number;
  /** Of RESTORE; of a SET, undefined. */
  readonly payload: Buffer | undefined;
  /** Of a SET. */
  readonly text: Buffer | undefined;
  /** IDLETIME or FREQ and its number, as they stand in the command. */
  readonly usage: readonly Buffer[];
};

const SET = 0x53;

/** Reads a command of BlockEncoder back; the parts are views of `bytes`. */
export function parseCommand(bytes: Uint8Array, start: number, end: number): WantedKey {
  const parts = splitCommand(bytes, start, end);
  const [name, key] = parts;
  if (name[0] === SET) {
    const hasExpiry = parts.length === 6;
    const expireAtMs = hasExpiry ? Number(parts[4].toString('latin1')) : NO_EXPIRY;
    return { key, text: parts[2], payload: undefined, expireAtMs, usage: [] };
  }
  const [, , ttl, payload] = parts;
  const options = parts.slice(4);
  const isAbsolute = options[0]?.toString('latin1') === 'ABSTTL';
  const given = Number(ttl.toString('latin1'));
  const expireAtMs = given === 0 ? NO_EXPIRY : isAbsolute ? given : Date.now() + given;
  return { key, payload, text: undefined, expireAtMs, usage: options.slice(isAbsolute ? 1 : 0) };
}

function splitCommand(bytes: Uint8Array, start: number, end: number): Buffer[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
  const parts: Buffer[] = [];
  let at = view.indexOf(10) + 1;
  while (at < view.length) {
    const lineEnd = view.indexOf(13, at);
    const size = Number(view.toString('latin1', at + 1, lineEnd));
    assert(Number.isSafeInteger(size), 'our own command can be read back');
    at = lineEnd + 2;
    parts.push(view.subarray(at, at + size));
    at += size + 2;
  }
  return parts;
}

/** The value digest of what a command would write. */
export function digestOfWanted(wanted: WantedKey): ValueDigest {
  const digester = new ValueDigester();
  if (wanted.payload !== undefined) decodePayload(wanted.payload, digester);
  else {
    const text = wanted.text as Buffer;
    digester.begin('string', text.length);
    digester.text(text, 0, text.length, true);
    digester.end();
  }
  return digester.digest();
}

export function digestOfPayload(payload: Buffer): ValueDigest {
  const digester = new ValueDigester();
  decodePayload(payload, digester);
  return digester.digest();
}
