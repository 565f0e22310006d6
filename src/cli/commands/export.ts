import { type Command, Option } from 'commander';
import { CodedError } from '../../base/index.ts';
import {
  type Compression,
  compressionOf,
  compressOutput,
  exportBackup,
  type ExportFormat,
  type ExportOutput,
  type ExportReport,
  type ExportRequest,
  type ExportTarget,
  openOutputFile,
  parseExportTarget,
  type TtlPolicy,
} from '../../restore/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, startMeter } from '../invocation.ts';
import { parseCount, parseDatabaseMap } from '../options/amounts.ts';
import { defined } from '../options/defined.ts';
import { chooseBackup } from '../options/repository-option.ts';
import {
  addSelectionOptions,
  type SelectionOptions,
  selectionOf,
} from '../options/selection-options.ts';
import { TransferProgress } from '../output/transfer-progress.ts';
import { MAX_WORKERS } from './backup.ts';
import { formatExportReport, isExportInexact } from './export-report.ts';

export type ExportOptions = SelectionOptions & {
  readonly format: ExportFormat;
  readonly out: string;
  readonly source?: string;
  readonly force?: boolean;
  readonly compress?: Compression;
  readonly for?: ExportTarget;
  readonly mapDb?: ReadonlyMap<number, number>;
  readonly ttl?: TtlPolicy;
  readonly functions?: 'include' | 'skip';
  readonly allowInexact?: boolean;
  readonly conflict?: 'overwrite' | 'skip';
  readonly commands?: boolean;
  readonly workers?: number;
};

const STDOUT = '-';

const EXAMPLES = `
Examples:
  tidemark export latest --format rdb --out dump.rdb --repo ./backups
  tidemark export latest --format rdb --for valkey-8.1 --out dump.rdb
  tidemark export latest --format jsonl --match 'user:*' --out users.jsonl.zst
  tidemark export latest --format resp --out - | redis-cli -h db.example --pipe`;

export function addExport(program: Command, door: Door): void {
  const command = program
    .command('export')
    .summary('write a backup as an RDB, JSON Lines or commands')
    .description(
      'Writes the entries of a backup to a file or to standard output: as an RDB that a server\n' +
        'loads at its start, as JSON Lines, or as commands for redis-cli --pipe.',
    )
    .argument('<backup>', 'id, unique beginning of one, or latest')
    .addOption(
      new Option('--format <format>', 'what to write')
        .choices(['rdb', 'jsonl', 'resp'])
        .makeOptionMandatory(),
    )
    .requiredOption('--out <path>', 'the file to write, or - for standard output')
    .option('--force', 'replace the file if there is one')
    .option('--source <name>', 'of which source, where the repository has several')
    .addOption(
      new Option(
        '--compress <how>',
        'compress it; by default as the path ends: .zst, .gz, or not',
      ).choices(['none', 'zstd', 'gzip']),
    )
    .option('--workers <n>', 'threads that encode', parseCount('a number of threads', MAX_WORKERS));
  addServerOptions(command);
  addSelectionOptions(command).addHelpText('after', EXAMPLES).action(action(door, runExport));
}

/** What only the formats that are for a server take. */
function addServerOptions(command: Command): void {
  command
    .optionsGroup('Of rdb and resp:')
    .option(
      '--for <server>',
      'redis-7.0, valkey-8.1, rdb:12 …; by default the server that was backed up',
      parseExportTarget,
    )
    .option('--map-db <from:to>', 'write database FROM as TO, as in 0:5,1:6', parseDatabaseMap)
    .addOption(
      new Option(
        '--ttl <policy>',
        'expiry: as recorded (default), counted from now, or none',
      ).choices(['absolute', 'remaining', 'persist']),
    )
    .addOption(
      new Option(
        '--functions <what>',
        'function libraries and cached scripts; by default included unless keys are selected',
      ).choices(['include', 'skip']),
    )
    .option('--allow-inexact', 'write also what that server cannot hold exactly')
    .optionsGroup('Of resp:')
    .addOption(
      new Option(
        '--conflict <policy>',
        'what the commands do to keys that are there (default: overwrite)',
      ).choices(['overwrite', 'skip']),
    )
    .option('--commands', 'HSET, RPUSH … instead of RESTORE where they lose nothing')
    .optionsGroup('Options:');
}

async function runExport(
  invocation: Invocation,
  backup: string,
  options: ExportOptions,
): Promise<ExitStatus> {
  checkOptions(invocation, options);
  const { terminal } = invocation;
  const { repository, manifest } = await chooseBackup(invocation, backup, options.source);
  const output = await openOutput(invocation, options);
  const request: ExportRequest = {
    repository,
    manifest,
    format: options.format,
    output,
    selection: selectionOf(options),
    ...defined({
      target: options.for,
      mapDb: options.mapDb,
      ttl: options.ttl,
      functions: options.functions,
      allowInexact: options.allowInexact,
      conflict: options.conflict,
      commands: options.commands,
      workers: options.workers,
    }),
    signal: terminal.signal,
  };
  const report = await exportWithProgress(invocation, request, options);
  await tell(invocation, report, options);
  return isExportInexact(report) ? EXIT.inexact : EXIT.done;
}

/** What one format takes and another does not is no wish that may be ignored. */
function checkOptions(invocation: Invocation, options: ExportOptions): void {
  const { format, for: target, mapDb, ttl, functions, allowInexact, conflict, commands } = options;
  const ofServers = { for: target, 'map-db': mapDb, ttl, functions, 'allow-inexact': allowInexact };
  const ofCommands = { conflict, commands };
  const refused = [
    ...(format === 'jsonl' ? Object.entries(ofServers) : []),
    ...(format === 'resp' ? [] : Object.entries(ofCommands)),
  ].find(([, value]) => value !== undefined)?.[0];
  if (refused !== undefined) {
    throw new CodedError('USAGE', `Cannot use --${refused} with --format ${format}`, {
      hint:
        format === 'jsonl'
          ? 'JSON Lines are written as they are stored'
          : 'It is for --format resp',
    });
  }
  const isBinary = format !== 'jsonl' || (options.compress ?? 'none') !== 'none';
  if (options.out === STDOUT && isBinary && invocation.terminal.stdout.isTTY === true) {
    throw new CodedError('USAGE', 'Cannot write bytes to a terminal', {
      hint: 'Name a file with --out, or send the output on with |',
    });
  }
}

async function openOutput(
  { printer }: Invocation,
  { out, force, compress }: ExportOptions,
): Promise<ExportOutput> {
  const inner: ExportOutput =
    out === STDOUT
      ? {
          write: (bytes) => printer.write(bytes),
          commit: async () => {},
          abort: async () => {},
        }
      : await openOutputFile(out, defined({ force }));
  return compressOutput(inner, compress ?? (out === STDOUT ? 'none' : compressionOf(out)));
}

async function exportWithProgress(
  invocation: Invocation,
  request: ExportRequest,
  { out }: ExportOptions,
): Promise<ExportReport> {
  // Where the document goes to standard error, nothing else does.
  const quiet = invocation.quiet || (invocation.json && out === STDOUT);
  const meter = startMeter({ ...invocation, quiet });
  const transfer = new TransferProgress(invocation.terminal.clock);
  try {
    return await exportBackup({
      ...request,
      onProgress: ({ text, keys, bytes, totalBytes }) => {
        transfer.begin();
        const shown = { text, bytes, expectedBytes: totalBytes, keys };
        meter.show(() => transfer.format(shown));
      },
      onNotice: (text) => meter.note(`note: ${text}`),
    });
  } finally {
    meter.end();
  }
}

/** Standard output belongs to the export when it goes there. */
async function tell(
  invocation: Invocation,
  report: ExportReport,
  { out, ttl }: ExportOptions,
): Promise<void> {
  const { json, quiet, printer, terminal } = invocation;
  const text = json
    ? `${JSON.stringify({ ...report, out }, null, 2)}\n`
    : formatExportReport(invocation, report, out, ttl ?? 'absolute');
  if (out !== STDOUT) await printer.write(text);
  else if (json || !quiet || isExportInexact(report)) terminal.stderr.write(text);
}
