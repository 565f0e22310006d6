import type { ByteBuilder } from '../../base/index.ts';
import { OPCODE } from '../format.ts';
import { FOOTER_BYTES } from '../payload.ts';
import { appendInt64, appendLength, appendString } from './length.ts';
import type { TargetFormat } from './target-format.ts';

/** From this version on there are IDLE and FREQ. */
const USAGE_RDB = 9;

export type EntryAttributes = {
  /** Unix milliseconds. */
  readonly expireAtMs?: number | undefined;
  /** Left out where the target's version has no place for it, as is `frequency`. */
  readonly idleSeconds?: number | undefined;
  readonly frequency?: number | undefined;
};

/** What stands before the key of an entry: expiry and use, then the type of the value. */
export function appendEntryHead(
  out: ByteBuilder,
  format: TargetFormat,
  attributes: EntryAttributes,
  type: number,
): void {
  const { expireAtMs, idleSeconds, frequency } = attributes;
  if (expireAtMs !== undefined) {
    out.byte(OPCODE.expireMs);
    appendInt64(out, expireAtMs);
  }
  if (format.rdbVersion >= USAGE_RDB) {
    if (idleSeconds !== undefined) {
      out.byte(OPCODE.idle);
      appendLength(out, idleSeconds);
    } else if (frequency !== undefined) {
      out.byte(OPCODE.frequency);
      out.byte(frequency);
    }
  }
  out.byte(type);
}

/** A range of bytes; they stay the caller's. */
export type ByteRange = {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
};

/**
 * Appends one whole entry as it stands in an RDB for `format`, made of a RESTORE payload that was
 * encoded for the same format: the same type and value, without the footer.
 */
export function appendRdbEntry(
  out: ByteBuilder,
  format: TargetFormat,
  attributes: EntryAttributes,
  key: ByteRange,
  payload: ByteRange,
): void {
  appendEntryHead(out, format, attributes, payload.bytes[payload.start]);
  appendString(out, key.bytes, key.start, key.end);
  out.append(payload.bytes, payload.start + 1, payload.end - FOOTER_BYTES);
}
