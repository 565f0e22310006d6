import {
  commandFacts,
  type KeyPosition,
  keyPositions,
  type NamedCommand,
  slotRanges,
} from '../../commands/index.ts';
import { matchesGlob } from '../../entries/index.ts';
import { keySlot } from '../../repository/index.ts';

/** Which commands are wanted; what is absent asks for nothing. */
export type LogFilter = {
  /** One of these keys, exactly. */
  readonly keys?: readonly Uint8Array[];
  /** A key like one of these globs. */
  readonly match?: readonly Uint8Array[];
  /** Upper case; `XGROUP` means all its subcommands. */
  readonly commands?: readonly string[];
  readonly databases?: readonly number[];
};

/**
 * How a command has to do with the keys that are wanted: it names one; it touches all there are, as
 * FLUSHALL does; or it may touch any, as scripts and commands that nobody knows may.
 */
export type Touch = 'named' | 'all' | 'perhaps';

/** Decides which commands of a log are wanted. */
export class WantedCommands {
  readonly #keys: readonly Uint8Array[];
  readonly #match: readonly Uint8Array[];
  readonly #commands: ReadonlySet<string> | undefined;
  readonly #databases: ReadonlySet<number> | undefined;
  readonly #hasKeys: boolean;

  constructor({ keys, match, commands, databases }: LogFilter) {
    this.#keys = keys ?? [];
    this.#match = match ?? [];
    this.#commands = commands === undefined ? undefined : new Set(commands);
    this.#databases = databases === undefined ? undefined : new Set(databases);
    this.#hasKeys = keys !== undefined || match !== undefined;
  }

  /** Whether PING and the like may be wanted, which segments without data hold too. */
  get includesControls(): boolean {
    return [...(this.#commands ?? [])].some((name) => commandFacts(name)?.isControl === true);
  }

  /** Null: not wanted. */
  touchOf(command: NamedCommand): Touch | null {
    const { name } = command;
    if (this.#commands === undefined) {
      if (commandFacts(name)?.isControl === true) return null;
    } else if (!this.#commands.has(name) && !this.#commands.has(firstWord(name))) {
      return null;
    }
    const positions = keyPositions(command);
    if (positions === 'everything') return this.#touchOfAll(command);
    if (positions === 'none' || positions.length === 0) {
      if (commandFacts(name)?.isScript === true) return this.#perhaps(command);
      return !this.#hasKeys && this.#isIn(command.database) ? 'named' : null;
    }
    const isNamed = positions.some((position) => this.#isKey(command, position));
    if (isNamed) return 'named';
    return commandFacts(name)?.isScript === true ? this.#perhaps(command) : null;
  }

  #isKey(command: NamedCommand, { index, database }: KeyPosition): boolean {
    if (!this.#isIn(database)) return false;
    return !this.#hasKeys || this.#isWantedKey(command.arg(index));
  }

  #isWantedKey(key: Buffer): boolean {
    if (this.#keys.some((wanted) => key.equals(wanted))) return true;
    return this.#match.some((glob) => matchesGlob(glob, key, 0, key.length));
  }

  #isIn(database: number): boolean {
    return this.#databases === undefined || this.#databases.has(database);
  }

  #touchOfAll(command: NamedCommand): Touch | null {
    switch (command.name) {
      case 'FLUSHALL':
        return 'all';
      case 'FLUSHDB':
        return this.#isIn(command.database) ? 'all' : null;
      case 'SWAPDB': {
        const swapped = [1, 2].map((index) =>
          index < command.argc ? Number(command.arg(index).toString('latin1', 0, 16)) : -1,
        );
        return swapped.some((database) => this.#isIn(database)) ? 'all' : null;
      }
      default:
        if (commandFacts(command.name)?.keys.rule !== 'slot_ranges') return this.#perhaps(command);
        return this.#isInSlots(command) ? 'all' : null;
    }
  }

  /** Which keys like a glob are in a slot nobody can say. */
  #isInSlots(command: NamedCommand): boolean {
    if (this.#match.length > 0 || this.#keys.length === 0) return true;
    const ranges = slotRanges(command);
    return this.#keys.some((key) => {
      const slot = keySlot(key, 0, key.length);
      return ranges.some(({ first, last }) => slot >= first && slot <= last);
    });
  }

  /** A command without a rule is taken to name what any of its arguments is. */
  #perhaps(command: NamedCommand): Touch | null {
    if (!this.#isIn(command.database)) return null;
    if (!this.#hasKeys) return 'named';
    for (let index = 1; index < command.argc; index++) {
      if (this.#isWantedKey(command.arg(index))) return 'named';
    }
    return 'perhaps';
  }
}

function firstWord(name: string): string {
  const blank = name.indexOf(' ');
  return blank === -1 ? name : name.slice(0, blank);
}
