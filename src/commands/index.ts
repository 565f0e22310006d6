/**
 * The language of a replication stream: where its commands begin and end, what they are called and
 * which keys they name. Not what they do: only a real server decides that. No I/O; whoever has the
 * bytes pushes them in, cut anywhere.
 *
 * `StreamScanner` follows a stream without decoding it and knows where it may be cut: for capture
 * and for reading back. `CommandReader` hands out whole commands. `keyPositions` and
 * `commandFacts` know each of the commands that servers write into their streams; a name that is
 * not in the table may do anything. `DependencyClosure` tells which keys a few keys can depend on.
 *
 * Anything that is no array of bulk strings ends in STREAM_CORRUPT with its offset. A bare newline
 * between commands is a keepalive: it counts as a byte and is nothing else.
 */
export {
  type CommandFacts,
  commandFacts,
  type CommandMark,
  COMMANDS,
  isControl,
  type KeyAccess,
  type KeyRule,
} from './command-table.ts';
export { CommandReader } from './command-reader.ts';
export { DependencyClosure, type KeyPredicate, NeededKeys } from './dependency-closure.ts';
export { type KeyPosition, keyPositions, type NamedCommand, slotRanges } from './key-positions.ts';
export { readRelayed } from './relayed-commands.ts';
export type { StreamCommand, StreamState } from './stream-command.ts';
export { type NotableEvent, StreamScanner } from './stream-scanner.ts';
