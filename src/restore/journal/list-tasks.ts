import { open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isCoded } from '../../base/index.ts';
import { attempt, parseRecord } from './journal-file.ts';
import { JOURNAL_NAME, taskFolder, unknownTask } from './task-journal.ts';
import { isHeld } from './task-lock.ts';
import type { JournalRecord } from './task-past.ts';
import { decodeTask, type TaskRecord } from './task-record.ts';

/** Finished tasks are listed for so long. */
const KEEP_FINISHED_MS = 30 * 86_400_000;

/** A folder without a journal may be of one that is about to begin. */
const KEEP_UNBEGUN_MS = 3 * 86_400_000;

/** A first record may hold a long selection. */
const MAX_RECORD_BYTES = 16 << 20;
const TAIL_BYTES = 256 << 10;

export type TaskSummary = {
  readonly record: TaskRecord;
  readonly state: 'running' | 'interrupted' | 'done';
  /** Keys that it has dealt with. */
  readonly keys: number;
  /** When it ended; null while it runs, or when it ended without a word. */
  readonly endedAtMs: number | null;
  /** Why it was interrupted, where it said so. */
  readonly code: string | null;
};

/** The tasks with a journal in `state`, oldest first; those that cannot be read are left out. */
export async function listTasks(state: string): Promise<TaskSummary[]> {
  const tasks: TaskSummary[] = [];
  for (const name of await taskNames(state)) {
    const summary = await readTask(state, name).catch((error: unknown) => {
      if (isCoded(error)) return undefined;
      throw error;
    });
    if (summary !== undefined) tasks.push(summary);
  }
  return tasks.sort((a, b) => a.record.startedAtMs - b.record.startedAtMs);
}

/** TASK_NOT_FOUND, STORAGE_READ_ONLY, STORAGE_FAILED. */
export async function readTask(state: string, task: string): Promise<TaskSummary> {
  const folder = taskFolder(state, task);
  const { head, tail } = await readEnds(join(folder, JOURNAL_NAME), state, task);
  const record = decodeTask(parseRecord(head));
  if (record?.task !== task) throw unknownTask(task, state);
  let keys = 0;
  let end: (JournalRecord & { readonly k: 'ended' | 'finished' }) | undefined;
  for (const line of splitLines(tail)) {
    const last = parseRecord(line) as JournalRecord | undefined;
    if (last?.k === 'done' || last?.k === 'finished') ({ keys } = last);
    end = last?.k === 'ended' || last?.k === 'finished' ? last : undefined;
  }
  const isDone = end?.k === 'finished';
  return {
    record,
    state: isDone ? 'done' : (await isHeld(folder)) ? 'running' : 'interrupted',
    keys,
    endedAtMs: end?.at ?? null,
    code: end?.k === 'ended' ? end.code : null,
  };
}

/** Removes what finished tasks, and those that never began, left behind long ago. */
export async function pruneTasks(state: string, nowMs: number): Promise<void> {
  for (const { record, state: is, endedAtMs } of await listTasks(state)) {
    if (is !== 'done' || nowMs - (endedAtMs ?? nowMs) < KEEP_FINISHED_MS) continue;
    await removeFolder(join(state, record.task));
  }
  for (const name of await taskNames(state)) {
    if (await isAbandoned(join(state, name), nowMs)) await removeFolder(join(state, name));
  }
}

/** What cannot be removed now may be another time. */
async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true }).catch(() => {});
}

/** Somebody who was about to begin a task was killed before. */
async function isAbandoned(folder: string, nowMs: number): Promise<boolean> {
  try {
    if (await hasJournal(folder)) return false;
    return nowMs - (await stat(folder)).mtimeMs > KEEP_UNBEGUN_MS;
  } catch {
    return false;
  }
}

async function hasJournal(folder: string): Promise<boolean> {
  return (await readdir(folder)).includes(JOURNAL_NAME);
}

async function taskNames(state: string): Promise<string[]> {
  try {
    const names = await readdir(state);
    return names.filter((name) => /^[0-9a-f]{8}$/.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    return await attempt(state, () => Promise.reject(error as Error));
  }
}

/** The first line, and the last part of the file. */
async function readEnds(path: string, state: string, task: string) {
  try {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      const head = await readFirstLine((length) => readAt(0, length), size);
      const tail = await readAt(Math.max(0, size - TAIL_BYTES), TAIL_BYTES);
      return { head, tail };

      async function readAt(position: number, length: number): Promise<Buffer> {
        const bytes = Buffer.alloc(Math.min(length, size - position));
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, position);
        return bytes.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw unknownTask(task, state);
    return await attempt(path, () => Promise.reject(error as Error));
  }
}

async function readFirstLine(
  readHead: (length: number) => Promise<Buffer>,
  size: number,
): Promise<Buffer> {
  for (let length = 64 << 10; ; length *= 4) {
    const bytes = await readHead(length);
    const end = bytes.indexOf(10);
    if (end >= 0) return bytes.subarray(0, end);
    if (length >= Math.min(size, MAX_RECORD_BYTES)) return bytes.subarray(0, 0);
  }
}

function* splitLines(bytes: Buffer): Generator<Buffer> {
  let from = 0;
  for (let to = bytes.indexOf(10); to >= 0; to = bytes.indexOf(10, from)) {
    yield bytes.subarray(from, to);
    from = to + 1;
  }
}
