import { entryType } from '../entries/index.ts';
import { COUNT } from '../kernels/index.ts';
import { type EntryHeader, NONE } from '../rdb/index.ts';
import type { BatchCounts, DatabaseCounts } from './counts.ts';

/** The types that a kernel knows, in its order. */
export const KERNEL_TYPES = ['string', 'list', 'set', 'hash', 'zset', 'stream'] as const;

/** Counts the keys of one batch. */
export class BatchTally {
  /** Keys read, selected or not. */
  scanned = 0;
  readonly #snapshotAtMs: number;
  readonly #databases = new Map<number, DatabaseCounts>();

  /** `snapshotAtMs`: the instant against which keys count as expired. */
  constructor(snapshotAtMs: number) {
    this.#snapshotAtMs = snapshotAtMs;
  }

  /** Counts a key that was selected. */
  add(header: EntryHeader): void {
    const counts = this.#of(header.db);
    counts.keys++;
    const type = entryType(header);
    counts.types[type] = (counts.types[type] ?? 0) + 1;
    if (header.expireAtMs === NONE) return;
    counts.expiring++;
    if (header.expireAtMs <= this.#snapshotAtMs) counts.expired++;
  }

  /** Adds what a kernel counted in one database, and sets its counts to 0. */
  addKernel(db: number, from: Uint32Array): void {
    this.scanned += from[COUNT.scanned];
    for (const [at, type] of KERNEL_TYPES.entries()) {
      const keys = from[at];
      if (keys === 0) continue;
      const counts = this.#of(db);
      counts.keys += keys;
      counts.types[type] = (counts.types[type] ?? 0) + keys;
    }
    if (from[COUNT.expiring] > 0) {
      const counts = this.#of(db);
      counts.expiring += from[COUNT.expiring];
      counts.expired += from[COUNT.expired];
    }
    from.fill(0);
  }

  result(): BatchCounts {
    return { scanned: this.scanned, databases: [...this.#databases.values()] };
  }

  #of(db: number): DatabaseCounts {
    let counts = this.#databases.get(db);
    if (counts === undefined) {
      counts = { db, keys: 0, expiring: 0, expired: 0, types: {} };
      this.#databases.set(db, counts);
    }
    return counts;
  }
}
