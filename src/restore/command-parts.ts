import { assert } from '../base/index.ts';
import { type ValueDigest, ValueDigester } from '../entries/index.ts';
import { decodePayload, TYPE } from '../rdb/index.ts';
import type { CommandArg } from '../resp/index.ts';
import { ExpiringFields } from './encode/expiring-fields.ts';
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

/**
 * The command that writes a key under `name`; `replaces`: also where that exists. Without
 * `restoreOptions` RESTORE knows no absolute times.
 */
export function writeCommand(
  wanted: WantedKey,
  name: Uint8Array,
  replaces: boolean,
  restoreOptions: boolean,
): CommandArg[] {
  const hasExpiry = wanted.expireAtMs !== NO_EXPIRY;
  if (wanted.payload === undefined) {
    const command: CommandArg[] = ['SET', name, wanted.text as Buffer];
    if (hasExpiry) command.push('PXAT', wanted.expireAtMs);
    if (!replaces) command.push('NX');
    return command;
  }
  const ttl = restoreOptions ? wanted.expireAtMs : Math.max(1, wanted.expireAtMs - Date.now());
  const command: CommandArg[] = ['RESTORE', name, hasExpiry ? ttl : 0, wanted.payload];
  if (replaces) command.push('REPLACE');
  if (hasExpiry && restoreOptions) command.push('ABSTTL');
  command.push(...wanted.usage);
  return command;
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

/** The value digest of what a command would write, as it will be seen at `nowMs`. */
export function digestOfWanted(wanted: WantedKey, nowMs = Date.now()): ValueDigest {
  if (wanted.payload !== undefined) return digestOfPayload(wanted.payload, nowMs);
  return digestOfText(wanted.text as Buffer);
}

/** Making one takes longer than using it for a small text. */
const digester = new ValueDigester();

export function digestOfText(text: Uint8Array): ValueDigest {
  digester.begin('string', text.length);
  digester.text(text, 0, text.length, true);
  digester.end();
  return digester.digest();
}

/** Types of hashes whose fields may have expiries of their own. */
const EXPIRING_HASHES: ReadonlySet<number> = new Set([
  TYPE.hash22,
  TYPE.hash23,
  TYPE.hashExpiry,
  TYPE.hashListpackExpiry,
]);

/** Fields whose time is over at `nowMs` do not count: servers remove them when they like. */
export function digestOfPayload(payload: Uint8Array, nowMs = Date.now()): ValueDigest {
  const whole = new ValueDigester();
  if (EXPIRING_HASHES.has(payload[0])) {
    const rules = { policy: 'absolute', startedAtMs: 0, snapshotAtMs: 0 } as const;
    const fields = new ExpiringFields(whole, rules);
    fields.nowMs = nowMs;
    decodePayload(payload, fields);
  } else decodePayload(payload, whole);
  return whole.digest();
}
