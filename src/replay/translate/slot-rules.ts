import type { StreamCommand } from '../../commands/index.ts';
import { always, type Rule, wordAt } from './rule.ts';

/**
 * What clusters write into their streams while slots move. A server without cluster mode refuses
 * all of it. `imports` holds the imports of slots that are under way, by the names of their jobs.
 */
export function slotRules(imports: Set<string>): Readonly<Record<string, Rule>> {
  /**
   * `CLUSTER SYNCSLOTS …`: what is imported comes as ordinary commands; the markers say only
   * whether clients see it. Valkey's carry NAME; those of Redis mark parts of one import.
   */
  const SYNCSLOTS = always((command) => {
    const job = wordBehind(command, 'NAME');
    const state = wordBehind(command, 'STATE').toUpperCase();
    if (wordAt(command, 2) === 'ESTABLISH') imports.add(job);
    if (wordAt(command, 2) === 'FINISH') imports.delete(job);
    if (state !== 'FAILED') return 'dropped';
    const why = 'an import of slots failed, and its keys were removed by slot';
    return { action: 'skip', why };
  });

  const BY_SLOT = always(() => ({
    action: 'skip',
    why: 'it removes keys by hash slot, which only a server in cluster mode can',
  }));

  return {
    'CLUSTER SYNCSLOTS': SYNCSLOTS,
    'CLUSTER SETSLOT': always(() => 'dropped'),
    'CLUSTER FLUSHSLOT': BY_SLOT,
    TRIMSLOTS: BY_SLOT,
    SFLUSH: BY_SLOT,
  };
}

/** The argument after a word; empty when it is not there. */
function wordBehind(command: StreamCommand, word: string): string {
  for (let at = 2; at + 1 < command.argc; at++) {
    if (wordAt(command, at) === word) return command.arg(at + 1).toString('latin1');
  }
  return '';
}
