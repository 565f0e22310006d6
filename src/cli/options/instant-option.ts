import { type Command, Option } from 'commander';
import { CodedError } from '../../base/index.ts';
import {
  findBackup,
  findSource,
  readManifest,
  type Manifest,
  type Repository,
  type Source,
} from '../../repository/index.ts';
import { parseAddress } from '../../redis/index.ts';
import {
  planRewind,
  readHistory,
  type ResolvedInstant,
  resolveInstant,
  type RewindPlan,
  type SandboxSettings,
  type WantedInstant,
} from '../../rewind/index.ts';
import type { Invocation } from '../invocation.ts';
import { defined } from './defined.ts';
import { describePoint } from './instant-text.ts';
import { openRepo } from './repository-option.ts';

/** Which instant of the log, as commander hands it over. */
export type InstantOptions = {
  readonly at?: string;
  readonly before?: string;
  readonly earliest?: boolean;
  readonly latest?: boolean;
};

/** Which server replays the log. */
export type SandboxOptions = {
  readonly sandboxServer?: string;
  readonly sandboxUrl?: string;
  readonly sandboxMemoryCheck?: 'on' | 'off';
};

export function addInstantOptions(command: Command): Command {
  return command
    .optionsGroup('An instant of the log instead of a backup:')
    .option(
      '--at <instant>',
      'as in 2026-11-22T12:30:00Z, "2026-11-22 12:30", 14:02, -10m, latest, mark:ID, offset:L:N',
    )
    .option('--before <mark>', 'just before a command: a mark id, or last:FLUSHALL')
    .option('--earliest', 'where times are uncertain: the earliest state that it may have been')
    .addOption(
      new Option('--latest', 'where times are uncertain: the latest').conflicts('earliest'),
    )
    .optionsGroup('Options:');
}

export function addSandboxOptions(command: Command): Command {
  return command
    .optionsGroup('The server that replays the log:')
    .option('--sandbox-server <path>', 'this program (default: one on PATH that fits the source)')
    .option('--sandbox-url <redis>', 'this empty server instead of a program; it is emptied again')
    .addOption(
      new Option('--sandbox-memory-check <what>', 'refuse what will not fit into free memory')
        .choices(['on', 'off'])
        .default('on'),
    )
    .optionsGroup('Options:');
}

/** Undefined: no instant was asked for. USAGE for contradictions. */
export function instantOf(
  options: InstantOptions,
  backup: string | undefined,
): WantedInstant | undefined {
  const { at, before, earliest, latest } = options;
  const named = [at && '--at', before && '--before', backup && `the backup '${backup}'`].filter(
    (name) => name !== undefined,
  );
  if (named.length > 1) throw new CodedError('USAGE', `Cannot take both ${named.join(' and ')}`);
  const side = earliest === true ? 'earliest' : latest === true ? 'latest' : undefined;
  const sided: Pick<WantedInstant, 'side'> = side === undefined ? {} : { side };
  if (at !== undefined) return { kind: 'at', text: at, ...sided };
  if (before !== undefined) return { kind: 'before', text: before, ...sided };
  if (side !== undefined) throw new CodedError('USAGE', `Cannot use --${side} without --at`);
  return undefined;
}

export function sandboxOf(invocation: Invocation, options: SandboxOptions): SandboxSettings {
  const { sandboxServer, sandboxUrl, sandboxMemoryCheck } = options;
  if (sandboxServer !== undefined && sandboxUrl !== undefined) {
    throw new CodedError('USAGE', 'Cannot take both --sandbox-server and --sandbox-url');
  }
  return {
    path: invocation.terminal.env['PATH'],
    checksMemory: sandboxMemoryCheck !== 'off',
    ...defined({
      server: sandboxServer,
      url: sandboxUrl === undefined ? undefined : parseAddress(sandboxUrl),
    }),
  };
}

/** An instant that was looked up, and how to get there. */
export type ChosenInstant = {
  readonly repository: Repository;
  readonly source: Source;
  readonly resolved: ResolvedInstant;
  readonly plan: RewindPlan;
};

/**
 * Looks an instant up, tells what was understood on standard error (unless quiet), and plans the
 * way there. Throws what `resolveInstant` and `planRewind` throw.
 */
export async function chooseInstant(
  invocation: Invocation,
  wanted: WantedInstant,
  sourceName: string | undefined,
): Promise<ChosenInstant> {
  const { clock, signal, stderr } = invocation.terminal;
  const repository = await openRepo(invocation, 'read');
  const source = await findSource(repository, sourceName, signal);
  const history = await readHistory(repository, source, signal);
  const nowMs = clock.now();
  const resolved = await resolveInstant(history, wanted, { nowMs }, signal);
  const plan = await planRewind(history, resolved.point, signal);
  if (!invocation.quiet) stderr.write(describePoint(resolved, plan, nowMs));
  return { repository, source, resolved, plan };
}

/** A backup, or an instant, that a command was pointed at; exactly one is there. */
export type ChosenPlace =
  | {
      readonly kind: 'backup';
      readonly repository: Repository;
      readonly source: Source;
      readonly manifest: Manifest;
    }
  | ({ readonly kind: 'instant' } & ChosenInstant);

/** USAGE where neither or both are named; otherwise as `chooseInstant` and `chooseBackup`. */
export async function choosePlace(
  invocation: Invocation,
  backup: string | undefined,
  options: InstantOptions & { readonly source?: string },
): Promise<ChosenPlace> {
  const wanted = instantOf(options, backup);
  if (wanted !== undefined) {
    return { kind: 'instant', ...(await chooseInstant(invocation, wanted, options.source)) };
  }
  if (backup === undefined) {
    throw new CodedError('USAGE', "Missing required argument 'backup'", {
      hint: 'Name a backup (an id, or latest), or an instant with --at or --before',
    });
  }
  const { signal } = invocation.terminal;
  const repository = await openRepo(invocation, 'read');
  const source = await findSource(repository, options.source, signal);
  const { id } = await findBackup(repository, source.id, backup, signal);
  const manifest = await readManifest(repository, source.id, id, signal);
  return { kind: 'backup', repository, source, manifest };
}
