import type { Difference, DifferenceKind } from './difference.ts';

export type DiffCounts = {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  readonly ttlChanged: number;
  readonly equal: number;
};

export type DatabaseDiff = DiffCounts & { readonly db: number };

/** Differences of the keys that begin alike. */
export type PrefixDiff = Omit<DiffCounts, 'equal'> & {
  readonly db: number;
  /** Without the colon behind it; empty for keys without one. */
  readonly prefix: Buffer;
};

type Open<T> = { -readonly [K in keyof T]: T[K] };

/** So many prefixes are told apart; keys may have as many as there are keys. */
const MAX_PREFIXES = 10_000;
/** What two prefixes have in common beyond this does not keep them apart. */
const MAX_PREFIX_BYTES = 256;
const COLON = 0x3a;

const COUNTED: Readonly<Record<DifferenceKind, keyof Omit<DiffCounts, 'equal'>>> = {
  added: 'added',
  removed: 'removed',
  changed: 'changed',
  'ttl-changed': 'ttlChanged',
};

/** Counts differences by database and by prefix. */
export class DifferenceTally {
  readonly #depth: number;
  readonly #databases = new Map<number, Open<DatabaseDiff>>();
  readonly #prefixes = new Map<string, Open<PrefixDiff>>();
  #uncounted = 0;

  /** `depth`: how many parts of a key, between colons, make its prefix. */
  constructor(depth: number) {
    this.#depth = depth;
  }

  equal(db: number, keys = 1): void {
    this.#database(db).equal += keys;
  }

  add({ kind, db, key }: Difference): void {
    const counted = COUNTED[kind];
    this.#database(db)[counted]++;
    const prefix = prefixOf(key, this.#depth);
    const name = `${db} ${prefix.toString('latin1')}`;
    let counts = this.#prefixes.get(name);
    if (counts === undefined) {
      if (this.#prefixes.size === MAX_PREFIXES) {
        this.#uncounted++;
        return;
      }
      counts = { db, prefix: Buffer.from(prefix), added: 0, removed: 0, changed: 0, ttlChanged: 0 };
      this.#prefixes.set(name, counts);
    }
    counts[counted]++;
  }

  get totals(): DiffCounts {
    const totals = { added: 0, removed: 0, changed: 0, ttlChanged: 0, equal: 0 };
    for (const counts of this.#databases.values()) {
      totals.added += counts.added;
      totals.removed += counts.removed;
      totals.changed += counts.changed;
      totals.ttlChanged += counts.ttlChanged;
      totals.equal += counts.equal;
    }
    return totals;
  }

  /** In order of `db`. */
  get databases(): DatabaseDiff[] {
    return [...this.#databases.values()].sort((a, b) => a.db - b.db);
  }

  /** Those with the most differences first. */
  get prefixes(): PrefixDiff[] {
    return [...this.#prefixes.values()].sort(
      (a, b) => sum(b) - sum(a) || a.db - b.db || Buffer.compare(a.prefix, b.prefix),
    );
  }

  /** Differences under prefixes beyond those that are told apart. */
  get uncounted(): number {
    return this.#uncounted;
  }

  #database(db: number): Open<DatabaseDiff> {
    let counts = this.#databases.get(db);
    if (counts === undefined) {
      counts = { db, added: 0, removed: 0, changed: 0, ttlChanged: 0, equal: 0 };
      this.#databases.set(db, counts);
    }
    return counts;
  }
}

function sum({ added, removed, changed, ttlChanged }: PrefixDiff): number {
  return added + removed + changed + ttlChanged;
}

/** The first `depth` parts of a key that a colon follows, without the last colon. */
export function prefixOf(key: Buffer, depth: number): Buffer {
  let end = 0;
  for (let part = 0, at = 0; part < depth; part++) {
    at = key.indexOf(COLON, at);
    if (at === -1) break;
    end = at++;
  }
  return key.subarray(0, Math.min(end, MAX_PREFIX_BYTES));
}
