import type { Command } from 'commander';
import { CodedError, isCoded } from '../../base/index.ts';
import { connect, describeServer, displayAddress } from '../../redis/index.ts';
import { storeReport } from '../../repository/index.ts';
import { newTaskId } from '../../restore/index.ts';
import {
  type FeedParts,
  feedPartsOf,
  replaceInstance,
  type ReplaceReport,
  type ReplaceRequest,
} from '../../rewind/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { type Invocation, startMeter, styled } from '../invocation.ts';
import { parseCount } from '../options/amounts.ts';
import type { Connection } from '../options/connection-options.ts';
import { ControlFollower } from '../options/control-option.ts';
import { defined } from '../options/defined.ts';
import { type ChosenPlace, choosePlace } from '../options/instant-option.ts';
import { pointDocument } from '../options/instant-text.ts';
import { openRepo } from '../options/repository-option.ts';
import { selectionOf } from '../options/selection-options.ts';
import { canAsk, confirmTyped } from '../output/confirm.ts';
import { formatAmount, formatBytes, formatDuration } from '../output/format.ts';
import { formatFacts } from '../output/text-table.ts';
import { TransferProgress } from '../output/transfer-progress.ts';
import type { RestoreOptions } from './restore-options.ts';

export function addReplaceOptions(command: Command): Command {
  return command
    .optionsGroup('Replacing a whole instance:')
    .option(
      '--replace-instance',
      'replace everything that the target holds: it is fed as a replica, then made a master',
    )
    .option('--yes-replace <host:port>', "the target's address again, instead of being asked")
    .option('--no-undo', 'do not back the target up first')
    .option('--feed-host <host>', 'address of this machine that the target connects to')
    .option(
      '--feed-port <port>',
      'port for that (default: any that is free)',
      parseCount('a port', 65535),
    )
    .optionsGroup('Options:');
}

/** Restores a backup or an instant by feeding the target itself. */
export async function runReplace(
  invocation: Invocation,
  command: Command,
  backup: string | undefined,
  options: RestoreOptions,
  connection: Connection,
): Promise<ExitStatus> {
  refuseContradictions(command, options, connection);
  const place = await choosePlace(invocation, backup, options);
  await confirmReplacement(invocation, place, options, connection);
  const undo =
    options.undo && options.dryRun !== true ? await undoPlace(invocation, connection) : null;
  const report = await withProgress(invocation, options, (hooks) =>
    replaceInstance({
      parts: partsOf(place),
      server: serverOf(place),
      atMs: atMsOf(place),
      target: connection.address,
      ttl: options.ttl,
      undo,
      ...defined({
        tls: connection.tls,
        allowInexact: options.allowInexact,
        feedHost: options.feedHost,
        feedPort: options.feedPort,
        dryRun: options.dryRun,
        workers: options.workers,
      }),
      ...hooks,
      signal: invocation.terminal.signal,
    }),
  );
  const instant = place.kind === 'instant' ? pointDocument(place.resolved, place.plan) : null;
  const document = { replaced: true, backup: partsOf(place).base.id, instant, ...report };
  if (!report.dryRun) await keepReport(invocation, place, document);
  if (invocation.json) await invocation.printer.document(document);
  else await invocation.printer.write(formatReport(invocation, report));
  return report.inexact.length > 0 ? EXIT.inexact : EXIT.done;
}

/** What means nothing where everything is replaced. */
function refuseContradictions(
  command: Command,
  options: RestoreOptions,
  { address }: Connection,
): void {
  const wrong = Object.keys(selectionOf(options)).length > 0 ? ['a selection of keys'] : [];
  if (address.database !== null) wrong.push('a database in --to');
  for (const name of ['mapDb', 'conflict', 'functions', 'functionConflict', 'rateKeys', 'state']) {
    if (command.getOptionValueSource(name) !== 'cli') continue;
    wrong.push(`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
  }
  if (wrong.length === 0) return;
  throw new CodedError('USAGE', `Cannot use --replace-instance with ${wrong.join(', ')}`, {
    hint: 'It replaces everything; to restore a part, leave --replace-instance out',
  });
}

function partsOf(place: ChosenPlace): FeedParts {
  if (place.kind === 'instant') return feedPartsOf(place.plan);
  const { repository, manifest } = place;
  return { repository, base: manifest, log: null };
}

function serverOf(place: ChosenPlace): ReplaceRequest['server'] {
  if (place.kind === 'instant') return place.plan.server;
  const [shard] = place.manifest.shards;
  return shard?.server ?? { family: 'unknown', version: null };
}

function atMsOf(place: ChosenPlace): number {
  return place.kind === 'instant'
    ? place.resolved.point.atMs
    : Date.parse(place.manifest.snapshotAt);
}

/** The target's address must be typed, at the prompt or in `--yes-replace`. */
async function confirmReplacement(
  { terminal }: Invocation,
  place: ChosenPlace,
  options: RestoreOptions,
  { address, tls }: Connection,
): Promise<void> {
  if (options.dryRun === true) return;
  const expected = address.path ?? `${address.host}:${address.port}`;
  const { yesReplace } = options;
  if (yesReplace === expected) return;
  if (yesReplace !== undefined) {
    const message = `Nothing was changed: --yes-replace says ${yesReplace}, --to is ${expected}`;
    throw new CodedError('CONFIRMATION_REQUIRED', message, {
      hint: 'Name in both the server whose data is to be replaced',
    });
  }
  if (!canAsk(terminal)) {
    const message =
      'Cannot replace an instance without a confirmation: there is no terminal to ask';
    throw new CodedError('CONFIRMATION_REQUIRED', message, {
      hint: `Repeat the command with --yes-replace ${expected}, or look first with --dry-run`,
    });
  }
  const conn = await connect(address, defined({ tls, signal: terminal.signal }));
  const { family, version, keys } = await describeServer(conn).finally(() => conn.close());
  const count = Object.values(keys ?? {}).reduce((sum, count) => sum + count, 0);
  terminal.stderr.write(
    formatFacts([
      ['target', `${displayAddress({ ...address, user: null })} (${family} ${version})`],
      ['holds', `${formatAmount(count, 'key')}, which will be gone`],
      ['undo', options.undo ? 'it is backed up first' : 'none: --no-undo'],
      [
        'restored',
        `${partsOf(place).base.totals.keys} keys of ${partsOf(place).base.id} and the log`,
      ],
    ]),
  );
  await confirmTyped(terminal, `Type ${expected} to replace all that it holds:`, expected);
}

async function undoPlace(
  invocation: Invocation,
  { address }: Connection,
): Promise<NonNullable<ReplaceRequest['undo']>> {
  const where = address.path?.replace(/^\/+/, '').replaceAll('/', '-') ?? '';
  const name = address.path === null ? `${address.host}-${address.port}` : where;
  try {
    return { repository: await openRepo(invocation, 'write'), sourceName: `undo-${name}` };
  } catch (error) {
    if (!isCoded(error)) throw error;
    const message = `Cannot keep an undo point in the repository: ${error.message}`;
    throw new CodedError(error.code, message, {
      hint: 'Give the right to write to it, or pass --no-undo',
      cause: error,
    });
  }
}

type Hooks = Pick<ReplaceRequest, 'control' | 'onProgress' | 'onNotice'>;

async function withProgress(
  invocation: Invocation,
  options: RestoreOptions,
  work: (hooks: Hooks) => Promise<ReplaceReport>,
): Promise<ReplaceReport> {
  const meter = startMeter(invocation);
  const transfer = new TransferProgress(invocation.terminal.clock);
  const rates = defined({ bytesPerSecond: options.rate });
  using control = new ControlFollower(invocation, meter, options, rates);
  try {
    return await work({
      control: control.run,
      onProgress: ({ text, bytes, expectedBytes }) =>
        meter.show(() =>
          bytes === 0 ? text : transfer.format({ text, bytes, expectedBytes, keys: null }),
        ),
      onNotice: (text) => meter.note(`note: ${text}`),
    });
  } finally {
    meter.end();
  }
}

/** A restore needs only to read the repository; where it may write, the report stays there. */
async function keepReport(invocation: Invocation, place: ChosenPlace, report: object) {
  try {
    const repository = await openRepo(invocation, 'write');
    const task = newTaskId(repository);
    await storeReport(repository, place.source.id, task, { task, ...report });
  } catch (error) {
    if (!isCoded(error)) throw error;
    if (!invocation.quiet) {
      invocation.terminal.stderr.write(`note: The report could not be kept: ${error.message}\n`);
    }
  }
}

function formatReport(invocation: Invocation, report: ReplaceReport): string {
  const { target, dryRun, keys, keysNow, before, inexact } = report;
  if (dryRun) return `Dry run: ${target} could be replaced; nothing was changed\n`;
  const sum = (counts: Readonly<Record<number, number>>): number =>
    Object.values(counts).reduce((total, count) => total + count, 0);
  const expired = sum(keys) - sum(keysNow);
  const facts = formatFacts([
    ['holds', formatAmount(sum(keysNow), 'key')],
    ['expired', expired > 0 ? `${formatAmount(expired, 'key')} since the instant` : null],
    ['base', formatBytes(report.baseBytes)],
    ['log', `${formatBytes(report.streamBytes)}, ${formatAmount(report.commands, 'command')}`],
    [
      'before',
      `${formatAmount(before.keys, 'key')}${before.undo ? `, kept as ${before.undo}` : ''}`,
    ],
    ['took', formatDuration(report.durationMs)],
  ]);
  const warnings = inexact.map((text) => `Not exact: ${text}\n`).join('');
  return `${styled(invocation, 'bold', `Replaced ${target}`)}\n${facts}${warnings}`;
}
