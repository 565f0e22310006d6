import { Command } from 'commander';
import { addBackup } from './commands/backup.ts';
import { addCat } from './commands/cat.ts';
import { addCompletion } from './commands/completion.ts';
import { addDemo } from './commands/demo.ts';
import { addDiff } from './commands/diff.ts';
import { addExport } from './commands/export.ts';
import { addFind } from './commands/find.ts';
import { addImport } from './commands/import.ts';
import { addList } from './commands/list.ts';
import { addPrecheck } from './commands/precheck.ts';
import { addRestore } from './commands/restore.ts';
import { addShow } from './commands/show.ts';
import { addTasks } from './commands/tasks.ts';
import { addVerify } from './commands/verify.ts';
import type { Door } from './invocation.ts';

const DESCRIPTION = `Backup and recovery for Redis-compatible databases.

A backup is read by attaching to the server as a replica, and rests in a repository: a directory
of plain files that "zstd -dc" and jq can read.`;

const AFTER = `
Environment:
  TIDEMARK_REPO              repository, instead of --repo
  TIDEMARK_PASSWORD          password of the server to back up
  TIDEMARK_TARGET_PASSWORD   password of the server to restore to
  NO_COLOR                   no colours

Exit status:
  0 done · 1 failed · 2 wrong usage · 3 a precheck or confirmation refused
  4 finished, but something could not be restored exactly
  5 there are differences (diff --exit-code) · 130 interrupted

Examples:
  tidemark demo
  tidemark backup redis://127.0.0.1:6379 --repo ./backups
  tidemark list --repo ./backups
  tidemark restore latest --to redis://127.0.0.1:6380 --repo ./backups`;

const HELP_COLUMNS = 96;

/** All commands. Nothing is written but through the door. */
export function createProgram(door: Door, write: (help: string) => void): Command {
  const { terminal } = door;
  const program = new Command('tidemark')
    .description(DESCRIPTION)
    .version(terminal.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .option('--repo <repository>', 'directory of the repository (or TIDEMARK_REPO)')
    .option('--json', 'one JSON document on standard output instead of text')
    .option('-q, --quiet', 'no progress and no notices')
    .option('--no-color', 'no colours')
    .configureHelp({ showGlobalOptions: true, helpWidth: helpColumns(terminal.stdout.columns) })
    .configureOutput({
      writeOut: write,
      // Usage errors become CodedError lines; help that was not asked for is not shown twice.
      writeErr: write,
      outputError: () => {},
    })
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText('after', AFTER);
  for (const add of [
    addBackup,
    addImport,
    addList,
    addShow,
    addCat,
    addFind,
    addDiff,
    addRestore,
    addTasks,
    addExport,
    addVerify,
    addPrecheck,
    addDemo,
    addCompletion,
  ]) {
    add(program, door);
  }
  return program;
}

function helpColumns(columns: number | undefined): number {
  return Math.min(columns || HELP_COLUMNS, HELP_COLUMNS);
}
