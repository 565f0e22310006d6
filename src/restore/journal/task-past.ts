import type { ErrorCode } from '../../base/index.ts';
import { type Counts, emptyCounts, type Problem, Tally } from '../counts.ts';
import type { FunctionCounts } from '../functions.ts';
import { type BlockNotes, type BlockNotesFields, decodeNotes } from './block-notes.ts';
import { decodeTask, type TaskRecord } from './task-record.ts';

/** A block: the place of its file in the manifest, and its place in the file. */
export type BlockPlace = { readonly f: number; readonly b: number };

/** How a long key came into the target, or was about to. */
export type LongOutcome = 'restored' | 'renamed' | 'overwritten';

/** What a task noted of a key of several parts. */
export type LongNotes = {
  readonly nowMs: number;
  /** Told before the one command that makes the key visible; until then nothing is. */
  readonly publishing?: {
    readonly outcome: LongOutcome;
    /** Fingerprint of what was to be overwritten. */
    readonly print: Uint8Array | undefined;
  };
};

/** Records of a journal behind the first; one-letter members are as in BlockPlace. */
export type JournalRecord =
  | { readonly k: 'run'; readonly at: number }
  | ({ readonly k: 'begun' } & BlockPlace & BlockNotesFields)
  | ({ readonly k: 'long'; readonly at: number } & BlockPlace)
  | ({ readonly k: 'publish'; readonly as: LongOutcome; readonly print?: string } & BlockPlace)
  | ({
      readonly k: 'done';
      readonly db: number;
      readonly counts: Partial<Counts>;
      readonly problems?: readonly Problem[];
      readonly problemCount?: number;
      /** Keys that the task has dealt with so far. */
      readonly keys: number;
    } & BlockPlace)
  | { readonly k: 'functions'; readonly counts: FunctionCounts; readonly notices: string[] }
  | { readonly k: 'ended'; readonly at: number; readonly code: ErrorCode | 'BUG' }
  | { readonly k: 'finished'; readonly at: number; readonly keys: number };

/** What a journal tells of earlier runs of its task. */
export class TaskPast {
  record: TaskRecord | undefined;
  /** Counts and problems of the blocks that are done. */
  readonly tally = new Tally();
  functions: { readonly counts: FunctionCounts; readonly notices: readonly string[] } | undefined;
  isFinished = false;
  /** How long earlier runs worked, as far as their records tell. */
  workedMs = 0;
  readonly #done = new Map<number, Set<number>>();
  readonly #begun = new Map<string, BlockNotes>();
  readonly #long = new Map<string, LongNotes>();
  #runAt = 0;
  #lastAt = 0;

  /** Whether any block was begun: something may have been written. */
  get hasBegun(): boolean {
    return this.#done.size + this.#begun.size + this.#long.size > 0 || this.functions !== undefined;
  }

  isDone({ f, b }: BlockPlace): boolean {
    return this.#done.get(f)?.has(b) === true;
  }

  /** Of a block that was begun and not done. */
  notesOf(place: BlockPlace): BlockNotes | undefined {
    return this.#begun.get(nameOf(place));
  }

  longNotesOf(place: BlockPlace): LongNotes | undefined {
    return this.#long.get(nameOf(place));
  }

  add(value: unknown): void {
    if (this.record === undefined) {
      this.record = decodeTask(value);
      return;
    }
    const record = value as JournalRecord;
    switch (record.k) {
      case 'run':
        this.#endRun();
        this.#runAt = record.at;
        this.#lastAt = record.at;
        break;
      case 'begun':
        this.#lastAt = Math.max(this.#lastAt, record.at);
        this.#begun.set(nameOf(record), decodeNotes(record));
        break;
      case 'long':
        this.#long.set(nameOf(record), { nowMs: record.at });
        break;
      case 'publish':
        this.#addPublish(record);
        break;
      case 'done':
        this.#addDone(record);
        break;
      case 'functions':
        this.functions = record;
        break;
      default:
        this.#lastAt = Math.max(this.#lastAt, record.at);
        this.isFinished = record.k === 'finished';
    }
  }

  /** No record follows. */
  close(): void {
    this.#endRun();
  }

  #endRun(): void {
    this.workedMs += this.#lastAt - this.#runAt;
    this.#runAt = this.#lastAt;
  }

  #addPublish(record: JournalRecord & { readonly k: 'publish' }): void {
    const name = nameOf(record);
    const nowMs = this.#long.get(name)?.nowMs ?? 0;
    const print = record.print === undefined ? undefined : Buffer.from(record.print, 'base64');
    this.#long.set(name, { nowMs, publishing: { outcome: record.as, print } });
  }

  #addDone(record: JournalRecord & { readonly k: 'done' }): void {
    const { f, b, db, counts, problems = [], problemCount = problems.length } = record;
    let blocks = this.#done.get(f);
    if (blocks === undefined) {
      blocks = new Set();
      this.#done.set(f, blocks);
    }
    blocks.add(b);
    this.#begun.delete(nameOf(record));
    this.#long.delete(nameOf(record));
    const part = new Tally();
    Object.assign(part.of(db), { ...emptyCounts(), ...counts });
    for (const problem of problems) part.problem(problem);
    part.problemCount = problemCount;
    this.tally.add(part);
  }
}

function nameOf({ f, b }: BlockPlace): string {
  return `${f}/${b}`;
}
