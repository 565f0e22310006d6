import { type Command, Option } from 'commander';
import { CodedError } from '../../base/index.ts';
import { Secret } from '../../redis/index.ts';
import { Feed, type FeedEvent, type FeedProgress } from '../../replay/index.ts';
import { type ExportTarget, parseExportTarget } from '../../restore/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, startMeter } from '../invocation.ts';
import { parseRate } from '../options/amounts.ts';
import {
  addControlOption,
  ControlFollower,
  type ControlOptions,
} from '../options/control-option.ts';
import { defined } from '../options/defined.ts';
import {
  addInstantOptions,
  type ChosenPlace,
  choosePlace,
  type InstantOptions,
} from '../options/instant-option.ts';
import { formatAmount, formatBytes } from '../output/format.ts';
import type { ProgressMeter } from '../output/progress-meter.ts';
import {
  describeFedPlace,
  type FedPlace,
  fedPlaceDocument,
  fedPlaceOf,
  type FedTtl,
} from './fed-place.ts';

type FeedCommandOptions = InstantOptions &
  ControlOptions & {
    readonly source?: string;
    readonly listen: Listen;
    readonly for?: ExportTarget;
    readonly ttl: FedTtl;
    readonly rate?: number;
    readonly once?: boolean;
    readonly allowInexact?: boolean;
  };

type Listen = { readonly host: string; readonly port: number };

const DEFAULT_LISTEN: Listen = { host: '127.0.0.1', port: 7000 };
const PASSWORD_VARIABLE = 'TIDEMARK_FEED_PASSWORD';

const EXAMPLES = `
Examples:
  tidemark feed --at 14:02 --listen 127.0.0.1:7000
  redis-cli -p 6380 REPLICAOF 127.0.0.1 7000     (erases what that server holds)
  redis-cli -p 6380 REPLICAOF NO ONE             (when it has everything)`;

export function addFeed(program: Command, door: Door): void {
  const command = program
    .command('feed')
    .summary('be the master of any server that is told REPLICAOF us')
    .description(
      'Serves a backup, or the state at an instant, by replication: a server that is told\n' +
        'REPLICAOF this address becomes what the source was then, and loses all that it held.\n' +
        'While it is a replica nothing expires in it. Serves any number of servers, until Ctrl-C.',
    )
    .argument('[backup]', 'id, unique beginning of one, or latest')
    .option('--source <name>', 'of which source, where the repository has several')
    .addOption(
      new Option('--listen <host:port>', 'where to listen; port 0: any that is free')
        .argParser(parseListen)
        .default(DEFAULT_LISTEN, '127.0.0.1:7000'),
    )
    .option(
      '--for <server>',
      'the server that is fed, as redis-7.0, valkey-8.1 (default: as the source was)',
      parseExportTarget,
    )
    .addOption(
      new Option('--ttl <policy>', 'when keys expire: when they did, as long after now, or never')
        .choices(['absolute', 'remaining', 'persist'])
        .default('absolute'),
    )
    .option('--rate <rate>', 'at most this much, as 20MiB/s, for each server', parseRate)
    .option('--once', 'end when one server has everything')
    .option('--allow-inexact', 'go on where the log cannot be replayed exactly (exit status 4)');
  addControlOption(command);
  addInstantOptions(command)
    .addHelpText('after', `${EXAMPLES}\n\nA password, if any, is in ${PASSWORD_VARIABLE}.`)
    .action(action(door, runFeed));
}

async function runFeed(
  invocation: Invocation,
  backup: string | undefined,
  options: FeedCommandOptions,
): Promise<ExitStatus> {
  const { clock, signal } = invocation.terminal;
  const place = await choosePlace(invocation, backup, options);
  const fed = fedPlaceOf(place, options.ttl, clock.now());
  const meter = startMeter(invocation);
  using control = new ControlFollower(
    invocation,
    meter,
    options,
    defined({ bytesPerSecond: options.rate }),
  );
  const tally = new FeedTally(meter);
  const server = fedServer(fed, options.for);
  const password = invocation.terminal.env[PASSWORD_VARIABLE];
  const feed = await Feed.listen({
    source: () =>
      fed.source({
        allowInexact: options.allowInexact === true,
        onNotice: (text) => meter.note(`note: ${text}`),
      }),
    server,
    recordedFrom: fed.recordedFrom,
    shiftMs: fed.shiftMs,
    ttl: fed.ttl,
    control: control.run,
    clock,
    ...options.listen,
    ...defined({ allowInexact: options.allowInexact }),
    ...(password !== undefined && password !== '' && { password: new Secret(password) }),
    onEvent: (event) => tally.note(event),
  });
  try {
    await announce(invocation, place, feed, options);
    warnOfOpenDoor(meter, feed.address.host, password);
    meter.show(() => describeProgress(feed.progress));
    if (options.once === true) await feed.fed(signal);
    else await aborted(signal);
    return tally.isInexact ? EXIT.inexact : EXIT.done;
  } finally {
    meter.end();
    await feed.close();
  }
}

function fedServer({ recordedFrom, parts }: FedPlace, named: ExportTarget | undefined) {
  if (named !== undefined) return { family: named.family, version: named.version };
  const { family, version } = recordedFrom;
  if ((family === 'redis' || family === 'valkey' || family === 'keydb') && version !== null) {
    return { family, version } as const;
  }
  const message = `Cannot know for which server to write: ${parts.base.id} does not say`;
  throw new CodedError('USAGE', message, { hint: 'Name it with --for, as in --for redis-7.0' });
}

async function announce(
  invocation: Invocation,
  place: ChosenPlace,
  feed: Feed,
  { ttl }: FeedCommandOptions,
): Promise<void> {
  const { host, port } = feed.address;
  if (invocation.json) {
    await invocation.printer.document({ ...fedPlaceDocument(place), host, port, ttl });
    return;
  }
  await invocation.printer.write(
    `Feeding ${describeFedPlace(place)} until Ctrl-C. Tell a server, which loses all it holds:\n` +
      `  REPLICAOF ${host} ${port}\n` +
      'and, when it has everything:\n  REPLICAOF NO ONE\n',
  );
}

function warnOfOpenDoor(meter: ProgressMeter, host: string, password: string | undefined): void {
  if (host.startsWith('127.') || host === '::1' || (password ?? '') !== '') return;
  meter.note(
    `warning: whoever reaches ${host} can read all data; set ${PASSWORD_VARIABLE}, and ` +
      'masterauth of the server to the same',
  );
}

/** Tells what happens to replicas, and remembers whether one got less than everything. */
class FeedTally {
  isInexact = false;
  readonly #meter: ProgressMeter;

  constructor(meter: ProgressMeter) {
    this.#meter = meter;
  }

  note(event: FeedEvent): void {
    const { kind, peer } = event;
    if (kind === 'attached') this.#meter.note(`${peer}: attached`);
    if (kind === 'left') this.#meter.note(`${peer}: left`);
    if (kind === 'lost') {
      this.#meter.note(`${peer}: did not get everything: ${(event.error as Error).message}`);
    }
    if (kind !== 'fed') return;
    const { baseBytes, translation } = event.replica;
    const commands = formatAmount(translation.commands, 'command');
    this.#meter.note(
      `${peer}: has everything (${formatBytes(baseBytes)} of base, ${commands}); its own INFO ` +
        'errorstats should show no error',
    );
    for (const [name, { count, why }] of Object.entries(translation.inexact)) {
      this.isInexact = true;
      this.#meter.note(`warning: ${peer}: ${count} × ${name}: ${why}`);
    }
  }
}

function describeProgress(progress: readonly FeedProgress[]): string {
  const busy = progress.filter(({ phase }) => phase !== 'fed');
  const [first] = busy;
  if (first === undefined) return `Waiting for servers (${progress.length} fed)`;
  const { peer, baseBytes, streamBytes, streamTotal } = first;
  const log = `${formatBytes(streamBytes)} of ${formatBytes(streamTotal)} of the log`;
  const more = busy.length > 1 ? ` (and ${busy.length - 1} more)` : '';
  return `Feeding ${peer}${more}: ${formatBytes(baseBytes)} of the base, ${log}`;
}

function parseListen(text: string): Listen {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]\s]+):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[2]);
  if (match !== null && port <= 65535) return { host: match[1].replace(/^\[|\]$/g, ''), port };
  throw new CodedError('USAGE', `Cannot listen on '${text}'`, {
    hint: 'Write host:port, as in 127.0.0.1:7000 or [::1]:7000',
  });
}

/** Ctrl-C is how it ends. */
async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
}
