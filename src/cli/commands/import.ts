import type { Command } from 'commander';
import { importRdb } from '../../backup/index.ts';
import { CodedError } from '../../base/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, startMeter } from '../invocation.ts';
import { parseCount, parseLabel } from '../options/amounts.ts';
import { defined } from '../options/defined.ts';
import { openRepo } from '../options/repository-option.ts';
import {
  addSelectionOptions,
  type SelectionOptions,
  selectionOf,
} from '../options/selection-options.ts';
import { MAX_WORKERS } from './backup.ts';
import { backupDocument, formatBackupReport, showBackupProgress } from './backup-report.ts';

type ImportOptions = SelectionOptions & {
  readonly source: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly adopt?: boolean;
  readonly workers?: number;
};

const EXAMPLES = `
Examples:
  tidemark import ./dump.rdb --source shop --repo ./backups
  tidemark import ./shard-a.rdb ./shard-b.rdb --source shop-cluster
  zcat dump.rdb.gz | tidemark import - --source shop`;

export function addImport(program: Command, door: Door): void {
  const command = program
    .command('import')
    .summary('make a backup of RDB files')
    .description(
      'Makes one backup of RDB files that exist already; several files are the shards of one\n' +
        'backup. "-" reads standard input.',
    )
    .argument('<file...>', 'RDB files, or - for standard input')
    .requiredOption('--source <name>', 'name of the source in the repository')
    .option('--label <name=value>', 'label of the source and this backup (repeatable)', parseLabel)
    .option('--adopt', 'take the name over although it belonged to another instance')
    .option('--workers <n>', 'threads that encode', parseCount('a number of threads', MAX_WORKERS));
  addSelectionOptions(command).addHelpText('after', EXAMPLES).action(action(door, runImport));
}

async function runImport(
  invocation: Invocation,
  files: readonly string[],
  options: ImportOptions,
): Promise<ExitStatus> {
  const { terminal, printer } = invocation;
  if (files.filter((file) => file === '-').length > 1) {
    throw new CodedError('USAGE', 'Cannot read standard input twice');
  }
  const repository = await openRepo(invocation, 'write');
  const meter = startMeter(invocation);
  try {
    const report = await importRdb({
      repository,
      sourceName: options.source,
      files,
      stdin: terminal.stdin,
      selection: selectionOf(options),
      ...defined({ labels: options.label, adopt: options.adopt, workers: options.workers }),
      onProgress: showBackupProgress(meter, terminal.clock),
      onNotice: (text) => meter.note(`note: ${text}`),
      signal: terminal.signal,
    });
    meter.end();
    if (invocation.json) await printer.document(backupDocument(report));
    else await printer.write(formatBackupReport(report));
    return EXIT.done;
  } finally {
    meter.end();
  }
}
