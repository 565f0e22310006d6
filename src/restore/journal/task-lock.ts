import { link, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '../../base/index.ts';
import { attempt } from './journal-file.ts';

const NAME = /^lock-(\d+)$/;

type Owner = {
  readonly pid: number;
  /** When the process began, in a form that only its equal has; null where nobody tells. */
  readonly begun: string | null;
  readonly host: string;
};

/**
 * One process at a time works on a task. A lock is a file `lock-<n>` that names its process; it
 * counts while that process lives. Taking over means making the next number, which only one can.
 */
export class TaskLock {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** TASK_HELD when another process is at work. */
  static async acquire(folder: string, task: string): Promise<TaskLock> {
    const found = await lockNumbers(folder);
    await refuseIfHeld(folder, task, found);
    const number = Math.max(0, ...found) + 1;
    const path = join(folder, `lock-${number}`);
    const draft = join(folder, `lock-${process.pid}-${Date.now()}.tmp`);
    const owner: Owner = { pid: process.pid, begun: await begunAt(process.pid), host: hostname() };
    await attempt(folder, () => writeFile(draft, JSON.stringify(owner), { mode: 0o600 }));
    try {
      await link(draft, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw held(task, path);
      throw error;
    } finally {
      await rm(draft, { force: true });
    }
    const lock = new TaskLock(path);
    try {
      // Somebody may have seen no lock at all a moment ago and made another number.
      const others = (await lockNumbers(folder)).filter((other) => other !== number);
      await refuseIfHeld(folder, task, others);
      for (const other of others) await rm(join(folder, `lock-${other}`), { force: true });
    } catch (error) {
      await lock.release();
      throw error;
    }
    return lock;
  }

  async release(): Promise<void> {
    await unlink(this.#path).catch(() => {});
  }
}

/** Whether some process works on the task in this folder. */
export async function isHeld(folder: string): Promise<boolean> {
  for (const number of await lockNumbers(folder)) {
    if ((await livingOwner(join(folder, `lock-${number}`))) !== undefined) return true;
  }
  return false;
}

async function lockNumbers(folder: string): Promise<number[]> {
  const names = await attempt(folder, () => readdir(folder));
  return names.flatMap((name) => {
    const number = NAME.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
}

async function refuseIfHeld(
  folder: string,
  task: string,
  numbers: readonly number[],
): Promise<void> {
  for (const number of numbers) {
    const path = join(folder, `lock-${number}`);
    const owner = await livingOwner(path);
    if (owner !== undefined) throw held(task, path, owner);
  }
}

/** Of another machine nobody can tell: such an owner counts as living. */
async function livingOwner(path: string): Promise<Owner | undefined> {
  let owner: Owner;
  try {
    owner = JSON.parse(await readFile(path, 'utf8')) as Owner;
  } catch {
    return undefined;
  }
  if (owner.host !== hostname()) return owner;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
  }
  const begun = await begunAt(owner.pid);
  return begun === null || owner.begun === null || begun === owner.begun ? owner : undefined;
}

/** Numbers of processes are used again, but not at the same tick of the same start. */
async function begunAt(pid: number): Promise<string | null> {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'latin1'),
      readFile('/proc/sys/kernel/random/boot_id', 'latin1'),
    ]);
    // The name in brackets may hold blanks; start time is the 20th field behind it.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return `${boot.trim()}:${ticks}`;
  } catch {
    return null;
  }
}

function held(task: string, path: string, owner?: Owner): CodedError {
  const who = owner === undefined ? '' : ` (process ${owner.pid} on ${owner.host})`;
  const hint = `Wait for it; if it is gone for sure, remove ${path}`;
  return new CodedError('TASK_HELD', `Another process works on task ${task}${who}`, { hint });
}
