import type { Problem } from '../counts.ts';
import type { KeyProblem } from '../encode/encoded-block.ts';

/** What became of the selected keys: written, expired and failed add up to selected. */
export type ExportCounts = {
  selected: number;
  written: number;
  /** Not written: their time was over. */
  expired: number;
  failed: number;
  /** Of the written ones: not exactly as they were. */
  inexact: number;
};

export function emptyExportCounts(): ExportCounts {
  return { selected: 0, written: 0, expired: 0, failed: 0, inexact: 0 };
}

const MAX_PROBLEMS = 1000;

/** Counts by database of the backup, the first problems by key, and the modules met. */
export class ExportTally {
  readonly problems: Problem[] = [];
  problemCount = 0;
  readonly modules = new Set<string>();
  readonly #databases = new Map<number, ExportCounts>();

  add(db: number, counts: ExportCounts, problems: readonly KeyProblem[]): void {
    const known = this.#databases.get(db) ?? emptyExportCounts();
    this.#databases.set(db, known);
    for (const name of Object.keys(known) as (keyof ExportCounts)[]) known[name] += counts[name];
    for (const { key, code, reason } of problems) {
      this.problemCount++;
      if (this.problems.length >= MAX_PROBLEMS) continue;
      const shown = code === 'failed' ? 'VALUE_UNREPRESENTABLE' : code;
      this.problems.push({ db, key, code: shown, message: reason });
    }
  }

  get databases(): ({ readonly db: number } & ExportCounts)[] {
    const all = [...this.#databases].map(([db, counts]) => ({ db, ...counts }));
    return all.sort((a, b) => a.db - b.db);
  }

  get totals(): ExportCounts {
    const totals = emptyExportCounts();
    for (const counts of this.#databases.values()) {
      for (const name of Object.keys(totals) as (keyof ExportCounts)[]) {
        totals[name] += counts[name];
      }
    }
    return totals;
  }
}
