import type { Command } from 'commander';
import { CodedError } from '../../base/index.ts';
import { storeReport } from '../../repository/index.ts';
import { type DrillReport, type DrillSubject, runDrill } from '../../rewind/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, startMeter } from '../invocation.ts';
import { parseCount } from '../options/amounts.ts';
import { defined } from '../options/defined.ts';
import {
  addInstantOptions,
  addSandboxOptions,
  choosePlace,
  type InstantOptions,
  type SandboxOptions,
  sandboxOf,
} from '../options/instant-option.ts';
import { openRepo } from '../options/repository-option.ts';
import {
  addSelectionOptions,
  type SelectionOptions,
  selectionOf,
} from '../options/selection-options.ts';
import { MAX_WORKERS } from './backup.ts';
import { formatDrillReport } from './drill-report.ts';

type DrillOptions = SelectionOptions &
  InstantOptions &
  SandboxOptions & {
    readonly source?: string;
    readonly workers?: number;
    readonly report: boolean;
  };

const EXAMPLES = `
Examples:
  tidemark drill --repo ./backups
  tidemark drill --at -10m --sandbox-server /usr/bin/redis-server
  tidemark drill latest --match 'order:*' --json`;

export function addDrill(program: Command, door: Door): void {
  const command = program
    .command('drill')
    .summary('prove that a backup or an instant can be restored')
    .description(
      'Restores into a sandbox server of this machine and compares every key there, by value\n' +
        'digest and expiry, with what should be: the entries of the backup, or for an instant of\n' +
        'the log what a second server holds that got there by another way. The report is kept in\n' +
        'the repository. Ends with 1 when anything differs.',
    )
    .argument('[backup]', 'id, unique beginning of one, or latest (the default)')
    .option('--source <name>', 'of which source, where the repository has several')
    .option('--no-report', 'keep no report in the repository')
    .option('--workers <n>', 'threads that work', parseCount('a number of threads', MAX_WORKERS));
  addInstantOptions(command);
  addSandboxOptions(command);
  addSelectionOptions(command).addHelpText('after', EXAMPLES).action(action(door, runDrillCommand));
}

async function runDrillCommand(
  invocation: Invocation,
  backup: string | undefined,
  options: DrillOptions,
): Promise<ExitStatus> {
  const { terminal, printer, json } = invocation;
  const { signal } = terminal;
  const { url: _url, ...sandbox } = sandboxOf(invocation, options);
  if (options.sandboxUrl !== undefined) {
    throw new CodedError('USAGE', 'Cannot drill with --sandbox-url: a server is started anew');
  }
  const isInstant = options.at !== undefined || options.before !== undefined;
  const place = await choosePlace(
    invocation,
    backup ?? (isInstant ? undefined : 'latest'),
    options,
  );
  const subject: DrillSubject = place;
  const meter = startMeter(invocation);
  let report: DrillReport;
  try {
    report = await runDrill({
      subject,
      sandbox,
      selection: selectionOf(options),
      ...defined({ workers: options.workers }),
      onProgress: (text) => meter.show(() => text),
      onNotice: (text) => meter.note(`note: ${text}`),
      signal,
    });
  } finally {
    meter.end();
  }
  if (options.report) await keep(invocation, place.source.id, report);
  if (json) await printer.document(report);
  else await printer.write(formatDrillReport(invocation, report));
  return report.outcome === 'equal' ? EXIT.done : EXIT.failed;
}

/** What was proven counts, also where it may not be written down. */
async function keep(invocation: Invocation, source: string, report: DrillReport): Promise<void> {
  const { stderr } = invocation.terminal;
  try {
    await storeReport(await openRepo(invocation, 'write'), source, report.task, report);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    stderr.write(`note: the report is not kept in the repository: ${error.message}\n`);
  }
}
