import { CodedError } from '../../base/index.ts';

/** Highest count of anything that we believe of a stored document. */
const MAX_ITEMS = 1_000_000;

/**
 * Strict reading of one object of a JSON document: every member is fetched by its type and bounds,
 * and anything else is REPOSITORY_CORRUPT with the object's name and the member's path. Unknown
 * members are let through: what a reader has to understand is in `requires`.
 */
export class Fields {
  readonly #members: Readonly<Record<string, unknown>>;
  readonly #object: string;
  readonly #path: string;

  constructor(value: unknown, object: string, path = '') {
    this.#object = object;
    this.#path = path;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.#wrong('', 'an object');
    }
    this.#members = value as Readonly<Record<string, unknown>>;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#members, name);
  }

  isNull(name: string): boolean {
    return this.#get(name) === null;
  }

  text(name: string, pattern: RegExp = /^/, maxLength = 4096): string {
    const value = this.#get(name);
    if (typeof value !== 'string' || value.length > maxLength || !pattern.test(value)) {
      throw this.#wrong(name, 'text of the right form');
    }
    return value;
  }

  textOrNull(name: string, pattern?: RegExp, maxLength?: number): string | null {
    return this.isNull(name) ? null : this.text(name, pattern, maxLength);
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T {
    const value = this.#get(name);
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw this.#wrong(name, `one of ${choices.join(', ')}`);
    return choice;
  }

  integer(name: string, min = 0, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#get(name);
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      throw this.#wrong(name, `a whole number from ${min} to ${max}`);
    }
    return value as number;
  }

  boolean(name: string): boolean {
    const value = this.#get(name);
    if (typeof value !== 'boolean') throw this.#wrong(name, 'true or false');
    return value;
  }

  /** RFC 3339 in UTC with milliseconds, and a date that exists. */
  time(name: string): string {
    const value = this.text(name, /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z$/);
    const ms = Date.parse(value);
    if (Number.isNaN(ms) || new Date(ms).toISOString() !== value) {
      throw this.#wrong(name, 'a time in UTC');
    }
    return value;
  }

  fields(name: string): Fields {
    return new Fields(this.#get(name), this.#object, this.#below(name));
  }

  fieldsOrNull(name: string): Fields | null {
    return this.isNull(name) ? null : this.fields(name);
  }

  /** An array of objects. */
  items<T>(name: string, read: (item: Fields) => T): T[] {
    return this.#array(name).map((value, index) =>
      read(new Fields(value, this.#object, `${this.#below(name)}[${index}]`)),
    );
  }

  texts(name: string, pattern: RegExp = /^/): string[] {
    return this.#array(name).map((value) => {
      if (typeof value === 'string' && pattern.test(value)) return value;
      throw this.#wrong(name, 'an array of texts of the right form');
    });
  }

  textsOrNull(name: string): string[] | null {
    return this.isNull(name) ? null : this.texts(name);
  }

  integers(name: string, min: number, max: number): number[] {
    return this.#array(name).map((value) => {
      const ok =
        Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
      if (ok) return value as number;
      throw this.#wrong(name, `an array of whole numbers from ${min} to ${max}`);
    });
  }

  /** An array of pairs of whole numbers. */
  pairs(name: string, min: number, max: number): (readonly [number, number])[] {
    return this.#array(name).map((value) => {
      const pair = new Fields({ pair: value }, this.#object, this.#below(name));
      const [first, second, ...more] = pair.integers('pair', min, max);
      if (first !== undefined && second !== undefined && more.length === 0) return [first, second];
      throw this.#wrong(name, 'an array of pairs');
    });
  }

  /** An array of arrays, whose elements are for the caller to check. */
  arrays(name: string): number[][] {
    return this.#array(name).map((value) => {
      if (Array.isArray(value)) return value as number[];
      throw this.#wrong(name, 'an array of arrays');
    });
  }

  /** A map from any name to a whole number. */
  counts(name: string): Record<string, number> {
    const map = this.fields(name);
    return Object.fromEntries(map.names().map((key) => [key, map.integer(key)]));
  }

  textMap(name: string): Record<string, string> {
    const map = this.fields(name);
    return Object.fromEntries(map.names().map((key) => [key, map.text(key)]));
  }

  names(): string[] {
    return Object.keys(this.#members);
  }

  /** An inconsistency that the caller found. */
  inconsistent(found: string): CodedError {
    return new CodedError('REPOSITORY_CORRUPT', `Cannot read '${this.#object}': ${found}`, {
      object: this.#object,
    });
  }

  #array(name: string): unknown[] {
    const value = this.#get(name);
    if (!Array.isArray(value) || value.length > MAX_ITEMS) throw this.#wrong(name, 'an array');
    return value;
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#members, name) ? this.#members[name] : undefined;
  }

  #below(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }

  #wrong(name: string, expected: string): CodedError {
    const path = name === '' ? this.#path || 'the document' : this.#below(name);
    return this.inconsistent(`${path} should be ${expected}`);
  }
}
