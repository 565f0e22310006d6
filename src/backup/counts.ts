import type { DatabaseFacts } from '../repository/index.ts';

export type DatabaseCounts = {
  readonly db: number;
  keys: number;
  expiring: number;
  expired: number;
  readonly types: Record<string, number>;
};

export type BatchCounts = {
  /** Keys read, selected or not. */
  readonly scanned: number;
  /** Of the selected keys. */
  readonly databases: readonly DatabaseCounts[];
};

/** Sums of what the batches of a backup hold. */
export class Totals {
  scanned = 0;
  keys = 0;
  readonly #databases = new Map<number, DatabaseCounts>();

  add(counts: BatchCounts): void {
    this.scanned += counts.scanned;
    for (const from of counts.databases) {
      this.keys += from.keys;
      let into = this.#databases.get(from.db);
      if (into === undefined) {
        into = { db: from.db, keys: 0, expiring: 0, expired: 0, types: {} };
        this.#databases.set(from.db, into);
      }
      into.keys += from.keys;
      into.expiring += from.expiring;
      into.expired += from.expired;
      for (const [type, keys] of Object.entries(from.types)) {
        into.types[type] = (into.types[type] ?? 0) + keys;
      }
    }
  }

  /** In order of database, as a manifest lists them. */
  databases(): DatabaseFacts[] {
    return [...this.#databases.values()].sort((a, b) => a.db - b.db);
  }
}
