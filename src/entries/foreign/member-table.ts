import {
  CLOSE_OBJECT,
  COLON,
  COMMA,
  hasEscape,
  type JsonTokens,
  OPEN_OBJECT,
  QUOTE,
} from './json-tokens.ts';

const ABSENT = -1;

/**
 * The members that one kind of object may have, and where their values stand in the object that was
 * scanned last. Members may come in any order: an object is scanned once for its members, each of
 * which is then read in the order in which it is needed.
 */
export class MemberTable<Name extends string> {
  /** Behind the closing bracket of the object scanned last. */
  end = 0;
  /** A bit for each of its members, the first name's being 1. */
  present = 0;
  readonly #names: readonly Uint8Array[];
  readonly #indexes: ReadonlyMap<string, number>;
  readonly #positions: Float64Array;
  /** Where the name of the first of them begins: for messages. */
  #start = 0;

  constructor(names: readonly Name[]) {
    this.#names = names.map((name) => new Uint8Array(Buffer.from(name)));
    this.#indexes = new Map(names.map((name, index) => [name, index]));
    this.#positions = new Float64Array(names.length);
  }

  /** Scans the object at the cursor, which stands behind it then. Its values are not checked. */
  scan(tokens: JsonTokens): void {
    this.present = 0;
    tokens.demand(OPEN_OBJECT);
    this.#start = tokens.pos;
    let next = 0;
    if (!tokens.accept(CLOSE_OBJECT)) {
      do {
        const index = this.#readName(tokens, next);
        tokens.demand(COLON);
        tokens.skipSpaces();
        this.#positions[index] = tokens.pos;
        this.present |= 1 << index;
        tokens.skipValue();
        next = index + 1;
      } while (tokens.accept(COMMA));
      tokens.demand(CLOSE_OBJECT);
    }
    this.end = tokens.pos;
  }

  /** The bits of these members. */
  bitsOf(...names: Name[]): number {
    return names.reduce((bits, name) => bits | (1 << (this.#indexes.get(name) as number)), 0);
  }

  /** Goes to the value of a member; false when there is none. */
  find(tokens: JsonTokens, name: Name): boolean {
    const index = this.#indexes.get(name) as number;
    if ((this.present & (1 << index)) === 0) return false;
    tokens.pos = this.#positions[index];
    return true;
  }

  /** The same for a member that must be there. */
  need(tokens: JsonTokens, name: Name): void {
    if (!this.find(tokens, name))
      throw tokens.wrong(`the member "${name}" is missing`, this.#start);
  }

  /** `likely` is where writers put the member that comes here. */
  #readName(tokens: JsonTokens, likely: number): number {
    if (tokens.peek() !== QUOTE) throw tokens.invalid('the name of a member');
    const start = tokens.pos + 1;
    const end = tokens.skipText();
    const index = this.#match(tokens, start, end, likely);
    if (index === ABSENT) {
      throw tokens.wrong(`the member "${tokens.shown(start, end)}" is not known here`, start);
    }
    if ((this.present & (1 << index)) !== 0) {
      throw tokens.wrong(`the member "${tokens.shown(start, end)}" comes twice`, start);
    }
    return index;
  }

  #match(tokens: JsonTokens, start: number, end: number, likely: number): number {
    const { bytes } = tokens;
    if (hasEscape(bytes, start, end)) return this.#matchEscaped(tokens, start);
    for (let tries = 0; tries < this.#names.length; tries++) {
      const index = (likely + tries) % this.#names.length;
      if (isSame(this.#names[index], bytes, start, end)) return index;
    }
    return ABSENT;
  }

  #matchEscaped(tokens: JsonTokens, start: number): number {
    const behind = tokens.pos;
    tokens.pos = start - 1;
    tokens.readString();
    tokens.pos = behind;
    return this.#indexes.get(tokens.latin1()) ?? ABSENT;
  }
}

function isSame(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}
