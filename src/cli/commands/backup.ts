import { type Command, Option } from 'commander';
import { backUp } from '../../backup/index.ts';
import type { NodePreference } from '../../sources/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, startMeter } from '../invocation.ts';
import { parseCount, parseLabel, parseRate } from '../options/amounts.ts';
import {
  addConnectionOptions,
  type ConnectionOptions,
  readConnection,
} from '../options/connection-options.ts';
import { defined } from '../options/defined.ts';
import { openRepo } from '../options/repository-option.ts';
import {
  addSelectionOptions,
  type SelectionOptions,
  selectionOf,
} from '../options/selection-options.ts';
import { backupDocument, formatBackupReport, showBackupProgress } from './backup-report.ts';

type BackupOptions = ConnectionOptions &
  SelectionOptions & {
    readonly source?: string;
    readonly label?: Readonly<Record<string, string>>;
    readonly adopt?: boolean;
    readonly from: NodePreference;
    readonly rate?: number;
    readonly rateHarm: 'lift' | 'abort';
    readonly spool?: string;
    readonly workers?: number;
    readonly psyncAs?: string;
    readonly replconfAs?: string;
  };

const EXAMPLES = `
Examples:
  tidemark backup redis://127.0.0.1:6379 --repo ./backups
  tidemark backup rediss://backup@db.example:6380 --password-file ./secret --source shop
  tidemark backup redis://db.example --db 0 --exclude 'session:*' --rate 20MiB/s`;

export const MAX_WORKERS = 64;

export function addBackup(program: Command, door: Door): void {
  const command = program
    .command('backup')
    .summary('back up a running server')
    .description(
      'Makes a full backup of a running server: attaches as a replica, reads one snapshot and\n' +
        'stores it. The source keeps serving; a healthy replica is preferred over its master.',
    )
    .argument('<redis>', 'redis://[user[:password]@]host[:port][/db], rediss://…, unix:///path')
    .option('--source <name>', 'name of the source in the repository (default: host-port)')
    .option('--label <name=value>', 'label of the source and this backup (repeatable)', parseLabel)
    .option('--adopt', 'take the name over although it belonged to another instance')
    .addOption(
      new Option('--from <node>', 'which node to read')
        .choices(['auto', 'replica', 'master'])
        .default('auto'),
    )
    .option('--rate <rate>', 'read no faster than this, as in 20MiB/s', parseRate)
    .addOption(
      new Option('--rate-harm <what>', 'what to do when the limit begins to harm the source')
        .choices(['lift', 'abort'])
        .default('lift'),
    )
    .option('--spool <folder>', 'receive at full speed into this folder; --rate applies behind it')
    .option('--workers <n>', 'threads that encode', parseCount('a number of threads', MAX_WORKERS))
    .option('--psync-as <name>', 'what rename-command made of PSYNC')
    .option('--replconf-as <name>', 'what rename-command made of REPLCONF');
  addSelectionOptions(command);
  addConnectionOptions(command, 'TIDEMARK_PASSWORD')
    .addHelpText('after', EXAMPLES)
    .action(action(door, runBackup));
}

async function runBackup(
  invocation: Invocation,
  redis: string,
  options: BackupOptions,
): Promise<ExitStatus> {
  const { terminal, printer } = invocation;
  const connection = await readConnection(terminal, redis, options, 'TIDEMARK_PASSWORD');
  const repository = await openRepo(invocation, 'write');
  const { rate, rateHarm, psyncAs, replconfAs } = options;
  const meter = startMeter(invocation);
  try {
    const report = await backUp({
      repository,
      ...connection,
      ...defined({
        sourceName: options.source,
        labels: options.label,
        adopt: options.adopt,
        workers: options.workers,
        spoolFolder: options.spool,
        rateLimit: rate === undefined ? undefined : { bytesPerSecond: rate, onHarm: rateHarm },
      }),
      from: options.from,
      selection: selectionOf(options),
      commandNames: defined({ psync: psyncAs, replconf: replconfAs }),
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
