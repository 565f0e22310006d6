import { type Command, Option } from 'commander';
import { importFiles, type ImportFormat } from '../../backup/index.ts';
import { CodedError } from '../../base/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, startMeter } from '../invocation.ts';
import { parseCount, parseLabel } from '../options/amounts.ts';
import {
  addControlOption,
  ControlFollower,
  type ControlOptions,
} from '../options/control-option.ts';
import { defined } from '../options/defined.ts';
import { openRepo } from '../options/repository-option.ts';
import {
  addSelectionOptions,
  type SelectionOptions,
  selectionOf,
} from '../options/selection-options.ts';
import { MAX_WORKERS } from './backup.ts';
import { backupDocument, formatBackupReport, showBackupProgress } from './backup-report.ts';
import {
  addAofImportOptions,
  type AofImportOptions,
  checkAofOptions,
  isAofImport,
  runAofImport,
} from './import-aof.ts';

type ImportOptions = SelectionOptions &
  AofImportOptions &
  ControlOptions & {
    readonly source: string;
    readonly label?: Readonly<Record<string, string>>;
    readonly adopt?: boolean;
    readonly workers?: number;
    readonly format?: ImportFormat | 'aof';
  };

const EXAMPLES = `
Examples:
  tidemark import ./dump.rdb --source shop --repo ./backups
  tidemark import ./shard-a.rdb ./shard-b.rdb.gz --source shop-cluster
  tidemark cat latest | sed s/old/new/ | tidemark import - --source shop-edited
  tidemark import ./entries.jsonl.zst --format jsonl --source shop
  tidemark import /var/lib/redis/appendonlydir --source shop`;

export function addImport(program: Command, door: Door): void {
  const command = program
    .command('import')
    .summary('make a backup of RDB files, JSON Lines or an AOF')
    .description(
      'Makes one backup of files that exist already: RDB files, each a shard of it, or JSON Lines\n' +
        '(docs/formats/entries.md), also edited or made by other programs. Files may be compressed\n' +
        'by gzip or zstd. "-" reads standard input. An AOF (a folder, or a single file) is loaded by\n' +
        'a sandbox server of this machine, from a copy.',
    )
    .argument('<file...>', 'files of one format, or - for standard input; one AOF')
    .requiredOption('--source <name>', 'name of the source in the repository')
    .addOption(
      new Option(
        '--format <name>',
        'what the files are; otherwise their first bytes say so',
      ).choices(['rdb', 'jsonl', 'aof']),
    )
    .option('--label <name=value>', 'label of the source and this backup (repeatable)', parseLabel)
    .option('--adopt', 'take the name over although it belonged to another instance')
    .option(
      '--workers <n>',
      'threads that encode RDB files',
      parseCount('a number of threads', MAX_WORKERS),
    );
  addControlOption(command);
  addAofImportOptions(command);
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
  if (await isAofImport(files, options.format)) {
    return await runAofImport(invocation, files, options);
  }
  checkAofOptions(options);
  const repository = await openRepo(invocation, 'write');
  const meter = startMeter(invocation);
  using control = new ControlFollower(invocation, meter, options);
  try {
    const report = await importFiles({
      repository,
      sourceName: options.source,
      files,
      stdin: terminal.stdin,
      control: control.run,
      selection: selectionOf(options),
      ...defined({
        labels: options.label,
        adopt: options.adopt,
        workers: options.workers,
        format: options.format === 'aof' ? undefined : options.format,
      }),
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
