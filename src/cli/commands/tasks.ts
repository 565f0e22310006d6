import type { Command } from 'commander';
import { resolve } from 'node:path';
import { listTasks, type TaskSummary } from '../../restore/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation } from '../invocation.ts';
import { formatCount, formatDuration, formatLocalTime } from '../output/format.ts';
import { formatTable } from '../output/text-table.ts';
import { defaultStateFolder } from './restore-state.ts';

const EXAMPLES = `
Examples:
  tidemark tasks
  tidemark tasks --json | jq -r '.tasks[] | select(.state == "interrupted") | .task'
  tidemark restore --resume 0a1b2c3d`;

export function addTasks(program: Command, door: Door): void {
  program
    .command('tasks')
    .summary('show restores of this machine: running, interrupted, done')
    .description(
      'Shows the restores that keep a journal on this machine, oldest first. Interrupted ones go\n' +
        'on with "tidemark restore --resume <task>"; those that are done are shown for 30 days.',
    )
    .option('--state <folder>', 'folder of the journals, as given to restore')
    .addHelpText('after', EXAMPLES)
    .action(action(door, runTasks));
}

async function runTasks(
  invocation: Invocation,
  options: { readonly state?: string },
): Promise<ExitStatus> {
  const { terminal, printer } = invocation;
  const folder = resolve(options.state ?? defaultStateFolder(terminal.env));
  const tasks = await listTasks(folder);
  if (invocation.json) await printer.document({ folder, tasks: tasks.map(taskDocument) });
  else if (tasks.length === 0) await printer.line(`No restore tasks in ${folder}`);
  else await printer.write(formatTasks(tasks, terminal.clock.now()));
  return EXIT.done;
}

function formatTasks(tasks: readonly TaskSummary[], nowMs: number): string {
  const rows = tasks.map(({ record, state, keys, code }) => [
    record.task,
    code === null || state !== 'interrupted' ? state : `${state} (${code})`,
    formatLocalTime(record.startedAtMs),
    formatDuration(Math.floor(Math.max(0, nowMs - record.startedAtMs) / 1000) * 1000),
    formatCount(keys),
    restoredOf(record),
    record.target.name,
  ]);
  const columns = [
    { title: 'TASK' },
    { title: 'STATE' },
    { title: 'STARTED' },
    { title: 'AGE', align: 'right' as const },
    { title: 'KEYS', align: 'right' as const },
    { title: 'BACKUP' },
    { title: 'TARGET' },
  ];
  return formatTable(columns, rows);
}

function taskDocument({ record, state, keys, endedAtMs, code }: TaskSummary): object {
  const { task, startedAtMs, repository, totalKeys, target, origin } = record;
  const { sourceId } = origin;
  return {
    task,
    state,
    startedAt: new Date(startedAtMs).toISOString(),
    endedAt: endedAtMs === null ? null : new Date(endedAtMs).toISOString(),
    code,
    keys,
    totalKeys,
    repository,
    source: typeof sourceId === 'string' ? sourceId : record.source,
    backup: restoredOf(record),
    target: target.name,
  };
}

/** The backup, or the instant of a log, which is a backup only within the task. */
function restoredOf({ backup, origin }: TaskSummary['record']): string {
  return typeof origin['instant'] === 'string' ? origin['instant'] : backup;
}
