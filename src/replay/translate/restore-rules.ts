import type { StreamCommand } from '../../commands/index.ts';
import { isCoded } from '../../base/index.ts';
import type { TargetFormat } from '../../rdb/index.ts';
import type { CommandWriter } from '../../resp/index.ts';
import { absoluteExpiry, changesExpiry, MILLISECONDS, MILLISECONDS_AT } from './expiry-text.ts';
import { encodeNewPayload, needsNewPayload } from './restore-payload.ts';
import { type Inexact, type Rule, type RuleContext, type Verdict, wordAt } from './rule.ts';

type Restore = {
  readonly key: Buffer;
  readonly payload: Buffer;
  /** Unix milliseconds as text; undefined: none. */
  readonly until: string | undefined;
  readonly replaces: boolean;
  /** `IDLETIME n`, `FREQ n`. */
  readonly access: readonly string[];
};

/** `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME n] [FREQ n]` and its kin. */
export function restoreRules(format: TargetFormat): Readonly<Record<string, Rule>> {
  const RESTORE: Rule = {
    touches: (command, { expiry, can }) => {
      if (command.argc < 4) return false;
      if (needsNewPayload(command.arg(3), format, expiry)) return true;
      if (!can.restoresAbsolute && command.argc > 4) return true;
      const isNever = command.arg(2).length === 1 && command.arg(2)[0] === 0x30;
      return !isNever && changesExpiry(unitOf(command), expiry);
    },
    write: (command, out, context) => {
      const { atMs, expiry } = context;
      const { replaces, access } = restoreOptions(command);
      const ttl = command.arg(2).toString('latin1', 0, 24);
      const isNever = ttl === '0' || expiry.persists;
      const until = isNever
        ? undefined
        : absoluteExpiry(command.arg(2), unitOf(command), atMs, expiry);
      const [key, payload] = [command.arg(1), command.arg(3)];
      return writeRestore({ key, payload, until, replaces, access }, out, context, format);
    },
  };

  /** `KEYDB.MVCCRESTORE key stamp expiry payload`; the expiry is absolute, -1 for none. */
  const MVCCRESTORE: Rule = {
    touches: (command) => command.argc > 4,
    write: (command, out, context) => {
      const { atMs, expiry } = context;
      const isNever = command.arg(3).toString('latin1', 0, 4).startsWith('-1') || expiry.persists;
      const until = isNever
        ? undefined
        : absoluteExpiry(command.arg(3), MILLISECONDS_AT, atMs, expiry);
      const [key, payload] = [command.arg(1), command.arg(4)];
      const restore: Restore = { key, payload, until, replaces: true, access: [] };
      return writeRestore(restore, out, context, format);
    },
  };
  return { RESTORE, 'RESTORE-ASKING': RESTORE, 'KEYDB.MVCCRESTORE': MVCCRESTORE };
}

function unitOf(command: StreamCommand) {
  for (let at = 4; at < command.argc; at++) {
    if (wordAt(command, at) === 'ABSTTL') return MILLISECONDS_AT;
  }
  return MILLISECONDS;
}

function restoreOptions(command: StreamCommand): Pick<Restore, 'replaces' | 'access'> {
  const access: string[] = [];
  let replaces = false;
  for (let at = 4; at < command.argc; at++) {
    const word = wordAt(command, at);
    if (word === 'REPLACE') replaces = true;
    if ((word !== 'IDLETIME' && word !== 'FREQ') || at + 1 === command.argc) continue;
    access.push(word, command.arg(++at).toString('latin1', 0, 24));
  }
  return { replaces, access };
}

function writeRestore(
  { key, payload, until, replaces, access }: Restore,
  out: CommandWriter,
  { expiry, can }: RuleContext,
  format: TargetFormat,
): Verdict {
  const value = payloadFor(payload, format, expiry);
  if (!Buffer.isBuffer(value)) return value;
  const isOne = until !== undefined && can.restoresAbsolute;
  const words = can.restoresAbsolute ? access : [];
  out.begin(4 + (replaces ? 1 : 0) + (isOne ? 1 : 0) + words.length);
  out.word('RESTORE');
  out.bytes(key);
  out.word(isOne ? until : '0');
  out.bytes(value);
  if (replaces) out.word('REPLACE');
  if (isOne) out.word('ABSTTL');
  for (const word of words) out.word(word);
  if (until === undefined || isOne) return 'rewritten';
  out.begin(3);
  out.word('PEXPIREAT');
  out.bytes(key);
  out.word(until);
  return 'rewritten';
}

function payloadFor(
  payload: Buffer,
  format: TargetFormat,
  expiry: RuleContext['expiry'],
): Buffer | Inexact {
  if (!needsNewPayload(payload, format, expiry)) return payload;
  try {
    const fresh = encodeNewPayload(payload, format, expiry);
    if (fresh !== null) return fresh;
  } catch (error) {
    if (!isCoded(error)) throw error;
  }
  return { action: 'skip', why: 'its value cannot be written for this server' };
}
