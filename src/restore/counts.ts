/** What became of the selected keys; the members but `selected` and `inexact` add up to it. */
export type Counts = {
  selected: number;
  restored: number;
  /** The target had the same value and expiry already. */
  unchanged: number;
  renamed: number;
  overwritten: number;
  skipped: number;
  /** An application changed it while this task was interrupted: left as it is. */
  changed: number;
  /** Not written: their time was over. */
  expired: number;
  failed: number;
  /** Of the written ones: not exactly as they were. */
  inexact: number;
};

export function emptyCounts(): Counts {
  return {
    selected: 0,
    restored: 0,
    unchanged: 0,
    renamed: 0,
    overwritten: 0,
    skipped: 0,
    changed: 0,
    expired: 0,
    failed: 0,
    inexact: 0,
  };
}

export type Problem = {
  readonly db: number;
  /** As in the entries: text, or `base64:…`. */
  readonly key: string;
  readonly code: string;
  readonly message: string;
};

const MAX_PROBLEMS = 1000;

/** Counts by database of the backup, and the first problems by key. */
export class Tally {
  readonly problems: Problem[] = [];
  problemCount = 0;
  readonly #databases = new Map<number, Counts>();

  of(db: number): Counts {
    let counts = this.#databases.get(db);
    if (counts === undefined) {
      counts = emptyCounts();
      this.#databases.set(db, counts);
    }
    return counts;
  }

  problem(problem: Problem): void {
    this.problemCount++;
    if (this.problems.length < MAX_PROBLEMS) this.problems.push(problem);
  }

  /** Adds what another tally counted. */
  add(other: Tally): void {
    for (const { db, ...counts } of other.databases) {
      const sum = this.of(db);
      for (const name of Object.keys(counts) as (keyof Counts)[]) sum[name] += counts[name];
    }
    for (const problem of other.problems) this.problem(problem);
    this.problemCount += other.problemCount - other.problems.length;
  }

  get databases(): ({ readonly db: number } & Counts)[] {
    const all = [...this.#databases].map(([db, counts]) => ({ db, ...counts }));
    return all.sort((a, b) => a.db - b.db);
  }

  get totals(): Counts {
    const totals = emptyCounts();
    for (const counts of this.#databases.values()) {
      for (const name of Object.keys(totals) as (keyof Counts)[]) totals[name] += counts[name];
    }
    return totals;
  }
}
