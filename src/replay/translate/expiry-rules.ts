import type { StreamCommand } from '../../commands/index.ts';
import type { CommandWriter } from '../../resp/index.ts';
import {
  absoluteExpiry,
  changesExpiry,
  type ExpiryUnit,
  MILLISECONDS,
  MILLISECONDS_AT,
  SECONDS,
  SECONDS_AT,
  unitOfOption,
} from './expiry-text.ts';
import { always, type Rule, type RuleContext, type Verdict, wordAt } from './rule.ts';

/** Options of SET that are followed by a value of their own. */
const WITH_VALUE = new Set(['IFEQ', 'IFNE', 'IFDEQ', 'IFDNE']);

/** The year 4000, below the most that Redis takes for a field. */
const FAR_AHEAD_MS = '64060588800000';

type FoundOption = { readonly at: number; readonly unit: ExpiryUnit };

/** The option that sets an expiry among `[from, to)` of a command's words. */
function findExpiryOption(
  command: StreamCommand,
  from: number,
  to = command.argc,
): FoundOption | undefined {
  for (let at = from; at < to; at++) {
    const word = wordAt(command, at);
    const unit = unitOfOption(word);
    if (unit !== undefined && at + 1 < to) return { at, unit };
    if (WITH_VALUE.has(word)) at++;
  }
  return undefined;
}

function optionChanges(
  command: StreamCommand,
  context: RuleContext,
  from: number,
  to?: number,
): boolean {
  const option = findExpiryOption(command, from, to);
  return option !== undefined && changesExpiry(option.unit, context.expiry);
}

/** The same command with PXAT instead of the expiry that it had, or with none. */
function writeWithOption(
  command: StreamCommand,
  out: CommandWriter,
  { atMs, expiry }: RuleContext,
  from: number,
  to?: number,
): Verdict {
  const option = findExpiryOption(command, from, to);
  if (option === undefined) return 'pass';
  const until = absoluteExpiry(command.arg(option.at + 1), option.unit, atMs, expiry);
  if (until === undefined) return 'pass';
  out.begin(command.argc - (expiry.persists ? 2 : 0));
  for (let i = 0; i < command.argc; i++) {
    if (i !== option.at) {
      out.bytes(command.arg(i));
      continue;
    }
    i++;
    if (expiry.persists) continue;
    out.word('PXAT');
    out.word(until);
  }
  return 'rewritten';
}

function writePexpireAt(out: CommandWriter, key: Buffer, until: string): void {
  out.begin(3);
  out.word('PEXPIREAT');
  out.bytes(key);
  out.word(until);
}

/** `SET key value [NX|XX|GET|KEEPTTL|IFEQ …] [EX|PX|EXAT|PXAT n]` */
const SET: Rule = {
  touches: (command, context) => command.argc > 4 && optionChanges(command, context, 3),
  write: (command, out, context) => {
    const { atMs, expiry, can } = context;
    if (can.setsExpiryAt || expiry.persists) return writeWithOption(command, out, context, 3);
    const option = findExpiryOption(command, 3);
    if (option === undefined) return 'pass';
    const until = absoluteExpiry(command.arg(option.at + 1), option.unit, atMs, expiry);
    if (until === undefined) return 'pass';
    out.begin(command.argc - 2);
    for (let i = 0; i < command.argc; i++) {
      if (i !== option.at && i !== option.at + 1) out.bytes(command.arg(i));
    }
    writePexpireAt(out, command.arg(1), until);
    return 'rewritten';
  },
};

/** `SETEX key seconds value`, `PSETEX key milliseconds value` */
function setex(unit: ExpiryUnit): Rule {
  return always((command, out, { atMs, expiry, can }) => {
    if (command.argc !== 4) return 'pass';
    const until = absoluteExpiry(command.arg(2), unit, atMs, expiry);
    if (until === undefined) return 'pass';
    const isOne = can.setsExpiryAt && !expiry.persists;
    out.begin(isOne ? 5 : 3);
    out.word('SET');
    out.bytes(command.arg(1));
    out.bytes(command.arg(3));
    if (isOne) {
      out.word('PXAT');
      out.word(until);
    } else if (!expiry.persists) {
      writePexpireAt(out, command.arg(1), until);
    }
    return 'rewritten';
  });
}

/** `EXPIRE key n [NX|XX|GT|LT]`, `HEXPIRE key n [NX|XX|GT|LT] FIELDS …` and their kind. */
function expire(name: string, unit: ExpiryUnit): Rule {
  return {
    emits: name,
    touches: (command, { expiry }) => command.argc > 2 && changesExpiry(unit, expiry),
    write: (command, out, { atMs, expiry }) => {
      if (expiry.persists) return 'rewritten';
      const until = absoluteExpiry(command.arg(2), unit, atMs, expiry);
      if (until === undefined) return 'pass';
      out.begin(command.argc);
      out.word(name);
      out.bytes(command.arg(1));
      out.word(until);
      for (let i = 3; i < command.argc; i++) out.bytes(command.arg(i));
      return 'rewritten';
    },
  };
}

/** `GETEX key [EX|PX|EXAT|PXAT n | PERSIST]`: only what it does to the expiry. */
const GETEX: Rule = always((command, out, { atMs, expiry }) => {
  if (command.argc === 3 && wordAt(command, 2) === 'PERSIST') {
    out.begin(2);
    out.word('PERSIST');
    out.bytes(command.arg(1));
    return 'rewritten';
  }
  const option = findExpiryOption(command, 2);
  if (option === undefined) return 'dropped';
  const until = absoluteExpiry(command.arg(option.at + 1), option.unit, atMs, expiry);
  if (until === undefined) return 'pass';
  if (!expiry.persists) writePexpireAt(out, command.arg(1), until);
  return 'rewritten';
});

/** `HSETEX key [FNX|FXX] [EX|PX|EXAT|PXAT n | KEEPTTL] FIELDS n field value …` */
const HSETEX: Rule = {
  emits: 'HSETEX',
  touches: (command, context) => optionChanges(command, context, 2, endOfOptions(command)),
  write: (command, out, context) =>
    writeWithOption(command, out, context, 2, endOfOptions(command)),
};

function endOfOptions(command: StreamCommand): number {
  for (let at = 2; at < command.argc; at++) if (wordAt(command, at) === 'FIELDS') return at;
  return 2;
}

/** `MSETEX n key value … [NX|XX] [EX|PX|EXAT|PXAT n | KEEPTTL]` */
const MSETEX: Rule = {
  emits: 'MSETEX',
  touches: (command, context) => optionChanges(command, context, behindKeys(command)),
  write: (command, out, context) => writeWithOption(command, out, context, behindKeys(command)),
};

function behindKeys(command: StreamCommand): number {
  return 2 + 2 * (Number(command.arg(1).toString('latin1', 0, 16)) || 0);
}

/** `EXPIREMEMBER key member n [s|ms]`, KeyDB; `EXPIREMEMBERAT` in seconds, `PEXPIREMEMBERAT`. */
function expireMember(unit: ExpiryUnit): Rule {
  return {
    emits: 'PEXPIREMEMBERAT',
    touches: (command, { expiry }) => command.argc > 3 && changesExpiry(unit, expiry),
    write: (command, out, { atMs, expiry }) => {
      if (expiry.persists) return 'rewritten';
      const isMs = command.argc > 4 && wordAt(command, 4) === 'MS';
      const asked = isMs ? MILLISECONDS : unit;
      const until = absoluteExpiry(command.arg(3), asked, atMs, expiry);
      if (until === undefined) return 'pass';
      out.begin(4);
      out.word('PEXPIREMEMBERAT');
      out.bytes(command.arg(1));
      out.bytes(command.arg(2));
      out.word(until);
      return 'rewritten';
    },
  };
}

/**
 * `HPERSIST key FIELDS n field …`: Redis looks at its own clock there, even as a replica (seen on
 * 8.0 and 8.6), and leaves a field alone whose time has passed meanwhile. It takes a later time for
 * such a field, so that goes first; what had no expiry ends without one as well.
 */
const PERSIST_FIELDS: Rule = {
  emits: 'HPEXPIREAT',
  touches: (_, { can }) => !can.persistsPassedFields,
  write: (command, out) => {
    if (command.argc < 4) return 'pass';
    out.begin(command.argc + 1);
    out.word('HPEXPIREAT');
    out.bytes(command.arg(1));
    out.word(FAR_AHEAD_MS);
    for (let i = 2; i < command.argc; i++) out.bytes(command.arg(i));
    out.begin(command.argc);
    for (let i = 0; i < command.argc; i++) out.bytes(command.arg(i));
    return 'rewritten';
  },
};

export const EXPIRY_RULES: Readonly<Record<string, Rule>> = {
  SET,
  SETEX: setex(SECONDS),
  PSETEX: setex(MILLISECONDS),
  EXPIRE: expire('PEXPIREAT', SECONDS),
  PEXPIRE: expire('PEXPIREAT', MILLISECONDS),
  EXPIREAT: expire('PEXPIREAT', SECONDS_AT),
  PEXPIREAT: expire('PEXPIREAT', MILLISECONDS_AT),
  GETEX,
  HEXPIRE: expire('HPEXPIREAT', SECONDS),
  HPEXPIRE: expire('HPEXPIREAT', MILLISECONDS),
  HEXPIREAT: expire('HPEXPIREAT', SECONDS_AT),
  HPEXPIREAT: expire('HPEXPIREAT', MILLISECONDS_AT),
  HPERSIST: PERSIST_FIELDS,
  HSETEX,
  MSETEX,
  EXPIREMEMBER: expireMember(SECONDS),
  EXPIREMEMBERAT: expireMember(SECONDS_AT),
  PEXPIREMEMBERAT: expireMember(MILLISECONDS_AT),
};
