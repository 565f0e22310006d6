import { type Command, Option } from 'commander';
import { CodedError, isCoded } from '../../base/index.ts';
import { storeReport } from '../../repository/index.ts';
import { restoreBackup, type RestoreReport, type RestoreRequest } from '../../restore/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, startMeter } from '../invocation.ts';
import { parseCount, parseDatabaseMap, parseRate } from '../options/amounts.ts';
import { addConnectionOptions, readConnection } from '../options/connection-options.ts';
import { defined } from '../options/defined.ts';
import { chooseBackup, openRepo } from '../options/repository-option.ts';
import { addSelectionOptions, selectionOf } from '../options/selection-options.ts';
import { canAsk, confirm } from '../output/confirm.ts';
import { TransferProgress } from '../output/transfer-progress.ts';
import { MAX_WORKERS } from './backup.ts';
import type { RestoreOptions } from './restore-options.ts';
import { formatRestoreReport, isInexact } from './restore-report.ts';
import { describePlan, mapToAddress } from './restore-plan.ts';

const EXAMPLES = `
Examples:
  tidemark restore latest --to redis://127.0.0.1:6380 --repo ./backups
  tidemark restore latest --to redis://db.example --key user:1 --conflict overwrite
  tidemark restore 20261122t1230 --to redis://db.example --db 0 --map-db 0:5 --dry-run

A key that is in the target with another value or expiry is a conflict; by default the restored
one is written beside it as <key>_dbs_<task>_<time>. Equal keys stay as they are.`;

export function addRestore(program: Command, door: Door): void {
  const command = program
    .command('restore')
    .summary('write a backup, or some of its keys, to a server')
    .description(
      'Writes the entries of a backup to a running server. Run twice, it changes nothing.',
    )
    .argument('<backup>', 'id, unique beginning of one, or latest')
    .requiredOption('--to <redis>', 'target: redis://[user[:password]@]host[:port][/db], …')
    .option('--source <name>', 'of which source, where the repository has several')
    .option('--dry-run', 'check and count everything, write nothing')
    .option('--yes', 'do not ask before anything is overwritten');
  addPolicyOptions(command)
    .option('--rate <rate>', 'write no faster than this, as in 20MiB/s', parseRate)
    .option('--rate-keys <n>', 'write no more keys per second', parseCount('a number of keys'))
    .option('--workers <n>', 'threads that encode', parseCount('a number of threads', MAX_WORKERS));
  addSelectionOptions(command);
  addConnectionOptions(command, 'TIDEMARK_TARGET_PASSWORD')
    .addOption(new Option('--target-password-file <path>', 'the same').hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(action(door, runRestore));
}

function addPolicyOptions(command: Command): Command {
  const choice = (flags: string, text: string, values: readonly string[]): Option =>
    new Option(flags, text).choices(values).default(values[0]);
  return command
    .option('--map-db <from:to>', 'write database FROM into TO, as in 0:5,1:6', parseDatabaseMap)
    .addOption(
      choice('--conflict <policy>', 'keys that are there with another value', [
        'rename',
        'skip',
        'overwrite',
        'fail',
      ]),
    )
    .addOption(
      choice('--ttl <policy>', 'expiry: as recorded, counted from now, or none', [
        'absolute',
        'remaining',
        'persist',
      ]),
    )
    .addOption(
      new Option(
        '--functions <what>',
        'function libraries and cached scripts; by default restored unless keys are selected',
      ).choices(['restore', 'skip']),
    )
    .addOption(
      choice('--function-conflict <policy>', 'libraries that are there with another code', [
        'skip',
        'overwrite',
        'fail',
      ]),
    )
    .option('--allow-inexact', 'write also what the target cannot hold exactly');
}

async function runRestore(
  invocation: Invocation,
  backup: string,
  options: RestoreOptions,
): Promise<ExitStatus> {
  const { terminal, printer } = invocation;
  const passwordFile = options.passwordFile ?? options.targetPasswordFile;
  const connection = await readConnection(
    terminal,
    options.to,
    { ...options, ...defined({ passwordFile }) },
    'TIDEMARK_TARGET_PASSWORD',
  );
  const { repository, source, manifest } = await chooseBackup(invocation, backup, options.source);
  const selection = selectionOf(options);
  const request: RestoreRequest = {
    repository,
    source,
    manifest,
    target: connection.address,
    selection,
    conflict: options.conflict,
    ttl: options.ttl,
    functionConflict: options.functionConflict,
    ...defined({
      tls: connection.tls,
      mapDb: mapToAddress(connection.address, manifest, selection, options.mapDb),
      functions: options.functions,
      allowInexact: options.allowInexact,
      dryRun: options.dryRun,
      rateBytesPerSecond: options.rate,
      rateKeysPerSecond: options.rateKeys,
      workers: options.workers,
    }),
    signal: terminal.signal,
  };
  await askFirst(invocation, request, options);
  const report = await restoreWithProgress(invocation, request);
  if (!report.dryRun) await keepReport(invocation, source.id, report);
  if (invocation.json) await printer.document(report);
  else await printer.write(formatRestoreReport(invocation, report, options));
  return isInexact(report) ? EXIT.inexact : EXIT.done;
}

/** A restore needs only to read the repository; where it may write, the report stays there. */
async function keepReport(
  invocation: Invocation,
  source: string,
  report: RestoreReport,
): Promise<void> {
  try {
    await storeReport(await openRepo(invocation, 'write'), source, report.task, report);
  } catch (error) {
    if (!isCoded(error)) throw error;
    if (!invocation.quiet) {
      invocation.terminal.stderr.write(`note: The report could not be kept: ${error.message}\n`);
    }
  }
}

/** Shows the plan to whoever watches, and asks before anything of the target is replaced. */
async function askFirst(
  invocation: Invocation,
  request: RestoreRequest,
  options: RestoreOptions,
): Promise<void> {
  const { terminal, quiet } = invocation;
  const replaces = options.conflict === 'overwrite' || options.functionConflict === 'overwrite';
  const mustAsk = replaces && options.yes !== true && options.dryRun !== true;
  if (mustAsk && !canAsk(terminal)) {
    throw new CodedError(
      'CONFIRMATION_REQUIRED',
      'Cannot overwrite anything in the target without a confirmation: there is no terminal to ask',
      { hint: 'Repeat the command with --yes, or look first with --dry-run' },
    );
  }
  if (!mustAsk && (quiet || terminal.stderr.isTTY !== true)) return;
  terminal.stderr.write(await describePlan(request));
  if (!mustAsk) return;
  await confirm(terminal, 'Keys in the target may be overwritten. Go on?');
}

async function restoreWithProgress(invocation: Invocation, request: RestoreRequest) {
  const meter = startMeter(invocation);
  const transfer = new TransferProgress(invocation.terminal.clock);
  try {
    return await restoreBackup({
      ...request,
      onProgress: ({ phase, text, keys, bytes, totalBytes }) => {
        if (phase === 'restoring') transfer.begin();
        const shown = { text, bytes, expectedBytes: totalBytes, keys };
        meter.show(() => (phase === 'restoring' ? transfer.format(shown) : text));
      },
      onNotice: (text) => meter.note(`note: ${text}`),
    });
  } finally {
    meter.end();
  }
}
