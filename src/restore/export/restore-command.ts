import type { LineHeader } from '../../entries/index.ts';
import { NONE } from '../../rdb/index.ts';
import type { CommandWriter } from '../../resp/index.ts';
import { NO_EXPIRY } from '../policies.ts';

/** What RESTORE is told beside key and payload. */
export type RestoreWords = {
  /** Unix milliseconds, given with ABSTTL; NO_EXPIRY: none. */
  readonly expireAtMs: number;
  readonly replace: boolean;
  /** IDLETIME or FREQ and its number. */
  readonly usage: readonly [word: string, value: number] | undefined;
};

/** How a key was used, as RESTORE takes it. */
export function usageOf({
  idleSeconds,
  frequency,
}: Pick<LineHeader, 'idleSeconds' | 'frequency'>): RestoreWords['usage'] {
  if (idleSeconds !== NONE) return ['IDLETIME', idleSeconds];
  return frequency === NONE ? undefined : ['FREQ', frequency];
}

/** The command up to its payload, which is the next part. */
export function beginRestore(writer: CommandWriter, name: Uint8Array, words: RestoreWords): void {
  const hasExpiry = words.expireAtMs !== NO_EXPIRY;
  const usageParts = words.usage === undefined ? 0 : 2;
  writer.begin(4 + (words.replace ? 1 : 0) + (hasExpiry ? 1 : 0) + usageParts);
  writer.word('RESTORE');
  writer.bytes(name);
  writer.integer(hasExpiry ? words.expireAtMs : 0);
}

/** What stands behind the payload. */
export function endRestore(writer: CommandWriter, words: RestoreWords): void {
  if (words.replace) writer.word('REPLACE');
  if (words.expireAtMs !== NO_EXPIRY) writer.word('ABSTTL');
  if (words.usage === undefined) return;
  writer.word(words.usage[0]);
  writer.integer(words.usage[1]);
}

export function appendExpiry(writer: CommandWriter, name: Uint8Array, expireAtMs: number): void {
  writer.begin(3);
  writer.word('PEXPIREAT');
  writer.bytes(name);
  writer.integer(expireAtMs);
}

/** A command whose only arguments are keys: UNLINK, PERSIST, RENAME … */
export function appendOnKeys(writer: CommandWriter, word: string, ...keys: Uint8Array[]): void {
  writer.begin(1 + keys.length);
  writer.word(word);
  for (const key of keys) writer.bytes(key);
}
