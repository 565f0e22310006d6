import { type Command, Option } from 'commander';
import { CodedError } from '../../base/index.ts';
import { type AofImportReport, importAof, isAof } from '../../rewind/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { type Invocation, startMeter } from '../invocation.ts';
import { type ControlOptions } from '../options/control-option.ts';
import { defined } from '../options/defined.ts';
import { sandboxOf } from '../options/instant-option.ts';
import { readTime } from '../options/time-option.ts';
import { openRepo } from '../options/repository-option.ts';
import { type SelectionOptions, selectionOf } from '../options/selection-options.ts';
import { formatAmount, formatBytes } from '../output/format.ts';
import { backupDocument, formatBackupReport, showBackupProgress } from './backup-report.ts';

/** What only an AOF takes. */
export type AofImportOptions = {
  readonly untilTimestamp?: string;
  readonly allowInexact?: boolean;
  readonly sandboxServer?: string;
  readonly sandboxMemoryCheck?: 'off' | 'on';
};

type Options = SelectionOptions &
  ControlOptions &
  AofImportOptions & {
    readonly source: string;
    readonly label?: Readonly<Record<string, string>>;
    readonly adopt?: boolean;
    readonly workers?: number;
  };

export function addAofImportOptions(command: Command): void {
  command
    .optionsGroup('Of an AOF:')
    .option('--sandbox-server <path>', 'the server that loads it (default: one on PATH that fits)')
    .addOption(
      new Option(
        '--sandbox-memory-check <what>',
        'refuse what will not fit into free memory',
      ).choices(['on', 'off']),
    )
    .option(
      '--until-timestamp <instant>',
      'leave out what its #TS annotations say came later: Unix seconds, or an instant',
    )
    .option('--allow-inexact', 'import it although commands of it fail, or its scripts may differ')
    .optionsGroup('Options:');
}

/** Whether the one path given is an AOF, or said to be. Throws USAGE for one among others. */
export async function isAofImport(
  files: readonly string[],
  format: string | undefined,
): Promise<boolean> {
  if (format !== undefined && format !== 'aof') return false;
  const isForced = format === 'aof';
  const aofs: string[] = [];
  for (const file of files) if (isForced || (await isAof(file))) aofs.push(file);
  if (aofs.length === 0) return false;
  if (files.length === 1 && files[0] !== '-') return true;
  throw new CodedError(
    'USAGE',
    `Cannot import ${aofs[0]} together with other files, or through -`,
    {
      hint: 'Import an AOF by itself: it makes a backup of its own',
    },
  );
}

/** Options of an AOF would be ignored without a word. */
export function checkAofOptions(options: AofImportOptions): void {
  const { untilTimestamp, allowInexact, sandboxServer, sandboxMemoryCheck } = options;
  const given = {
    'until-timestamp': untilTimestamp,
    'allow-inexact': allowInexact,
    'sandbox-server': sandboxServer,
    'sandbox-memory-check': sandboxMemoryCheck,
  };
  const stray = Object.entries(given).find(([, value]) => value !== undefined)?.[0];
  if (stray === undefined) return;
  throw new CodedError('USAGE', `Cannot use --${stray}: what is imported is no AOF`);
}

export async function runAofImport(
  invocation: Invocation,
  [path]: readonly string[],
  options: Options,
): Promise<ExitStatus> {
  const { terminal, printer } = invocation;
  if (options.control !== undefined) {
    throw new CodedError('USAGE', 'Cannot use --control with an AOF: a server loads it at once');
  }
  const untilSeconds = secondsOf(options.untilTimestamp, terminal.clock.now());
  const repository = await openRepo(invocation, 'write');
  const meter = startMeter(invocation);
  try {
    const report = await importAof({
      repository,
      sourceName: options.source,
      path,
      sandbox: sandboxOf(invocation, options),
      selection: selectionOf(options),
      ...defined({
        untilSeconds,
        allowInexact: options.allowInexact,
        labels: options.label,
        adopt: options.adopt,
        workers: options.workers,
      }),
      onProgress: showBackupProgress(meter, terminal.clock),
      onNotice: (text) => meter.note(`note: ${text}`),
      signal: terminal.signal,
    });
    meter.end();
    if (invocation.json) {
      await printer.document({ ...backupDocument(report), aof: report.aof });
    } else {
      await printer.write(formatBackupReport(report, aofFacts(report)));
    }
    return report.isInexact ? EXIT.inexact : EXIT.done;
  } finally {
    meter.end();
  }
}

function aofFacts({ aof }: AofImportReport): [string, string | null][] {
  const files = `${formatAmount(aof.files.length, 'file')}, ${formatAmount(aof.commands, 'command')}`;
  return [
    ['aof', `${files}, loaded by ${aof.server}`],
    ['torn end', aof.tornBytes === 0 ? null : `${formatBytes(aof.tornBytes)} left out`],
  ];
}

function secondsOf(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{9,12}$/.test(text)) return Number(text);
  return Math.floor(readTime(text, nowMs) / 1000);
}
