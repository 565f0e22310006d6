import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CodedError, isCoded } from '../../base/index.ts';
import type { Tally } from '../counts.ts';
import type { FunctionCounts } from '../functions.ts';
import { type BlockNotes, encodeNotes } from './block-notes.ts';
import { attempt, formatRecord, JournalFile } from './journal-file.ts';
import { TaskLock } from './task-lock.ts';
import { type BlockPlace, type JournalRecord, type LongOutcome, TaskPast } from './task-past.ts';
import { encodeTask, type TaskRecord } from './task-record.ts';

export const JOURNAL_NAME = 'journal';
const TASK = /^[0-9a-f]{8}$/;

/** Problems that a journal keeps; the report has no more of them. */
const MAX_PROBLEMS = 1000;

/**
 * What a restore task has done, on local disk: before a block is written it is noted as begun,
 * after the target's replies as done. One process at a time holds it. Throws STORAGE_FULL,
 * STORAGE_READ_ONLY, STORAGE_FAILED.
 */
export class TaskJournal {
  readonly record: TaskRecord;
  /** Of earlier runs. */
  readonly past: TaskPast;
  readonly #folder: string;
  readonly #file: JournalFile;
  readonly #lock: TaskLock;
  #keys: number;
  #problems: number;
  #hasBegun: boolean;

  private constructor(folder: string, file: JournalFile, lock: TaskLock, past: TaskPast) {
    this.record = past.record as TaskRecord;
    this.past = past;
    this.#folder = folder;
    this.#file = file;
    this.#lock = lock;
    this.#keys = past.tally.totals.selected;
    this.#problems = past.tally.problems.length;
    this.#hasBegun = past.hasBegun;
  }

  /** `state`: the folder of all tasks, made when it is missing. Durable when resolved. */
  static async create(state: string, record: TaskRecord, nowMs: number): Promise<TaskJournal> {
    const folder = join(state, record.task);
    await attempt(folder, () => mkdir(folder, { recursive: true, mode: 0o700 }));
    const lock = await TaskLock.acquire(folder, record.task);
    try {
      const file = await JournalFile.create(join(folder, JOURNAL_NAME));
      file.append(encodeTask(record));
      const past = new TaskPast();
      past.record = record;
      const journal = new TaskJournal(folder, file, lock, past);
      journal.#append({ k: 'run', at: nowMs });
      await file.sync();
      for (const path of [folder, state]) await attempt(path, () => syncFolder(path));
      return journal;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** TASK_NOT_FOUND, TASK_HELD; USAGE when the task has finished. */
  static async open(state: string, task: string, nowMs: number): Promise<TaskJournal> {
    const folder = taskFolder(state, task);
    const past = new TaskPast();
    const lock = await acquire(folder, task);
    let file: JournalFile | undefined;
    try {
      file = await JournalFile.open(join(folder, JOURNAL_NAME), (record) => past.add(record));
      past.close();
      if (past.record?.task !== task) throw unknownTask(task, state);
      if (past.isFinished) {
        throw new CodedError('USAGE', `Cannot resume task ${task}: it has finished`, {
          hint: 'To restore again, name the backup instead of the task',
        });
      }
      const journal = new TaskJournal(folder, file, lock, past);
      journal.#append({ k: 'run', at: nowMs });
      return journal;
    } catch (error) {
      await file?.close();
      await lock.release();
      throw error;
    }
  }

  /** Before the first write of a block. Durable when resolved. */
  async beginBlock(place: BlockPlace, notes: BlockNotes): Promise<void> {
    this.#hasBegun = true;
    this.#append({ k: 'begun', ...place, ...encodeNotes(notes) });
    await this.#file.sync();
  }

  /** Before the first write of a key of several parts. Durable when resolved. */
  async beginLong(place: BlockPlace, nowMs: number): Promise<void> {
    this.#hasBegun = true;
    this.#append({ k: 'long', ...place, at: nowMs });
    await this.#file.sync();
  }

  /** Before the command that makes such a key visible. Durable when resolved. */
  async publishLong(
    place: BlockPlace,
    outcome: LongOutcome,
    print: Uint8Array | undefined,
  ): Promise<void> {
    const text = print && Buffer.from(print).toString('base64');
    this.#append({ k: 'publish', ...place, as: outcome, ...(text && { print: text }) });
    await this.#file.sync();
  }

  /**
   * After the last reply about a block; `tally` has what became of its keys. Not yet durable: a
   * block whose note is lost is compared again.
   */
  endBlock(place: BlockPlace, db: number, tally: Tally): void {
    const counts = Object.fromEntries(
      Object.entries(tally.of(db)).filter(([, value]) => value !== 0),
    );
    this.#keys += tally.of(db).selected;
    const problems = tally.problems.slice(0, Math.max(0, MAX_PROBLEMS - this.#problems));
    this.#problems += problems.length;
    const { problemCount } = tally;
    this.#append({
      k: 'done',
      ...place,
      db,
      counts,
      ...(problemCount > 0 && { problems, problemCount }),
      keys: this.#keys,
    });
    // A failure comes to light when the next block begins.
    this.#file.sync().catch(() => {});
  }

  async endFunctions(counts: FunctionCounts, notices: string[]): Promise<void> {
    this.#hasBegun = true;
    this.#append({ k: 'functions', counts, notices });
    await this.#file.sync();
  }

  /**
   * The task ends here for now. True: it can be resumed; where nothing had begun there is nothing
   * to resume, and the folder is gone.
   */
  async interrupt(error: unknown, nowMs: number): Promise<boolean> {
    try {
      this.#append({ k: 'ended', at: nowMs, code: isCoded(error) ? error.code : 'BUG' });
      await this.#file.close();
    } catch {
      // The error that ended the task is told; what this record would say can be guessed.
    }
    if (!this.#hasBegun) await rm(this.#folder, { recursive: true, force: true });
    else await this.#lock.release();
    return this.#hasBegun;
  }

  /** The task is done. Of the journal only what it was and when it ended is kept. */
  async finish(nowMs: number): Promise<void> {
    await this.#file.close();
    const path = join(this.#folder, JOURNAL_NAME);
    const end: JournalRecord = { k: 'finished', at: nowMs, keys: this.#keys };
    const text = formatRecord(encodeTask(this.record)) + formatRecord(end);
    await attempt(path, async () => {
      await writeFile(`${path}.new`, text, { mode: 0o600, flush: true });
      await rename(`${path}.new`, path);
    });
    await this.#lock.release();
  }

  #append(record: JournalRecord): void {
    this.#file.append(record);
  }
}

/** Throws TASK_NOT_FOUND for what can be no task. */
export function taskFolder(state: string, task: string): string {
  if (!TASK.test(task)) throw unknownTask(task, state);
  return join(state, task);
}

export function unknownTask(task: string, state: string): CodedError {
  return new CodedError('TASK_NOT_FOUND', `Cannot find a restore task '${task}' in ${state}`);
}

async function acquire(folder: string, task: string): Promise<TaskLock> {
  try {
    return await TaskLock.acquire(folder, task);
  } catch (error) {
    if (!isCoded(error, 'STORAGE_FAILED')) throw error;
    if ((error.cause as NodeJS.ErrnoException | undefined)?.code !== 'ENOENT') throw error;
    throw unknownTask(task, dirname(folder));
  }
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
