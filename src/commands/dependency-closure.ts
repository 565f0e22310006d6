import { commandFacts } from './command-table.ts';
import { type KeyPosition, keyPositions, type NamedCommand } from './key-positions.ts';

/** Which keys are wanted in the end. The bytes are the caller's during the call only. */
export type KeyPredicate = (database: number, key: Buffer) => boolean;

/**
 * Finds out, from a stream, which keys the wanted ones can depend on: a copy's source, the sets of
 * a union, the other side of a SWAPDB. A replay that begins with these keys alone, and runs the
 * commands that `keeps` keeps, leaves the wanted keys as a replay of everything would.
 *
 * The order of commands is not looked at: a key depends on another when any command of the stream
 * may carry something from there. That can be more than needed, never less. It holds the names of
 * the keys that commands of several keys name, and nothing else.
 */
export class DependencyClosure {
  /** By a key's identity (or a hub's): the identities that it depends on directly. */
  readonly #sources = new Map<string, Set<string>>();
  /** Databases that SWAPDB exchanges count as one; by number, the lowest of the group. */
  readonly #groups = new Map<number, number>();
  #everything: string | null = null;
  #hubs = 0;
  #links = 0;

  /** The name of a command whose keys nobody can know, so that all keys are needed; or null. */
  get everythingBecause(): string | null {
    return this.#everything;
  }

  /** How much was learned: dependencies between two keys. Memory grows with it. */
  get links(): number {
    return this.#links;
  }

  /** Learns from one command of the stream. */
  add(command: NamedCommand): void {
    if (this.#everything !== null) return;
    if (mayTouchAnyKey(command)) {
      this.#everything = command.name;
      return;
    }
    if (command.name === 'SWAPDB') {
      this.#join(databaseAt(command, 1), databaseAt(command, 2));
      return;
    }
    const positions = keyPositions(command);
    if (typeof positions === 'string' || INDEPENDENT.has(command.name)) return;
    if (positions.length < 2) return;
    const identities = positions.map((position) => identityOf(command, position));
    const sources = identities.length > FEW_KEYS ? [this.#hubOf(identities)] : identities;
    for (const [index, position] of positions.entries()) {
      if (isRead(command, position)) continue;
      this.#link(identities[index], sources);
    }
  }

  /** Every key that is needed for the wanted ones, they included. */
  close(isWanted: KeyPredicate): NeededKeys {
    if (this.#everything !== null) return new NeededKeys(isWanted, this.#groups, null);
    const graph = new Map<string, Set<string>>();
    for (const [key, sources] of this.#sources) {
      const grouped = this.#grouped(key);
      const known = graph.get(grouped) ?? new Set();
      for (const source of sources) known.add(this.#grouped(source));
      graph.set(grouped, known);
    }
    const needed = new Set<string>();
    const waiting = [...graph.keys()].filter((identity) => {
      const { database, key } = keyOf(identity);
      if (database < 0) return false;
      return membersOf(this.#groups, database).some((member) => isWanted(member, key));
    });
    for (let identity = waiting.pop(); identity !== undefined; identity = waiting.pop()) {
      if (needed.has(identity)) continue;
      needed.add(identity);
      waiting.push(...(graph.get(identity) ?? []));
    }
    return new NeededKeys(isWanted, this.#groups, needed);
  }

  /** What stands for all keys of one command, so that many keys are not linked each with each. */
  #hubOf(identities: readonly string[]): string {
    const hub = `-1 ${this.#hubs++}`;
    this.#link(hub, identities);
    return hub;
  }

  #link(identity: string, sources: readonly string[]): void {
    let known = this.#sources.get(identity);
    if (known === undefined) {
      known = new Set();
      this.#sources.set(identity, known);
    }
    const had = known.size;
    for (const source of sources) known.add(source);
    this.#links += known.size - had;
  }

  #grouped(identity: string): string {
    const { database, text } = partsOf(identity);
    return `${this.#groups.get(database) ?? database} ${text}`;
  }

  #join(one: number | undefined, other: number | undefined): void {
    if (one === undefined || other === undefined) return;
    const [low, high] = [one, other]
      .map((number) => this.#groups.get(number) ?? number)
      .sort((a, b) => a - b);
    for (const number of [one, other]) this.#groups.set(number, low);
    for (const [number, group] of this.#groups) {
      if (group === high) this.#groups.set(number, low);
    }
  }
}

/** The keys, and the commands, that a partial replay needs. */
export class NeededKeys {
  readonly #isWanted: KeyPredicate;
  readonly #groups: ReadonlyMap<number, number>;
  /** Null: everything. */
  readonly #needed: ReadonlySet<string> | null;

  constructor(
    isWanted: KeyPredicate,
    groups: ReadonlyMap<number, number>,
    needed: ReadonlySet<string> | null,
  ) {
    this.#isWanted = isWanted;
    this.#groups = groups;
    this.#needed = needed;
  }

  get isEverything(): boolean {
    return this.#needed === null;
  }

  has(database: number, key: Buffer): boolean {
    if (this.#needed === null) return true;
    const group = this.#groups.get(database) ?? database;
    if (this.#needed.has(`${group} ${key.toString('latin1')}`)) return true;
    return membersOf(this.#groups, database).some((member) => this.#isWanted(member, key));
  }

  /**
   * Whether the replay must run this command. What is not kept writes other keys only. Of a
   * transaction nothing but MULTI and EXEC may remain.
   */
  keeps(command: NamedCommand): boolean {
    if (this.#needed === null) return true;
    const positions = keyPositions(command);
    if (typeof positions === 'string') return true;
    return positions.some(
      (position) =>
        !isRead(command, position) && this.has(position.database, command.arg(position.index)),
    );
  }

  /** The databases that count as one with this one, itself included. */
  databasesWith(database: number): number[] {
    return membersOf(this.#groups, database);
  }

  /** The keys that are needed because of commands of several keys; wanted ones may be others. */
  *named(): Generator<{ readonly databases: readonly number[]; readonly key: Buffer }> {
    for (const identity of this.#needed ?? []) {
      const { database, key } = keyOf(identity);
      if (database >= 0) yield { databases: this.databasesWith(database), key };
    }
  }
}

/** Commands of more keys are stood for by a node of their own, in database -1. */
const FEW_KEYS = 4;

/** Commands of several keys that do the same to each, whatever the others are. */
const INDEPENDENT = new Set(['DEL', 'EXPDEL', 'MSET', 'UNLINK']);

/** Scripts, what nobody knows, relays, and sorting by patterns that name other keys. */
function mayTouchAnyKey(command: NamedCommand): boolean {
  const facts = commandFacts(command.name);
  if (facts === undefined || facts.isScript || facts.keys.rule === 'rreplay') return true;
  // A script that KeyDB runs by the clock.
  if (command.name === 'KEYDB.CRON') return true;
  if (command.name !== 'SORT') return false;
  for (let index = 2; index + 1 < command.argc; index++) {
    const word = command.arg(index).toString('latin1', 0, 8).toUpperCase();
    if ((word === 'BY' || word === 'GET') && command.arg(index + 1).includes('*')) return true;
  }
  return false;
}

/** XREADGROUP changes the group of a stream that it is said to read. */
function isRead({ name }: NamedCommand, { access }: KeyPosition): boolean {
  return access === 'RO' && name !== 'XREADGROUP';
}

function databaseAt(command: NamedCommand, index: number): number | undefined {
  if (index >= command.argc) return undefined;
  const text = command.arg(index).toString('latin1', 0, 16);
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

function membersOf(groups: ReadonlyMap<number, number>, database: number): number[] {
  const group = groups.get(database);
  if (group === undefined) return [database];
  return [...groups].filter(([, other]) => other === group).map(([number]) => number);
}

function identityOf(command: NamedCommand, { index, database }: KeyPosition): string {
  return `${database} ${command.arg(index).toString('latin1')}`;
}

function partsOf(identity: string): { database: number; text: string } {
  const blank = identity.indexOf(' ');
  return { database: Number(identity.slice(0, blank)), text: identity.slice(blank + 1) };
}

function keyOf(identity: string): { database: number; key: Buffer } {
  const { database, text } = partsOf(identity);
  return { database, key: Buffer.from(text, 'latin1') };
}
