import { type Command, Option } from 'commander';
import { dirname, join, resolve } from 'node:path';
import { CodedError } from '../../base/index.ts';
import { type CapturedSource, type CaptureStatus, runCapture } from '../../capture/index.ts';
import { displayAddress } from '../../redis/index.ts';
import { type AckMode, type NodePreference, precheckCapture } from '../../sources/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation } from '../invocation.ts';
import { parseCount, parseLabel, parseRate } from '../options/amounts.ts';
import {
  addConnectionOptions,
  type ConnectionOptions,
  readConnection,
} from '../options/connection-options.ts';
import { defined } from '../options/defined.ts';
import { parseDuration, parseDurationOrOff } from '../options/durations.ts';
import { openRepo } from '../options/repository-option.ts';
import { REDIS_ARGUMENT } from './backup.ts';
import { CaptureDisplay } from './capture-report.ts';
import { defaultStateFolder } from './restore-state.ts';

type CaptureCommandOptions = ConnectionOptions & {
  readonly source?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly adopt?: boolean;
  readonly from: NodePreference;
  readonly ack?: AckMode;
  readonly fullEvery?: number | null;
  readonly fullsAtOnce?: number;
  readonly spool?: string;
  readonly spoolLimit?: number;
  readonly segmentSize?: number;
  readonly segmentTime?: number;
  readonly psyncAs?: string;
  readonly replconfAs?: string;
};

const EXAMPLES = `
Examples:
  tidemark capture redis://127.0.0.1:6379 --repo ./backups
  tidemark capture sentinel://s1.example,s2.example/orders --source orders --full-every 12h
  tidemark capture redis://a.example redis://b.example --spool /var/spool/tidemark --json`;

const MOST_FULLS = 16;
const PRECHECK_WATCH_MS = 500;

/** Whoever waits for a source that is down at the start is told by the capture itself. */
const REACHING = new Set(['source.reach', 'source.auth']);

export function addCapture(program: Command, door: Door): void {
  const command = program
    .command('capture')
    .summary('record running servers continuously')
    .description(
      'Records every command that running servers replicate, so that any moment can be restored,\n' +
        'and takes full backups to go with them. Runs until it is told to stop (Ctrl-C, SIGTERM):\n' +
        'then seals and stores what it has. Started again, it goes on where it ended.',
    )
    .argument('<redis...>', REDIS_ARGUMENT)
    .option('--source <name>', 'name of the source in the repository (default: host-port)')
    .option('--label <name=value>', 'label of the source and its backups (repeatable)', parseLabel)
    .option('--adopt', 'take the name over although it belonged to another instance')
    .addOption(
      new Option('--from <node>', 'which node to follow; auto prefers a replica')
        .choices(['auto', 'replica', 'master'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--ack <what>',
        'what the source is told that we have: all that is on our disk, in the repository, nothing ' +
          '(default: durable)',
      ).choices(['durable', 'stored', 'none']),
    )
    .option(
      '--full-every <time>',
      'time between full backups, as in 12h; off: only those needed (default: 1d)',
      parseDurationOrOff,
    )
    .option(
      '--fulls-at-once <n>',
      'full backups at a time (default: 1)',
      parseCount('a number of backups', MOST_FULLS),
    )
    .option('--spool <folder>', 'where bytes wait to be stored (default: under XDG_STATE_HOME)')
    .option(
      '--spool-limit <size>',
      'most of one source on disk (default: 8GiB, or half of what is free)',
      parseRate,
    )
    .option('--segment-size <size>', 'close a segment at this size (default: 16MiB)', parseRate)
    .option('--segment-time <time>', 'or at this age (default: 60s)', parseDuration)
    .option('--psync-as <name>', 'what rename-command made of PSYNC')
    .option('--replconf-as <name>', 'what rename-command made of REPLCONF');
  addConnectionOptions(command, 'TIDEMARK_PASSWORD')
    .addHelpText('after', EXAMPLES)
    .action(action(door, runCaptureCommand));
}

async function runCaptureCommand(
  invocation: Invocation,
  addresses: readonly string[],
  options: CaptureCommandOptions,
): Promise<ExitStatus> {
  const { terminal } = invocation;
  if (addresses.length > 1 && options.source !== undefined) {
    throw new CodedError('USAGE', 'Cannot use --source with several servers', {
      hint: 'Each gets its host and port as its name; or run one capture per source',
    });
  }
  const sources: CapturedSource[] = [];
  for (const address of addresses) {
    const connection = await readConnection(terminal, address, options, 'TIDEMARK_PASSWORD');
    const { source: sourceName, label: labels, adopt } = options;
    sources.push({ ...connection, ...defined({ sourceName, labels, adopt }) });
  }
  const repository = await openRepo(invocation, 'write');
  const state = dirname(defaultStateFolder(terminal.env));
  const display = new CaptureDisplay(invocation);
  try {
    for (const source of sources) await refuseHarm(invocation, source, options, display);
    const { shards } = await runCapture({
      repository,
      sources,
      spoolFolder: resolve(options.spool ?? join(state, 'spool')),
      stateFolder: state,
      from: options.from,
      commandNames: defined({ psync: options.psyncAs, replconf: options.replconfAs }),
      ...defined({
        ack: options.ack,
        fullEveryMs: options.fullEvery,
        fullsAtOnce: options.fullsAtOnce,
        spoolLimitBytes: options.spoolLimit,
        segmentBytes: options.segmentSize,
        segmentMs: options.segmentTime,
      }),
      onStatus: (status) => display.status(status),
      onNotice: (text, status) => display.notice(text, status),
      signal: terminal.signal,
    });
    await display.end(shards);
    return shards.every(isStored) ? EXIT.done : EXIT.failed;
  } finally {
    display.close();
  }
}

/** What of it is not in the repository waits in the spool; the next start takes it up. */
function isStored({ durableOffset, storedOffset }: CaptureStatus): boolean {
  return durableOffset === storedOffset;
}

/** A guarantee that the source gives to others must not change because nobody thought of it. */
async function refuseHarm(
  { terminal }: Invocation,
  { address, tls }: CapturedSource,
  { from, ack, psyncAs, replconfAs }: CaptureCommandOptions,
  display: CaptureDisplay,
): Promise<void> {
  const findings = await precheckCapture(address, {
    ...defined({ tls, from, ack }),
    commandNames: defined({ psync: psyncAs, replconf: replconfAs }),
    watchMs: PRECHECK_WATCH_MS,
    signal: terminal.signal,
  });
  for (const { id, level, message, remedy } of findings) {
    if (level === 'warning') display.warning(remedy === null ? message : `${message} → ${remedy}`);
    if (level !== 'error' || REACHING.has(id)) continue;
    const where = displayAddress(address);
    throw new CodedError('CONFIRMATION_REQUIRED', `Cannot capture ${where}: ${message}`, {
      hint: remedy ?? `See tidemark precheck ${where} --as capture`,
    });
  }
}
