import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isCoded } from '../../base/index.ts';
import type { EntrySelection } from '../../entries/index.ts';
import { openRepository, type Repository } from '../../repository/index.ts';
import { newTaskId, readTask, type RestoreRequest, type TaskRecord } from '../../restore/index.ts';
import { DirectoryStorage } from '../../storage/index.ts';
import type { Invocation } from '../invocation.ts';
import type { ChosenPlace } from '../options/instant-option.ts';
import { type ChosenState, openState, type StateOptions } from '../options/state-option.ts';

/** Within the folder of a task: the instant that it restores, as a repository. */
const FOLDER = 'instant';

/** What a restore reads, and where that is so that the restore can be resumed. */
export type RestoredState = {
  readonly chosen: ChosenState;
  /** What the request of the restore takes besides. */
  readonly task: Pick<RestoreRequest, 'task'>;
  /** What the task must remember of it. */
  readonly origin: TaskRecord['origin'];
  /** The restore is over, done or not: keeps what resuming it needs, removes everything else. */
  end(): Promise<void>;
};

/**
 * Opens the backup or the instant that a restore was pointed at. An instant goes into the folder of
 * the task, where `--resume` finds it; `state` undefined: nothing is to be resumed.
 */
export async function openForRestore(
  invocation: Invocation,
  place: ChosenPlace,
  options: StateOptions,
  selection: EntrySelection,
  state: string | undefined,
): Promise<RestoredState> {
  const isMade = place.kind === 'instant' && place.plan.fromOffset !== place.plan.point.offset;
  if (!isMade || state === undefined) {
    const chosen = await openState(invocation, place, options, { selection });
    return { chosen, task: {}, origin: {}, end: async () => await chosen[Symbol.asyncDispose]() };
  }
  const task = newTaskId(place.repository);
  const into = { folder: join(state, task, FOLDER) };
  const end = async (): Promise<void> => {
    if (await isResumable(state, task)) return;
    // Of a task that is done its journal stays; one that never began leaves nothing.
    const isKnown = await isTask(state, task);
    await rm(isKnown ? into.folder : join(state, task), { recursive: true, force: true });
  };
  try {
    const chosen = await openState(invocation, place, options, { selection, into });
    const origin = { instant: chosen.name, sourceId: place.source.id };
    return { chosen, task: { task }, origin, end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** The repository of an instant's task. REPOSITORY_MISSING where somebody removed it. */
export async function openResumed(
  { terminal }: Invocation,
  state: string,
  { task }: TaskRecord,
): Promise<Repository> {
  const storage = new DirectoryStorage(join(state, task, FOLDER));
  const { clock, version, signal } = terminal;
  return await openRepository(storage, { mode: 'read', clock, writerVersion: version }, signal);
}

/** After a resumed task is done. */
export async function removeResumed(state: string, { task }: TaskRecord): Promise<void> {
  await rm(join(state, task, FOLDER), { recursive: true, force: true });
}

async function isResumable(state: string, task: string): Promise<boolean> {
  return (await isTask(state, task)) && (await readTask(state, task)).state !== 'done';
}

async function isTask(state: string, task: string): Promise<boolean> {
  try {
    await readTask(state, task);
    return true;
  } catch (error) {
    if (isCoded(error, 'TASK_NOT_FOUND')) return false;
    throw error;
  }
}
