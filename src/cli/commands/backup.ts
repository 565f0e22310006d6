import { type Command, Option } from 'commander';
import { type BackupMode, backUp } from '../../backup/index.ts';
import { CodedError } from '../../base/index.ts';
import type { NodePreference } from '../../sources/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, startMeter } from '../invocation.ts';
import { parseCount, parseLabel, parseRate } from '../options/amounts.ts';
import {
  addConnectionOptions,
  type ConnectionOptions,
  readConnection,
} from '../options/connection-options.ts';
import {
  addControlOption,
  ControlFollower,
  type ControlOptions,
} from '../options/control-option.ts';
import { defined } from '../options/defined.ts';
import { openRepo } from '../options/repository-option.ts';
import { addInstantOptions, addSandboxOptions, instantOf } from '../options/instant-option.ts';
import {
  addSelectionOptions,
  type SelectionOptions,
  selectionOf,
} from '../options/selection-options.ts';
import { type FromLogOptions, runBackupFromLog } from './backup-from-log.ts';
import { backupDocument, formatBackupReport, showBackupProgress } from './backup-report.ts';

type BackupOptions = ConnectionOptions &
  ControlOptions &
  SelectionOptions &
  FromLogOptions & {
    readonly adopt?: boolean;
    readonly from: NodePreference;
    readonly mode: BackupMode;
    readonly threads?: number;
    readonly rate?: number;
    readonly rateHarm: 'lift' | 'abort';
    readonly spool?: string;
    readonly psyncAs?: string;
    readonly replconfAs?: string;
  };

const EXAMPLES = `
Examples:
  tidemark backup redis://127.0.0.1:6379 --repo ./backups
  tidemark backup rediss://backup@db.example:6380 --password-file ./secret --source shop
  tidemark backup redis://db.example --db 0 --exclude 'session:*' --rate 20MiB/s
  tidemark backup sentinel://s1.example,s2.example,s3.example/orders --from replica
  tidemark backup rediss://cache.example:6380 --mode scan --threads 8
  tidemark backup --from-log --source shop --at 03:00`;

export const MAX_WORKERS = 64;
const MAX_THREADS = 32;

/** How servers are named in the commands that take one. */
export const REDIS_ARGUMENT =
  'redis://[user[:password]@]host[:port][/db], rediss://…, unix:///path, ' +
  'sentinel://host[:port],…/master';

export function addBackup(program: Command, door: Door): void {
  const command = program
    .command('backup')
    .summary('back up a running server')
    .description(
      'Makes a full backup of a running server: attaches as a replica, reads one snapshot and\n' +
        'stores it. The source keeps serving; a healthy replica is preferred over its master.\n' +
        'Where replicas are forbidden, keys are read one by one (SCAN): not of one instant.',
    )
    .argument('[redis]', REDIS_ARGUMENT)
    .option('--from-log', 'make it of the last backup and the log instead, without the server')
    .option('--source <name>', 'name of the source in the repository (default: host-port)')
    .option('--label <name=value>', 'label of the source and this backup (repeatable)', parseLabel)
    .option('--adopt', 'take the name over although it belonged to another instance')
    .addOption(
      new Option('--from <node>', 'which node to read')
        .choices(['auto', 'replica', 'master'])
        .default('auto'),
    )
    .addOption(
      new Option('--mode <how>', 'how to read; auto takes SCAN only where PSYNC is forbidden')
        .choices(['psync', 'scan', 'auto'])
        .default('auto'),
    )
    .option(
      '--threads <n>',
      'connections that read by SCAN (default: 4)',
      parseCount('a number of connections', MAX_THREADS),
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
  addControlOption(command);
  addSelectionOptions(command);
  addInstantOptions(command);
  addSandboxOptions(command);
  addConnectionOptions(command, 'TIDEMARK_PASSWORD')
    .addHelpText('after', EXAMPLES)
    .action(action(door, runBackup));
}

async function runBackup(
  invocation: Invocation,
  redis: string | undefined,
  options: BackupOptions,
): Promise<ExitStatus> {
  const { terminal, printer } = invocation;
  if (options.fromLog === true) {
    return await runBackupFromLog(invocation, redis, options, selectionOf(options));
  }
  if (redis === undefined) throw new CodedError('USAGE', "Missing required argument 'redis'");
  if (instantOf(options, undefined) !== undefined) {
    throw new CodedError('USAGE', 'Cannot back a server up as it was: it only tells what it is', {
      hint: 'With --from-log, and without the server, an instant of the log is backed up',
    });
  }
  if (options.mode === 'psync' && options.threads !== undefined) {
    throw new CodedError('USAGE', 'Cannot use --threads with --mode psync: that is one stream');
  }
  const connection = await readConnection(terminal, redis, options, 'TIDEMARK_PASSWORD');
  const repository = await openRepo(invocation, 'write');
  const { rate, rateHarm, psyncAs, replconfAs } = options;
  const meter = startMeter(invocation);
  const rates = defined({ bytesPerSecond: rate });
  using control = new ControlFollower(invocation, meter, options, rates);
  try {
    const report = await backUp({
      repository,
      ...connection,
      ...defined({
        sourceName: options.source,
        labels: options.label,
        adopt: options.adopt,
        workers: options.workers,
        threads: options.threads,
        spoolFolder: options.spool,
        rateLimit: rate === undefined ? undefined : { bytesPerSecond: rate, onHarm: rateHarm },
      }),
      control: control.run,
      from: options.from,
      mode: options.mode,
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
