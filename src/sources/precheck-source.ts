import { setTimeout as delay } from 'node:timers/promises';
import { CodedError, isCoded, systemClock } from '../base/index.ts';
import {
  connect,
  describeServer,
  displayAddress,
  infoNumber,
  parseInfo,
  type RedisAddress,
  type RedisConnection,
  type ServerIdentity,
  type TlsOptions,
} from '../redis/index.ts';
import { replyPairs, replyText } from '../resp/index.ts';
import { error, type Finding, ok } from './finding.ts';
import { judgeSource } from './precheck-findings.ts';
import { tryRights } from './precheck-rights.ts';
import type { CommandNames } from './replication-options.ts';
import { tryAbilities } from './scan/abilities.ts';

export type PrecheckOptions = {
  readonly tls?: TlsOptions;
  readonly commandNames?: CommandNames;
  /** How the backup will read. Default `auto`. */
  readonly mode?: 'psync' | 'scan' | 'auto';
  /** Bytes per second that the backup will be limited to. */
  readonly rateBytesPerSecond?: number;
  readonly connectTimeoutMs?: number;
  /** How long to watch the history grow. Default 1,000. */
  readonly watchMs?: number;
  readonly signal?: AbortSignal;
};

const PARAMETERS = [
  'repl-diskless-sync',
  'repl-diskless-sync-delay',
  'client-output-buffer-limit',
  'repl-timeout',
  'repl-backlog-size',
];

/**
 * Looks whether a server can be backed up and what could go wrong, changing nothing there. Every
 * answer is a finding, also that it cannot be reached; throws only INTERRUPTED.
 */
export async function precheckSource(
  address: RedisAddress,
  options: PrecheckOptions = {},
): Promise<Finding[]> {
  try {
    return await look(address, options);
  } catch (failure) {
    if (!(failure instanceof CodedError) || failure.code === 'INTERRUPTED') throw failure;
    return [unreachable(failure)];
  }
}

/** Why nothing can be asked of the server. */
export function unreachable({ code, message, hint }: CodedError): Finding {
  return error(code === 'AUTH_FAILED' ? 'source.auth' : 'source.reach', message, hint);
}

export function connectOptions({
  tls,
  signal,
  connectTimeoutMs,
}: Pick<PrecheckOptions, 'tls' | 'signal' | 'connectTimeoutMs'>) {
  return {
    ...(tls && { tls }),
    ...(signal && { signal }),
    ...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
  };
}

async function look(address: RedisAddress, options: PrecheckOptions): Promise<Finding[]> {
  const conn = await connect(address, connectOptions(options));
  // Of Sentinels it was their master that we came to.
  const node = conn.address;
  try {
    const startedAt = systemClock.monotonic();
    const identity = await describeServer(conn);
    const config = await readConfig(conn, PARAMETERS);
    const trial = await connect(node, connectOptions(options));
    const rights = await tryRights(trial, identity, options.commandNames ?? {}).finally(() =>
      trial.close(),
    );
    const scan = await tryScan(await connect(node, connectOptions(options)), identity);
    const watchMs = (options.watchMs ?? 1000) - (systemClock.monotonic() - startedAt);
    if (identity.offset !== null && watchMs > 0) await watch(watchMs, options.signal);
    const writeRate = await measureWrites(conn, identity.offset, startedAt);
    const rateBytesPerSecond = options.rateBytesPerSecond ?? null;
    return [
      ok('source.reach', `Connected to ${displayAddress(node)}`),
      ...judgeSource({
        address: node,
        mode: options.mode ?? 'auto',
        identity,
        rights,
        scan,
        config,
        writeRate,
        rateBytesPerSecond,
      }),
    ];
  } finally {
    conn.close();
  }
}

/** Whether keys can be read one by one; otherwise why not. Owns the connection. */
async function tryScan(
  conn: RedisConnection,
  identity: ServerIdentity,
): Promise<CodedError | null> {
  try {
    await tryAbilities(conn, identity);
    return null;
  } catch (failure) {
    if (!isCoded(failure, 'NOPERM', 'SOURCE_UNSUPPORTED', 'COMMAND_FAILED')) throw failure;
    return failure;
  } finally {
    conn.close();
  }
}

/** The parameters that may be read; the others are absent. */
export async function readConfig(
  conn: RedisConnection,
  parameters: readonly string[],
): Promise<Record<string, string>> {
  const config: Record<string, string> = {};
  const replies = await conn.pipeline(parameters.map((name) => ['CONFIG', 'GET', name]));
  for (const reply of replies) {
    for (const [name, value] of replyPairs(reply)) config[name] = replyText(value);
  }
  return config;
}

/** The history grows only while there is a backlog: before the first replica it stands at 0. */
async function measureWrites(
  conn: RedisConnection,
  before: number | null,
  startedAt: number,
): Promise<number | null> {
  if (before === null || before === 0) return null;
  const reply = await conn.attempt(['INFO', 'replication']);
  if (!(reply instanceof Buffer)) return null;
  const after = infoNumber(parseInfo(reply.toString()), 'master_repl_offset');
  if (after === null) return null;
  return ((after - before) / (systemClock.monotonic() - startedAt)) * 1000;
}

/** Lets `ms` pass; INTERRUPTED when aborted. */
export async function watch(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(ms, undefined, signal ? { signal } : {});
  } catch (cause) {
    throw new CodedError('INTERRUPTED', 'Cannot finish the precheck: interrupted', { cause });
  }
}
