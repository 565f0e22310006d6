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
import {
  addInstantOptions,
  addSandboxOptions,
  type InstantOptions,
  type SandboxOptions,
} from '../options/instant-option.ts';
import {
  addSelectionOptions,
  type SelectionOptions,
  selectionOf,
} from '../options/selection-options.ts';
import { chooseState } from '../options/state-option.ts';
import { TransferProgress } from '../output/transfer-progress.ts';
import { MAX_WORKERS } from './backup.ts';
import { runAofExport } from './export-aof.ts';
import { formatExportReport, isExportInexact } from './export-report.ts';

export type ExportOptions = SelectionOptions &
  InstantOptions &
  SandboxOptions & {
    readonly format: ExportFormat | 'aof';
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
  tidemark export latest --format resp --out - | redis-cli -h db.example --pipe
  tidemark export --at 14:02 --format aof --out ./appendonlydir`;

export function addExport(program: Command, door: Door): void {
  const command = program
    .command('export')
    .summary('write a backup as an RDB, JSON Lines, commands or an AOF folder')
    .description(
      'Writes the entries of a backup to a file or to standard output: as an RDB that a server\n' +
        'loads at its start, as JSON Lines, as commands for redis-cli --pipe, or as an appendonlydir\n' +
        'that a server starts from.',
    )
    .argument('[backup]', 'id, unique beginning of one, or latest')
    .addOption(
      new Option('--format <format>', 'what to write')
        .choices(['rdb', 'jsonl', 'resp', 'aof'])
        .makeOptionMandatory(),
    )
    .requiredOption('--out <path>', 'the file to write, or - for standard output')
    .option('--force', 'replace the file, or the AOF folder, if there is one')
    .option('--source <name>', 'of which source, where the repository has several')
    .addOption(
      new Option(
        '--compress <how>',
        'compress it; by default as the path ends: .zst, .gz, or not',
      ).choices(['none', 'zstd', 'gzip']),
    )
    .option('--workers <n>', 'threads that encode', parseCount('a number of threads', MAX_WORKERS));
  addServerOptions(command);
  addInstantOptions(command);
  addSelectionOptions(command);
  addSandboxOptions(command).addHelpText('after', EXAMPLES).action(action(door, runExport));
}

/** What only the formats that are for a server take. */
function addServerOptions(command: Command): void {
  command
    .optionsGroup('Of rdb and resp; --for also of aof:')
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
  backup: string | undefined,
  options: ExportOptions,
): Promise<ExitStatus> {
  if (options.format === 'aof') return await runAofExport(invocation, backup, options);
  checkOptions(invocation, options);
  const { terminal } = invocation;
  const selection = selectionOf(options);
  await using state = await chooseState(invocation, backup, options, selection);
  const { repository, manifest } = state;
  const output = await openOutput(invocation, options);
  const request: ExportRequest = {
    repository,
    manifest,
    format: options.format,
    output,
    selection,
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
  await tell(invocation, { ...report, backup: state.name }, options);
  const isWhole = !isExportInexact(report) && state.inexact.length === 0;
  return isWhole ? EXIT.done : EXIT.inexact;
}

/** What one format takes and another does not is no wish that may be ignored. */
function checkOptions(invocation: Invocation, options: ExportOptions): void {
  const { format, for: target, mapDb, ttl, functions, allowInexact, conflict, commands } = options;
  // Of an instant it is the replay that may be inexact.
  const isInstant = options.at !== undefined || options.before !== undefined;
  const inexact = isInstant ? undefined : allowInexact;
  const ofServers = { for: target, 'map-db': mapDb, ttl, functions, 'allow-inexact': inexact };
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
