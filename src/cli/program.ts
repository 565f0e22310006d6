import { Command } from 'commander';
import type { Door } from './invocation.ts';

const DESCRIPTION = `Backup and recovery for Redis-compatible databases.

A backup is read by attaching to the server as a replica, and rests in a repository: a directory
of plain files that "zstd -dc" and jq can read.`;

const AFTER = `
Environment:
  TIDEMARK_REPO              repository, instead of --repo
  TIDEMARK_PASSWORD          password of the server to back up
  TIDEMARK_TARGET_PASSWORD   password of the server to restore to
  TIDEMARK_FEED_PASSWORD     password that replicas of a feed must give
  NO_COLOR                   no colours

Exit status:
  0 done · 1 failed · 2 wrong usage · 3 a precheck or confirmation refused
  4 finished, but something could not be restored exactly
  5 attention: differences (diff --exit-code), a source not protected (status) · 130 interrupted

Examples:
  tidemark demo
  tidemark backup redis://127.0.0.1:6379 --repo ./backups
  tidemark list --repo ./backups
  tidemark restore latest --to redis://127.0.0.1:6380 --repo ./backups`;

const HELP_COLUMNS = 96;

type Add = (program: Command, door: Door) => void;

/** In the order of the help. Each brings in what it needs and nothing else. */
const COMMANDS: Readonly<Record<string, () => Promise<Add>>> = {
  backup: async () => (await import('./commands/backup.ts')).addBackup,
  capture: async () => (await import('./commands/capture.ts')).addCapture,
  import: async () => (await import('./commands/import.ts')).addImport,
  status: async () => (await import('./commands/status.ts')).addStatus,
  list: async () => (await import('./commands/list.ts')).addList,
  show: async () => (await import('./commands/show.ts')).addShow,
  cat: async () => (await import('./commands/cat.ts')).addCat,
  find: async () => (await import('./commands/find.ts')).addFind,
  log: async () => (await import('./commands/log.ts')).addLog,
  diff: async () => (await import('./commands/diff.ts')).addDiff,
  restore: async () => (await import('./commands/restore.ts')).addRestore,
  tasks: async () => (await import('./commands/tasks.ts')).addTasks,
  export: async () => (await import('./commands/export.ts')).addExport,
  sandbox: async () => (await import('./commands/sandbox.ts')).addSandbox,
  feed: async () => (await import('./commands/feed.ts')).addFeed,
  drill: async () => (await import('./commands/drill.ts')).addDrill,
  verify: async () => (await import('./commands/verify.ts')).addVerify,
  precheck: async () => (await import('./commands/precheck.ts')).addPrecheck,
  demo: async () => (await import('./commands/demo.ts')).addDemo,
  completion: async () => (await import('./commands/completion.ts')).addCompletion,
};

/** It writes about all the others. */
const NEEDS_ALL = 'completion';

/**
 * The commands: where the first of `args` is the name of one, that one alone, since loading all of
 * them takes longer than many a command does. Nothing is written but through the door.
 */
export async function createProgram(
  door: Door,
  write: (help: string) => void,
  args: readonly string[] = [],
): Promise<Command> {
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
  const [first = ''] = args;
  const isOne = Object.hasOwn(COMMANDS, first) && first !== NEEDS_ALL;
  for (const name of isOne ? [first] : Object.keys(COMMANDS))
    (await COMMANDS[name]())(program, door);
  return program;
}

function helpColumns(columns: number | undefined): number {
  return Math.min(columns || HELP_COLUMNS, HELP_COLUMNS);
}
