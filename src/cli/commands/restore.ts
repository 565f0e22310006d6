import { type Command, Option } from 'commander';
import { resolve } from 'node:path';
import { CodedError, isCoded } from '../../base/index.ts';
import { connect } from '../../redis/index.ts';
import { storeReport } from '../../repository/index.ts';
import {
  restoreBackup,
  type RestoreReport,
  type RestoreRequest,
  type ResumeRequest,
  resumeRestore,
} from '../../restore/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, startMeter } from '../invocation.ts';
import { parseCount, parseDatabaseMap, parseRate } from '../options/amounts.ts';
import {
  addConnectionOptions,
  type Connection,
  readConnection,
} from '../options/connection-options.ts';
import { addControlOption, ControlFollower } from '../options/control-option.ts';
import { defined } from '../options/defined.ts';
import { addInstantOptions, addSandboxOptions, choosePlace } from '../options/instant-option.ts';
import { pointDocument } from '../options/instant-text.ts';
import { openRepo } from '../options/repository-option.ts';
import { addSelectionOptions, selectionOf } from '../options/selection-options.ts';
import type { ChosenState } from '../options/state-option.ts';
import { canAsk, confirm } from '../output/confirm.ts';
import { TransferProgress } from '../output/transfer-progress.ts';
import { MAX_WORKERS } from './backup.ts';
import { openForRestore, openResumed, removeResumed } from './restore-instant.ts';
import type { RestoreOptions } from './restore-options.ts';
import { addReplaceOptions, runReplace } from './restore-replace.ts';
import { formatRestoreReport, isInexact } from './restore-report.ts';
import { describePlan, mapToAddress } from './restore-plan.ts';
import { originOf, readResumedTask } from './restore-resume.ts';
import {
  absoluteRepo,
  chooseStateFolder,
  defaultStateFolder,
  withResumeHint,
} from './restore-state.ts';

const EXAMPLES = `
Examples:
  tidemark restore latest --to redis://127.0.0.1:6380 --repo ./backups
  tidemark restore latest --to redis://db.example --key user:1 --conflict overwrite
  tidemark restore 20261122t1230 --to redis://db.example --db 0 --map-db 0:5 --dry-run
  tidemark restore --before last:FLUSHALL --to redis://db.example --conflict skip
  tidemark restore --at 14:02 --to redis://db.example --replace-instance
  tidemark restore --resume 0a1b2c3d

A key that is in the target with another value or expiry is a conflict; by default the restored
one is written beside it as <key>_dbs_<task>_<time>. Equal keys stay as they are.

A restore that was interrupted is taken up again by --resume, with nothing else to say: what it
was told is in its journal. "tidemark tasks" lists the tasks.`;

export function addRestore(program: Command, door: Door): void {
  const command = program
    .command('restore')
    .summary('write a backup, or some of its keys, to a server')
    .description(
      'Writes the entries of a backup, or of an instant of the log, to a running server. Run twice,\n' +
        'it changes nothing.',
    )
    .argument('[backup]', 'id, unique beginning of one, or latest')
    .option('--to <redis>', 'target: redis://[user[:password]@]host[:port][/db], …')
    .option('--resume <task>', 'go on with a restore that was interrupted')
    .option('--state <folder>', 'where tasks keep their journals (default: under XDG_STATE_HOME)')
    .option('--source <name>', 'of which source, where the repository has several')
    .option('--dry-run', 'check and count everything, write nothing')
    .option('--yes', 'do not ask before anything is overwritten');
  addPolicyOptions(command)
    .option('--rate <rate>', 'write no faster than this, as in 20MiB/s', parseRate)
    .option('--rate-keys <n>', 'write no more keys per second', parseCount('a number of keys'))
    .option('--workers <n>', 'threads that encode', parseCount('a number of threads', MAX_WORKERS));
  addControlOption(command);
  addInstantOptions(command);
  addSelectionOptions(command);
  addSandboxOptions(command);
  addReplaceOptions(command);
  addConnectionOptions(command, 'TIDEMARK_TARGET_PASSWORD')
    .addOption(new Option('--target-password-file <path>', 'the same').hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(
      action(door, (invocation, backup: string | undefined, options: RestoreOptions) =>
        options.resume === undefined
          ? runRestore(invocation, command, backup, options)
          : runResume(invocation, command, backup, options),
      ),
    );
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
  command: Command,
  backup: string | undefined,
  options: RestoreOptions,
): Promise<ExitStatus> {
  const { terminal } = invocation;
  if (options.to === undefined) throw missing("option '--to <redis>'");
  const passwordFile = options.passwordFile ?? options.targetPasswordFile;
  const connection = await readConnection(
    terminal,
    options.to,
    { ...options, ...defined({ passwordFile }) },
    'TIDEMARK_TARGET_PASSWORD',
  );
  if (options.replaceInstance === true) {
    return await runReplace(invocation, command, backup, options, connection);
  }
  const place = await choosePlace(invocation, backup, options);
  // Before minutes are spent on a replay: what would be refused after it.
  if (place.kind === 'instant') await checkEarly(invocation, options, connection);
  const selection = selectionOf(options);
  const state = options.dryRun === true ? undefined : chooseStateFolder(invocation, options.state);
  const opened = await openForRestore(invocation, place, options, selection, state);
  try {
    const { chosen, task } = opened;
    const request = requestOf(invocation, chosen, options, connection);
    await askFirst(invocation, request, options);
    const origin = { ...originOf(absoluteRepo(invocation.repo), options), ...opened.origin };
    const kept = state === undefined ? {} : { state, origin, ...task };
    const report = await withProgress(invocation, options, (hooks) =>
      restoreBackup({ ...request, ...kept, ...hooks }),
    );
    return await tell(invocation, place.source.id, report, options.ttl, chosen);
  } finally {
    await opened.end();
  }
}

function requestOf(
  { terminal }: Invocation,
  { repository, source, manifest }: ChosenState,
  options: RestoreOptions,
  connection: Connection,
): RestoreRequest {
  const selection = selectionOf(options);
  return {
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
      workers: options.workers,
    }),
    signal: terminal.signal,
  };
}

/** Throws what `connect` throws, and CONFIRMATION_REQUIRED. */
async function checkEarly(
  { terminal }: Invocation,
  options: RestoreOptions,
  { address, tls }: Connection,
): Promise<void> {
  if (mustAsk(options) && !canAsk(terminal)) throw unconfirmed();
  const conn = await connect(address, defined({ tls, signal: terminal.signal }));
  conn.close();
}

/** Goes on with a task: the options are those of its journal. */
async function runResume(
  invocation: Invocation,
  command: Command,
  backup: string | undefined,
  options: RestoreOptions,
): Promise<ExitStatus> {
  const { terminal } = invocation;
  const state = resolve(options.state ?? defaultStateFolder(terminal.env));
  const task = await readResumedTask(invocation, command, backup, state, options);
  const { record, connection, repo } = task;
  const there: Invocation = { ...invocation, repo };
  const { instant, sourceId } = record.origin;
  const isInstant = instant !== undefined;
  const request: ResumeRequest = {
    state,
    task: record.task,
    repository: isInstant ? await openResumed(there, state, record) : await openRepo(there, 'read'),
    target: connection.address,
    ...defined({ tls: connection.tls, workers: options.workers }),
    signal: terminal.signal,
  };
  const report = await withProgress(there, options, (hooks) =>
    resumeRestore({ ...request, ...hooks }),
  );
  if (isInstant) await removeResumed(state, record);
  const source = typeof sourceId === 'string' ? sourceId : record.source;
  return await tell(there, source, report, record.options.ttl);
}

function missing(what: string): CodedError {
  return new CodedError('USAGE', `Missing required ${what}`, {
    hint: 'See tidemark restore --help',
  });
}

/** Keeps the report and prints it. */
async function tell(
  invocation: Invocation,
  source: string,
  done: RestoreReport,
  ttl: RestoreOptions['ttl'],
  state?: ChosenState,
): Promise<ExitStatus> {
  const report = state?.instant ? { ...done, ...instantFacts(state) } : done;
  if (!report.dryRun) await keepReport(invocation, source, report);
  if (invocation.json) await invocation.printer.document(report);
  else await invocation.printer.write(formatRestoreReport(invocation, report, ttl));
  const isWhole = !isInexact(report) && (state?.inexact.length ?? 0) === 0;
  return isWhole ? EXIT.done : EXIT.inexact;
}

/** Instead of the throw-away backup that an instant was for a moment. */
function instantFacts({ instant, name, inexact }: ChosenState) {
  if (instant === null) return {};
  const point = pointDocument(instant.resolved, instant.plan);
  return { backup: name, instant: point, replayInexact: inexact };
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
  const asks = mustAsk(options);
  if (asks && !canAsk(terminal)) throw unconfirmed();
  if (!asks && (quiet || terminal.stderr.isTTY !== true)) return;
  terminal.stderr.write(await describePlan(request));
  if (!asks) return;
  await confirm(terminal, 'Keys in the target may be overwritten. Go on?');
}

function mustAsk({ conflict, functionConflict, yes, dryRun }: RestoreOptions): boolean {
  const replaces = conflict === 'overwrite' || functionConflict === 'overwrite';
  return replaces && yes !== true && dryRun !== true;
}

function unconfirmed(): CodedError {
  return new CodedError(
    'CONFIRMATION_REQUIRED',
    'Cannot overwrite anything in the target without a confirmation: there is no terminal to ask',
    { hint: 'Repeat the command with --yes, or look first with --dry-run' },
  );
}

type Hooks = Pick<RestoreRequest, 'control' | 'onProgress' | 'onNotice' | 'onResumable'>;

/** Shows how far it is; an error that the task can be resumed after says how. */
async function withProgress(
  invocation: Invocation,
  options: RestoreOptions,
  work: (hooks: Hooks) => Promise<RestoreReport>,
): Promise<RestoreReport> {
  const meter = startMeter(invocation);
  const transfer = new TransferProgress(invocation.terminal.clock);
  const rates = defined({ bytesPerSecond: options.rate, keysPerSecond: options.rateKeys });
  using control = new ControlFollower(invocation, meter, options, rates);
  let resumable: string | undefined;
  try {
    return await work({
      control: control.run,
      onProgress: ({ phase, text, keys, bytes, totalBytes }) => {
        if (phase === 'restoring') transfer.begin();
        const shown = { text, bytes, expectedBytes: totalBytes, keys };
        meter.show(() => (phase === 'restoring' ? transfer.format(shown) : text));
      },
      onNotice: (text) => meter.note(`note: ${text}`),
      onResumable: (task) => {
        resumable = task;
      },
    });
  } catch (error) {
    if (resumable === undefined) throw error;
    throw withResumeHint(error, resumable, options.state);
  } finally {
    meter.end();
  }
}
