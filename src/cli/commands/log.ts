import { type Command, Option } from 'commander';
import {
  findSource,
  readShardLogs,
  type Repository,
  type ShardLog,
  type Source,
} from '../../repository/index.ts';
import {
  type FoundMark,
  type LogEvent,
  type LoggedGap,
  resolveBound,
  searchLog,
  searchMarks,
} from '../../rewind/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation } from '../invocation.ts';
import { parseCount } from '../options/amounts.ts';
import { defined } from '../options/defined.ts';
import { openRepo } from '../options/repository-option.ts';
import { parseDatabases, parseText } from '../options/selection-options.ts';
import { formatInstant } from '../output/format.ts';
import {
  eventDocument,
  EventLines,
  formatMark,
  formatMarkHint,
  MARKS_HEAD,
  markDocument,
} from './log-report.ts';

type LogOptions = {
  readonly source?: string;
  readonly since?: string;
  readonly until?: string;
  readonly match?: readonly Buffer[];
  readonly command?: readonly string[];
  readonly db?: readonly number[];
  readonly marks?: boolean;
  readonly limit?: number;
};

/** What was asked for, with everything looked up. */
type Asked = {
  readonly repository: Repository;
  readonly source: Source;
  readonly logs: readonly ShardLog[];
  readonly sinceMs?: number;
  readonly untilMs?: number;
};

const EXAMPLES = `
Examples:
  tidemark log --marks --repo ./backups
  tidemark log --since 14:02 --until 14:05 --match 'cart:*'
  tidemark log --since -1h --command DEL,UNLINK --json | jq -r '.args[1]'`;

export function addLog(program: Command, door: Door): void {
  program
    .command('log')
    .summary('print the recorded commands')
    .description(
      'Prints the commands that were recorded, in the order in which they ran, with their times and\n' +
        'offsets, and the gaps between them. With --json one JSON document per line.',
    )
    .option('--source <name>', 'of which source, where the repository has several')
    .option('--since <instant>', 'from this instant on: 14:02, -10m, 2026-11-22T12:30:00Z, mark:ID')
    .option('--until <instant>', 'up to this instant')
    .option('--match <glob>', 'commands that touch keys like this (repeatable)', collectText)
    .option('--command <names>', 'only these commands, as in DEL,UNLINK (repeatable)', collectNames)
    .option('--db <numbers>', 'only what touches these databases, as in 0,3', parseDatabases)
    .addOption(
      new Option('--marks', 'only FLUSHALL, FLUSHDB, SWAPDB and their like, with ids').conflicts(
        'match',
      ),
    )
    .addOption(
      new Option('--limit <n>', 'stop after so many').argParser(parseCount('a number of commands')),
    )
    .addHelpText('after', EXAMPLES)
    .action(action(door, runLog));
}

async function runLog(invocation: Invocation, options: LogOptions): Promise<ExitStatus> {
  const asked = await lookUp(invocation, options);
  if (!invocation.json) await printHead(invocation, asked);
  if (options.marks === true) await printMarks(invocation, asked, options);
  else await printCommands(invocation, asked, options);
  return EXIT.done;
}

async function lookUp(invocation: Invocation, options: LogOptions): Promise<Asked> {
  const { signal, clock } = invocation.terminal;
  const repository = await openRepo(invocation, 'read');
  const source = await findSource(repository, options.source, signal);
  const logs = await readShardLogs(repository, source.id, signal);
  const bound = async (text: string | undefined): Promise<number | undefined> => {
    if (text === undefined) return undefined;
    const setting = { nowMs: clock.now() };
    const { ms, note } = await resolveBound(text, repository, logs, setting, signal);
    if (note !== null && !invocation.quiet) invocation.terminal.stderr.write(`${note}\n`);
    return ms;
  };
  const sinceMs = await bound(options.since);
  const untilMs = await bound(options.until);
  return { repository, source, logs, ...defined({ sinceMs, untilMs }) };
}

async function printHead(
  { printer }: Invocation,
  { source, logs, sinceMs, untilMs }: Asked,
): Promise<void> {
  const since = sinceMs === undefined ? '' : `\n  since ${formatInstant(sinceMs)}`;
  const until = untilMs === undefined ? '' : `\n  until ${formatInstant(untilMs)}`;
  await printer.line(`${source.name} (${source.id})${since}${until}`);
  const isEmpty = logs.every(({ lineages }) => lineages.every(({ lastMs }) => lastMs === null));
  if (isEmpty) await printer.line('  no log: "tidemark capture" records one');
}

async function printCommands(
  { printer, terminal, json, color }: Invocation,
  asked: Asked,
  options: LogOptions,
): Promise<void> {
  const { repository, logs, sinceMs, untilMs } = asked;
  const { limit = Infinity, match, command: commands, db: databases } = options;
  const filter = defined({ match, commands, databases });
  const window = defined({ sinceMs, untilMs });
  const { signal } = terminal;
  const lines = new EventLines(logs.length > 1, color);
  let shown = 0;
  let isMore = false;
  for await (const event of searchLog({ repository, logs, filter, ...window, signal })) {
    if (event.kind === 'command' && shown === limit) {
      isMore = true;
      break;
    }
    if (event.kind === 'command') shown++;
    await printer.write(json ? jsonLine(event) : lines.format(event));
  }
  if (json) return;
  await printer.write(lines.end(isMore));
}

async function printMarks(
  { printer, json, color }: Invocation,
  { logs, sinceMs, untilMs }: Asked,
  { command: commands, db: databases, limit = Infinity }: LogOptions,
): Promise<void> {
  const filter = defined({ commands, databases });
  const found = searchMarks({ logs, filter, ...defined({ sinceMs, untilMs }) });
  const lines = new EventLines(logs.length > 1, color);
  const marks: FoundMark[] = [];
  if (!json) await printer.write(MARKS_HEAD);
  for (const one of found) {
    if (one.kind === 'gap') {
      await printer.write(json ? jsonLine(one) : lines.format(one));
      continue;
    }
    if (marks.length === limit) break;
    marks.push(one);
    await printer.write(json ? `${JSON.stringify(markDocument(one))}\n` : formatMark(one));
  }
  if (!json) await printer.write(formatMarkHint(marks));
}

function jsonLine(event: LogEvent | LoggedGap): string {
  return `${JSON.stringify(eventDocument(event))}\n`;
}

function collectText(text: string, before: readonly Buffer[] | undefined): readonly Buffer[] {
  return [...(before ?? []), parseText(text)];
}

function collectNames(text: string, before: readonly string[] | undefined): readonly string[] {
  const names = text
    .split(',')
    .map((name) => name.trim().toUpperCase().replace(/\s+/g, ' '))
    .filter((name) => name !== '');
  return [...(before ?? []), ...names];
}
