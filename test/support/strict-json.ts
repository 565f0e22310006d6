/**
 * A slow and strict JSON parser for tests. Unlike JSON.parse it keeps the order of object members,
 * refuses duplicate names, keeps `__proto__` and integer-like names as they are, keeps the text of
 * numbers, and refuses strings that are not well-formed Unicode.
 */
export type Json = string | boolean | null | JsonNumber | Json[] | JsonObject;
/** Members in the order of the text. */
export type JsonObject = Map<string, Json>;

export class JsonNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  get value(): number {
    return Number(this.text);
  }
}

export function parseStrictJson(text: string, options: { spaces?: boolean } = {}): Json {
  const parser = new Parser(text, options.spaces ?? true);
  return parser.document();
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

class Parser {
  readonly #text: string;
  readonly #spaces: boolean;
  #at = 0;

  constructor(text: string, spaces: boolean) {
    this.#text = text;
    this.#spaces = spaces;
  }

  document(): Json {
    const value = this.#value();
    this.#skip();
    if (this.#at !== this.#text.length) this.#fail('text after the end');
    return value;
  }

  #value(): Json {
    this.#skip();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object();
      case '[':
        return this.#array();
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #object(): JsonObject {
    const members: JsonObject = new Map();
    this.#at++;
    if (this.#accept('}')) return members;
    do {
      this.#skip();
      if (this.#text[this.#at] !== '"') this.#fail('a member name was expected');
      const name = this.#string();
      if (members.has(name)) this.#fail(`duplicate member ${JSON.stringify(name.slice(0, 60))}`);
      if (!this.#accept(':')) this.#fail('":" was expected');
      members.set(name, this.#value());
    } while (this.#accept(','));
    if (!this.#accept('}')) this.#fail('"," or "}" was expected');
    return members;
  }

  #array(): Json[] {
    const items: Json[] = [];
    this.#at++;
    if (this.#accept(']')) return items;
    do items.push(this.#value());
    while (this.#accept(','));
    if (!this.#accept(']')) this.#fail('"," or "]" was expected');
    return items;
  }

  #string(): string {
    const start = this.#at;
    let end = start + 1;
    for (;;) {
      end = this.#text.indexOf('"', end);
      if (end < 0) this.#fail('a string does not end');
      let slashes = 0;
      while (this.#text[end - 1 - slashes] === '\\') slashes++;
      if (slashes % 2 === 0) break;
      end++;
    }
    this.#at = end + 1;
    const value: unknown = JSON.parse(this.#text.slice(start, end + 1));
    if (typeof value !== 'string') this.#fail('a string was expected');
    if (!value.isWellFormed()) this.#fail('a string holds half of a surrogate pair');
    return value;
  }

  #number(): JsonNumber {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) this.#fail('a value was expected');
    this.#at += match[0].length;
    return new JsonNumber(match[0]);
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail('a value was expected');
    this.#at += word.length;
    return value;
  }

  #accept(character: string): boolean {
    this.#skip();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #skip(): void {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? '')) {
      if (!this.#spaces) this.#fail('a space where none is allowed');
      this.#at++;
    }
  }

  #fail(what: string): never {
    throw new Error(`JSON is wrong at character ${this.#at}: ${what}`);
  }
}
