import { commandFacts, type KeyAccess, type KeyRule } from './command-table.ts';
import type { StreamCommand } from './stream-command.ts';

export type KeyPosition = {
  /** The argument that is the key. */
  readonly index: number;
  readonly access: KeyAccess;
  /** Where the key is: the command's own database but for the target of COPY … DB and MOVE. */
  readonly database: number;
};

/** What is needed of a command to find its keys. */
export type NamedCommand = Pick<StreamCommand, 'name' | 'argc' | 'arg' | 'database'>;

/**
 * Where the keys of a command are, in the order of its rule. A script's are those that it declares;
 * it may touch others (`CommandFacts.isScript`). "everything": it may touch any key (flushes,
 * SWAPDB, whole slots, wrapped commands, names that nobody knows). A command whose arguments do not
 * fit its own rule is refused by servers and names no key.
 */
export function keyPositions(command: NamedCommand): KeyPosition[] | 'everything' | 'none' {
  const facts = commandFacts(command.name);
  if (facts === undefined) return 'everything';
  const found = positionsBy(facts.keys, command);
  if (typeof found === 'string') return found;
  if (command.name === 'COPY') return withCopyTarget(command, found);
  if (command.name === 'MOVE') return withMoveTarget(command, found);
  return found;
}

/** The hash slots that TRIMSLOTS, SFLUSH or CLUSTER FLUSHSLOT empties, as inclusive ranges. */
export function slotRanges(command: NamedCommand): { first: number; last: number }[] {
  if (command.name === 'CLUSTER FLUSHSLOT') {
    const slot = numberAt(command, 2);
    return slot === undefined ? [] : [{ first: slot, last: slot }];
  }
  // TRIMSLOTS RANGES n first last …; SFLUSH first last …
  const from = command.name === 'TRIMSLOTS' ? 3 : 1;
  const ranges = [];
  for (let index = from; index + 1 < command.argc; index += 2) {
    const first = numberAt(command, index);
    const last = numberAt(command, index + 1);
    if (first !== undefined && last !== undefined) ranges.push({ first, last });
  }
  return ranges;
}

function positionsBy(rule: KeyRule, command: NamedCommand): KeyPosition[] | 'everything' | 'none' {
  switch (rule.rule) {
    case 'no_keys':
      return 'none';
    case 'everything':
    case 'slot_ranges':
    case 'rreplay':
      return 'everything';
    case 'ranges':
      if (rule.ranges.length === 1 && rule.ranges[0].last === 1) {
        // Most commands: one key, the first argument.
        return command.argc > 1 ? [position(command, 1, rule.ranges[0].access)] : [];
      }
      return rule.ranges.flatMap((range) => {
        const last = range.last < 0 ? command.argc + range.last : range.last;
        return walk(command, range.access, range.first, last, range.step);
      });
    case 'numkeys': {
      const count = numberAt(command, rule.countAt);
      const last = rule.first + ((count ?? 0) - 1) * rule.step;
      if (count === undefined || last + rule.step > command.argc) return [];
      const read = walk(command, rule.access, rule.first, last, rule.step);
      if (rule.destination === null) return read;
      return [position(command, rule.destination, 'OW'), ...read];
    }
    case 'sort_store':
      return [...walk(command, 'RO', 1, 1), ...sortTarget(command)];
    case 'georadius_store':
      return [...walk(command, 'RO', 1, 1), ...georadiusTarget(command)];
    case 'migrate':
      return migrated(command);
    case 'streams_half':
      return streamsHalf(command);
  }
}

function position({ database }: NamedCommand, index: number, access: KeyAccess): KeyPosition {
  return { index, access, database };
}

function walk(
  command: NamedCommand,
  access: KeyAccess,
  first: number,
  last: number,
  step = 1,
): KeyPosition[] {
  const found: KeyPosition[] = [];
  const end = Math.min(last, command.argc - 1);
  for (let index = first; index <= end; index += step) found.push(position(command, index, access));
  return found;
}

/** The argument after the last STORE; the arguments of LIMIT, BY and GET are no words. */
function sortTarget(command: NamedCommand): KeyPosition[] {
  let target = -1;
  for (let index = 2; index < command.argc; index++) {
    const word = wordAt(command, index);
    if (word === 'LIMIT') index += 2;
    else if (word === 'BY' || word === 'GET') index += 1;
    else if (word === 'STORE' && index + 1 < command.argc) target = ++index;
  }
  return target < 0 ? [] : [position(command, target, 'OW')];
}

/** The argument after the last STORE or STOREDIST, which stand behind the fixed arguments. */
function georadiusTarget(command: NamedCommand): KeyPosition[] {
  let target = -1;
  for (let index = command.name === 'GEORADIUS' ? 6 : 5; index + 1 < command.argc; index++) {
    const word = wordAt(command, index);
    if (word === 'STORE' || word === 'STOREDIST') target = ++index;
  }
  return target < 0 ? [] : [position(command, target, 'OW')];
}

function migrated(command: NamedCommand): KeyPosition[] {
  if (command.argc < 6) return [];
  if (command.arg(3).length > 0) return [position(command, 3, 'RW')];
  for (let index = 6; index < command.argc; index++) {
    const word = wordAt(command, index);
    if (word === 'AUTH') index += 1;
    else if (word === 'AUTH2') index += 2;
    else if (word === 'KEYS') return walk(command, 'RW', index + 1, command.argc - 1);
  }
  return [];
}

/** The first half of what follows STREAMS; a group or consumer may bear that name, so from 4 on. */
function streamsHalf(command: NamedCommand): KeyPosition[] {
  for (let index = 4; index < command.argc; index++) {
    if (wordAt(command, index) !== 'STREAMS') continue;
    const rest = command.argc - index - 1;
    if (rest % 2 !== 0) return [];
    return walk(command, 'RO', index + 1, index + rest / 2);
  }
  return [];
}

function withCopyTarget(command: NamedCommand, found: KeyPosition[]): KeyPosition[] {
  for (let index = 3; index + 1 < command.argc; index++) {
    if (wordAt(command, index) !== 'DB') continue;
    const database = numberAt(command, index + 1);
    if (database === undefined) return found;
    return found.map((key) => (key.index === 2 ? { ...key, database } : key));
  }
  return found;
}

/** The key leaves its database and appears in the other under its name. */
function withMoveTarget(command: NamedCommand, found: KeyPosition[]): KeyPosition[] {
  const database = numberAt(command, 2);
  if (database === undefined || found.length === 0) return found;
  return [position(command, 1, 'RM'), { index: 1, access: 'OW', database }];
}

function wordAt(command: NamedCommand, index: number): string {
  const argument = command.arg(index);
  return argument.length > 16 ? '' : argument.toString('latin1').toUpperCase();
}

function numberAt(command: NamedCommand, index: number): number | undefined {
  if (index >= command.argc) return undefined;
  const text = command.arg(index).toString('latin1', 0, 16);
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
