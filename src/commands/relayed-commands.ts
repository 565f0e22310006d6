import { isCoded } from '../base/index.ts';
import { CommandReader } from './command-reader.ts';
import type { StreamCommand } from './stream-command.ts';

/**
 * Hands over what a KeyDB RREPLAY carries: `RREPLAY uuid commands [db] [stamp]`. Offsets count from
 * the relay's own. False, perhaps after some commands, when what it carries is not whole commands.
 */
export function readRelayed(
  relay: StreamCommand,
  onCommand: (command: StreamCommand) => void,
): boolean {
  if (relay.argc < 3) return false;
  const given = relay.argc > 3 ? Number(relay.arg(3).toString('latin1', 0, 16)) : Number.NaN;
  const database = Number.isSafeInteger(given) && given >= 0 ? given : relay.database;
  const carried = relay.arg(2);
  const reader = new CommandReader({ offset: relay.offset, database });
  try {
    reader.push(carried, 0, carried.length, onCommand);
  } catch (error) {
    if (isCoded(error, 'STREAM_CORRUPT')) return false;
    throw error;
  }
  return !reader.isWithinCommand;
}
