import { type Command, Option } from 'commander';
import type { BackupMode } from '../../backup/index.ts';
import { CodedError } from '../../base/index.ts';
import { displayAddress } from '../../redis/index.ts';
import { precheckTarget } from '../../restore/index.ts';
import {
  type AckMode,
  type Finding,
  type NodePreference,
  precheckCapture,
  precheckSource,
} from '../../sources/index.ts';
import { EXIT, type ExitStatus } from '../exit-codes.ts';
import { action, type Door, type Invocation, styled } from '../invocation.ts';
import { parseRate } from '../options/amounts.ts';
import {
  addConnectionOptions,
  type Connection,
  type ConnectionOptions,
  readConnection,
} from '../options/connection-options.ts';
import { defined } from '../options/defined.ts';
import { chooseBackup } from '../options/repository-option.ts';
import { formatAmount, printable } from '../output/format.ts';
import { REDIS_ARGUMENT } from './backup.ts';

type Role = 'source' | 'capture' | 'target';

type PrecheckOptions = ConnectionOptions & {
  readonly as: Role;
  readonly mode?: BackupMode;
  readonly rate?: number;
  readonly psyncAs?: string;
  readonly replconfAs?: string;
  readonly from?: NodePreference;
  readonly ack?: AckMode;
  readonly for?: string;
  readonly source?: string;
};

const EXAMPLES = `
Examples:
  tidemark precheck redis://backup@db.example --as source --password-file ./secret
  tidemark precheck redis://db.example --as capture --from replica
  tidemark precheck redis://127.0.0.1:6380 --as target --for latest --repo ./backups`;

export function addPrecheck(program: Command, door: Door): void {
  const command = program
    .command('precheck')
    .summary('see whether a server can be backed up, captured or restored to')
    .description(
      'Looks at a server without changing anything and prints one line per finding, with what\n' +
        'to do about it. Ends with 3 when something would not work.',
    )
    .argument('<redis>', REDIS_ARGUMENT)
    .addOption(
      new Option('--as <role>', 'what the server is to be')
        .choices(['source', 'capture', 'target'])
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--mode <how>', 'of a source: how you will read it (default: auto)').choices([
        'psync',
        'scan',
        'auto',
      ]),
    )
    .option('--rate <rate>', 'of a source: the rate you will limit the backup to', parseRate)
    .option('--psync-as <name>', 'of a source or capture: what rename-command made of PSYNC')
    .option('--replconf-as <name>', 'of a source or capture: what it made of REPLCONF')
    .addOption(
      new Option('--from <node>', 'of a capture: which node to follow (default: auto)').choices([
        'auto',
        'replica',
        'master',
      ]),
    )
    .addOption(
      new Option('--ack <offset>', 'of a capture: what you will acknowledge').choices([
        'durable',
        'stored',
        'none',
      ]),
    )
    .option('--for <backup>', 'of a target: the backup you want to restore there')
    .option('--source <name>', 'of which source that backup is');
  addConnectionOptions(command, 'either')
    .addHelpText('after', EXAMPLES)
    .action(action(door, runPrecheck));
}

async function runPrecheck(
  invocation: Invocation,
  redis: string,
  options: PrecheckOptions,
): Promise<ExitStatus> {
  checkOptions(options);
  const { terminal, printer } = invocation;
  const variable = options.as === 'target' ? 'TIDEMARK_TARGET_PASSWORD' : 'TIDEMARK_PASSWORD';
  const connection = await readConnection(terminal, redis, options, variable);
  const findings = await CHECKS[options.as](invocation, connection, options);
  const errors = findings.filter(({ level }) => level === 'error').length;
  const warnings = findings.filter(({ level }) => level === 'warning').length;
  if (invocation.json) {
    const address = displayAddress(connection.address);
    await printer.document({ address, as: options.as, ok: errors === 0, findings });
  } else {
    for (const finding of findings) await printer.write(formatFinding(invocation, finding));
    await printer.line(formatVerdict(options.as, errors, warnings));
  }
  return errors === 0 ? EXIT.done : EXIT.refused;
}

const ROLE_OPTIONS: readonly (readonly [keyof PrecheckOptions, string, readonly Role[]])[] = [
  ['mode', '--mode', ['source']],
  ['rate', '--rate', ['source']],
  ['psyncAs', '--psync-as', ['source', 'capture']],
  ['replconfAs', '--replconf-as', ['source', 'capture']],
  ['from', '--from', ['capture']],
  ['ack', '--ack', ['capture']],
  ['for', '--for', ['target']],
];

/** Options of another role would be ignored without a word. */
function checkOptions(options: PrecheckOptions): void {
  for (const [option, name, roles] of ROLE_OPTIONS) {
    if (options[option] !== undefined && !roles.includes(options.as)) {
      throw new CodedError('USAGE', `Cannot use ${name} with --as ${options.as}`);
    }
  }
  if (options.source !== undefined && options.for === undefined) {
    throw new CodedError('USAGE', 'Cannot use --source without --for');
  }
}

const CHECKS = { source: checkSource, capture: checkCapture, target: checkTarget } as const;

async function checkSource(
  { terminal }: Invocation,
  connection: Connection,
  { mode, rate, psyncAs, replconfAs }: PrecheckOptions,
): Promise<readonly Finding[]> {
  return await precheckSource(connection.address, {
    ...defined({ tls: connection.tls, mode, rateBytesPerSecond: rate }),
    commandNames: defined({ psync: psyncAs, replconf: replconfAs }),
    signal: terminal.signal,
  });
}

async function checkCapture(
  { terminal }: Invocation,
  connection: Connection,
  { from, ack, psyncAs, replconfAs }: PrecheckOptions,
): Promise<readonly Finding[]> {
  return await precheckCapture(connection.address, {
    ...defined({ tls: connection.tls, from, ack }),
    commandNames: defined({ psync: psyncAs, replconf: replconfAs }),
    signal: terminal.signal,
  });
}

async function checkTarget(
  invocation: Invocation,
  { address, tls }: Connection,
  options: PrecheckOptions,
): Promise<readonly Finding[]> {
  const chosen =
    options.for === undefined
      ? undefined
      : await chooseBackup(invocation, options.for, options.source);
  return await precheckTarget({
    target: address,
    ...defined({ tls, manifest: chosen?.manifest }),
    signal: invocation.terminal.signal,
  });
}

const STYLES = { ok: 'green', warning: 'yellow', error: 'red' } as const;

function formatFinding(invocation: Invocation, finding: Finding): string {
  const mark = styled(invocation, STYLES[finding.level], finding.level.padEnd(7));
  const remedy = finding.remedy === null ? '' : ` → ${printable(finding.remedy)}`;
  return `${mark}  ${printable(finding.message)}${remedy}\n`;
}

const WORK = { source: 'a backup', capture: 'a capture', target: 'a restore' } as const;

function formatVerdict(role: Role, errors: number, warnings: number): string {
  const what = WORK[role];
  const counts = `${formatAmount(errors, 'error')}, ${formatAmount(warnings, 'warning')}`;
  return errors === 0 ? `Ready for ${what} (${counts})` : `Not ready for ${what} (${counts})`;
}
