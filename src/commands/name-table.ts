import { COMMANDS, type CommandFacts, CONTAINERS } from './command-table.ts';

const SIZE = 1024;

/**
 * Recognises a command's name where it lies, as bytes of any letter case, without making a string.
 * A hash table with open addressing; both loops end because most of its places are empty.
 */
class NameTable<T> {
  readonly #names: (Uint8Array | undefined)[] = Array.from({ length: SIZE });
  readonly #values: (T | undefined)[] = Array.from({ length: SIZE });

  add(name: string, value: T): void {
    const bytes = Buffer.from(name, 'latin1');
    let place = hashOf(bytes, 0, bytes.length);
    while (this.#names[place] !== undefined) place = (place + 1) % SIZE;
    this.#names[place] = bytes;
    this.#values[place] = value;
  }

  find(bytes: Uint8Array, start: number, end: number): T | undefined {
    let place = hashOf(bytes, start, end);
    for (;;) {
      const name = this.#names[place];
      if (name === undefined) return undefined;
      if (isName(name, bytes, start, end)) return this.#values[place];
      place = (place + 1) % SIZE;
    }
  }
}

function upper(byte: number): number {
  return byte >= 97 && byte <= 122 ? byte - 32 : byte;
}

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + upper(bytes[at])) | 0;
  return (hash ^ (hash >>> 10)) & (SIZE - 1);
}

function isName(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) {
    if (name[i] !== upper(bytes[start + i])) return false;
  }
  return true;
}

export type KnownName = {
  /** null for a container, whose subcommand must be read first. */
  readonly facts: CommandFacts | null;
  readonly subcommands: NameTable<CommandFacts> | null;
  /** How many arguments a scanner has to look at. */
  readonly watched: number;
};

const NAMES = new NameTable<KnownName>();

for (const container of CONTAINERS) {
  const subcommands = new NameTable<CommandFacts>();
  for (const facts of COMMANDS) {
    if (!facts.name.startsWith(`${container} `)) continue;
    subcommands.add(facts.name.slice(container.length + 1), facts);
  }
  NAMES.add(container, { facts: null, subcommands, watched: 2 });
}
for (const facts of COMMANDS) {
  if (facts.name.includes(' ')) continue;
  NAMES.add(facts.name, { facts, subcommands: null, watched: watchedOf(facts) });
}

/** The name; of SELECT the database, of REPLCONF the option, of a relay what it carries. */
function watchedOf(facts: CommandFacts): number {
  if (facts.keys.rule === 'rreplay') return 4;
  return facts.name === 'SELECT' || facts.name === 'REPLCONF' ? 2 : 1;
}

/** The command that is named by `[start, end)`, in any letter case. */
export function findName(bytes: Uint8Array, start: number, end: number): KnownName | undefined {
  return NAMES.find(bytes, start, end);
}

/** An unknown name as text: upper case, what is not printable ASCII escaped. */
export function formatName(bytes: Uint8Array, start: number, end: number): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
  return text
    .replace(/[a-z]+/g, (letters) => letters.toUpperCase())
    .replace(/[^ -~]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
