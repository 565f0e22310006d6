import { type EntryHeader, TYPE } from '../rdb/index.ts';
import { matchesGlob } from './glob.ts';

/** The names that entries give their types. */
export const ENTRY_TYPES = [
  'string',
  'list',
  'set',
  'hash',
  'zset',
  'stream',
  'array',
  'module',
  'opaque',
] as const;
export type EntryType = (typeof ENTRY_TYPES)[number];

/** What is wanted; an absent member restricts nothing. Several members must all agree. */
export type EntrySelection = {
  readonly databases?: readonly number[];
  /** Exactly these keys; together with `match`, either is enough. */
  readonly keys?: readonly Uint8Array[];
  readonly match?: readonly Uint8Array[];
  readonly exclude?: readonly Uint8Array[];
  readonly types?: readonly EntryType[];
};

/** The type of an entry as its line names it. */
export function entryType(header: EntryHeader): EntryType {
  if (header.kind !== 'opaque') return header.kind;
  return header.rdbType === TYPE.module ? 'module' : 'opaque';
}

export function selectsEverything(selection: EntrySelection): boolean {
  return Object.values(selection).every((member) => member === undefined);
}

/** Decides about entries by their headers, on bytes. */
export class EntrySelector {
  readonly #databases: ReadonlySet<number> | undefined;
  readonly #keys: KeySet;
  readonly #match: readonly Uint8Array[];
  readonly #exclude: readonly Uint8Array[];
  readonly #types: ReadonlySet<string> | undefined;
  readonly #hasKeys: boolean;

  constructor(selection: EntrySelection) {
    this.#databases = selection.databases && new Set(selection.databases);
    this.#keys = new KeySet(selection.keys ?? []);
    this.#match = selection.match ?? [];
    this.#exclude = selection.exclude ?? [];
    this.#types = selection.types && new Set(selection.types);
    this.#hasKeys = selection.keys !== undefined || selection.match !== undefined;
  }

  /** Whether any entry of this database may be wanted: lets a reader skip whole blocks. */
  wantsDatabase(db: number): boolean {
    return this.#databases === undefined || this.#databases.has(db);
  }

  wants(header: EntryHeader): boolean {
    if (!this.wantsDatabase(header.db)) return false;
    if (this.#types !== undefined && !this.#types.has(entryType(header))) return false;
    const { key, keyStart, keyEnd } = header;
    if (this.#hasKeys && !this.#wantsKey(key, keyStart, keyEnd)) return false;
    return !this.#exclude.some((pattern) => matchesGlob(pattern, key, keyStart, keyEnd));
  }

  #wantsKey(key: Uint8Array, start: number, end: number): boolean {
    if (this.#keys.has(key, start, end)) return true;
    return this.#match.some((pattern) => matchesGlob(pattern, key, start, end));
  }
}

/** Exact keys, as many as there are. */
class KeySet {
  readonly #byHash = new Map<number, Uint8Array[]>();

  constructor(keys: readonly Uint8Array[]) {
    for (const key of keys) {
      const hash = hashOf(key, 0, key.length);
      const same = this.#byHash.get(hash);
      if (same === undefined) this.#byHash.set(hash, [key]);
      else same.push(key);
    }
  }

  has(key: Uint8Array, start: number, end: number): boolean {
    const same = this.#byHash.get(hashOf(key, start, end));
    if (same === undefined) return false;
    return same.some((one) => one.length === end - start && equalBytes(one, key, start));
  }
}

/** Of the length and the last bytes, in which keys differ most. */
function hashOf(key: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let i = Math.max(start, end - 16); i < end; i++) hash = Math.imul(hash ^ key[i], 16777619);
  return hash;
}

function equalBytes(wanted: Uint8Array, key: Uint8Array, start: number): boolean {
  for (let i = 0; i < wanted.length; i++) if (wanted[i] !== key[start + i]) return false;
  return true;
}
