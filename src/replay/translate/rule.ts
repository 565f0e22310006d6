import type { StreamCommand } from '../../commands/index.ts';
import type { CommandWriter } from '../../resp/index.ts';
import type { Expiry } from './translate-options.ts';

/** What a rule may look at besides the command. */
export type RuleContext = {
  /** Arrival of the command, Unix milliseconds. */
  readonly atMs: number;
  readonly expiry: Expiry;
  readonly can: Abilities;
};

/** What the fed server understands. */
export type Abilities = {
  /** SET … PXAT, from Redis 6.2 on. */
  readonly setsExpiryAt: boolean;
  /** RESTORE … ABSTTL, IDLETIME and FREQ, from Redis 5.0 on. */
  readonly restoresAbsolute: boolean;
  /** XADD … IDMP, from Redis 8.6 on. */
  readonly knowsIdempotency: boolean;
  /** As a replica it persists a field whose time has passed by its own clock: not so Redis. */
  readonly persistsPassedFields: boolean;
};

/**
 * How commands of one name are written for the fed server. `Verdict` says what became of one;
 * "rewritten" ones have been written to `out`, whole commands only.
 */
export type Rule = {
  /** A command that the server must know, where it may come out of this rule. */
  readonly emits?: string;
  /** False: it goes as it is. Called for every command of the name. */
  touches(command: StreamCommand, context: RuleContext): boolean;
  write(command: StreamCommand, out: CommandWriter, context: RuleContext): Verdict;
};

export type Verdict =
  | 'pass'
  | 'rewritten'
  /** No data here: left out, and counted. */
  | 'dropped'
  /** It should change data, and is left out, or written without a promise. */
  | Inexact;

export type Inexact = { readonly why: string; readonly action: 'skip' | 'pass' | 'rewritten' };

/** A word of a command, upper case; empty for anything longer than an option is. */
export function wordAt(command: StreamCommand, index: number): string {
  const word = command.arg(index);
  return word.length > 12 ? '' : word.toString('latin1').toUpperCase();
}

/** For commands of which each is treated alike. */
export function always(write: Rule['write']): Rule {
  return { touches: () => true, write };
}
