import type { StreamCommand } from '../../commands/index.ts';
import type { Rule } from './rule.ts';
import { wordAt } from './rule.ts';

/**
 * Commands that name databases, for a server that has only so many: what is beyond is left out. An
 * out-of-range SELECT is dropped, since the server would stay in the database before; what follows
 * it is judged one by one.
 */
export function databaseRules(databases: number): Readonly<Record<string, Rule>> {
  if (databases === Number.POSITIVE_INFINITY) return {};
  const isBeyond = (command: StreamCommand, index: number): boolean =>
    index < command.argc && Number(command.arg(index).toString('latin1', 0, 16)) >= databases;
  const rule = (isIt: (command: StreamCommand) => boolean): Rule => ({
    touches: isIt,
    write: () => ({ action: 'skip', why: `it names a database that the server has not` }),
  });
  return {
    SELECT: { touches: (command) => isBeyond(command, 1), write: () => 'dropped' },
    MOVE: rule((command) => isBeyond(command, 2)),
    SWAPDB: rule((command) => isBeyond(command, 1) || isBeyond(command, 2)),
    COPY: rule((command) => command.argc > 4 && isBeyond(command, behindDb(command))),
  };
}

/** `COPY source destination [DB n] [REPLACE]` */
function behindDb(command: StreamCommand): number {
  for (let at = 3; at < command.argc; at++) if (wordAt(command, at) === 'DB') return at + 1;
  return command.argc;
}
