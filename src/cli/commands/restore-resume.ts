import type { Command } from 'commander';
import { isDeepStrictEqual } from 'node:util';
import { CodedError } from '../../base/index.ts';
import type { EntrySelection } from '../../entries/index.ts';
import type { RedisAddress } from '../../redis/index.ts';
import { readTask, type TaskRecord, type TaskTarget } from '../../restore/index.ts';
import type { Connection, ConnectionOptions } from '../options/connection-options.ts';
import { readConnection } from '../options/connection-options.ts';
import { defined } from '../options/defined.ts';
import { selectionOf } from '../options/selection-options.ts';
import type { Invocation } from '../invocation.ts';
import type { RestoreOptions } from './restore-options.ts';

/** What `restore` notes for a later `--resume`, beside what the restore itself notes. */
export function originOf(repo: string, options: RestoreOptions): TaskRecord['origin'] {
  const { tlsCa, tlsCert, tlsKey, tlsServername, tlsInsecure } = options;
  const passwordFile = options.passwordFile ?? options.targetPasswordFile;
  return defined({ repo, passwordFile, tlsCa, tlsCert, tlsKey, tlsServername, tlsInsecure });
}

/** A task that is to be taken up again, with what its command line said about connections. */
export type ResumedTask = {
  readonly record: TaskRecord;
  readonly connection: Connection;
  readonly repo: string;
};

/**
 * Reads a task's record and checks that nothing else is asked for now than was when it began.
 * TASK_NOT_FOUND, USAGE.
 */
export async function readResumedTask(
  invocation: Invocation,
  command: Command,
  backup: string | undefined,
  state: string,
  options: RestoreOptions,
): Promise<ResumedTask> {
  const { record } = await readTask(state, options.resume ?? '');
  refuseContradictions(record, command, backup, options);
  const { origin, target } = record;
  const text = (name: string): string | undefined => {
    const value = origin[name];
    return typeof value === 'string' ? value : undefined;
  };
  const connecting: ConnectionOptions = defined({
    passwordFile: options.passwordFile ?? options.targetPasswordFile ?? text('passwordFile'),
    tlsCa: options.tlsCa ?? text('tlsCa'),
    tlsCert: options.tlsCert ?? text('tlsCert'),
    tlsKey: options.tlsKey ?? text('tlsKey'),
    tlsServername: options.tlsServername ?? text('tlsServername'),
    tlsInsecure: options.tlsInsecure ?? (origin['tlsInsecure'] === true || undefined),
  });
  const { terminal } = invocation;
  const address = options.to ?? addressOf(target);
  const read = await readConnection(terminal, address, connecting, 'TIDEMARK_TARGET_PASSWORD');
  const connection = { ...read, address: withUser(read.address, target) };
  return { record, connection, repo: invocation.repo ?? text('repo') ?? '' };
}

/** The address as it was, in a form that can be read again; a password is not in it. */
function addressOf({ scheme, host, port, path }: TaskTarget): string {
  if (scheme === 'unix') return `unix://${encodeURI(path ?? '')}`;
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function withUser(address: RedisAddress, { user, database }: TaskTarget): RedisAddress {
  return { ...address, user: address.user ?? user, database };
}

function refuseContradictions(
  { task, backup: noted, options: was }: TaskRecord,
  command: Command,
  backup: string | undefined,
  options: RestoreOptions,
): void {
  const isGiven = (name: string): boolean => command.getOptionValueSource(name) === 'cli';
  const wrong: string[] = [];
  if (backup !== undefined && !noted.startsWith(backup)) wrong.push(`the backup ${backup}`);
  for (const name of ['source', 'dryRun', 'at', 'before', 'replaceInstance']) {
    if (isGiven(name)) wrong.push(flagOf(name));
  }
  for (const name of [
    'conflict',
    'ttl',
    'functions',
    'functionConflict',
    'allowInexact',
  ] as const) {
    if (isGiven(name) && options[name] !== was[name]) wrong.push(flagOf(name));
  }
  if (options.mapDb !== undefined && !isDeepStrictEqual(options.mapDb, was.mapDb)) {
    wrong.push('--map-db');
  }
  const selection = selectionOf(options);
  for (const name of Object.keys(selection) as (keyof EntrySelection)[]) {
    if (!isDeepStrictEqual(selection[name], was.selection[name])) wrong.push(SELECTION[name]);
  }
  if (wrong.length === 0) return;
  const message = `Cannot resume task ${task} with ${wrong.join(', ')}: it began otherwise`;
  throw new CodedError('USAGE', message, {
    hint: 'Give --resume without options that say what to restore; the task knows them',
  });
}

const SELECTION: Readonly<Record<keyof EntrySelection, string>> = {
  databases: '--db',
  keys: '--key',
  match: '--match',
  exclude: '--exclude',
  types: '--type',
};

function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
