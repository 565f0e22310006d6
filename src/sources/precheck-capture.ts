import { CodedError, systemClock } from '../base/index.ts';
import {
  connect,
  describeServer,
  displayAddress,
  infoNumber,
  parseInfo,
  type RedisAddress,
  type RedisConnection,
  type TlsOptions,
} from '../redis/index.ts';
import { type Reply, ReplyError } from '../resp/index.ts';
import { chooseNode, type NodeChoice, type NodePreference } from './choose-node.ts';
import { error, type Finding, ok } from './finding.ts';
import { type Growth, judgeCapture } from './precheck-capture-findings.ts';
import { tryRights } from './precheck-rights.ts';
import { connectOptions, readConfig, unreachable, watch } from './precheck-source.ts';
import type { CommandNames } from './replication-options.ts';

/** Which offset a capture acknowledges: what is fsynced, what is stored, or nothing. */
export type AckMode = 'durable' | 'stored' | 'none';

export type PrecheckCaptureOptions = {
  readonly tls?: TlsOptions;
  readonly commandNames?: CommandNames;
  /** Which node the capture will follow. Default `auto`. */
  readonly from?: NodePreference;
  /** What was chosen knowingly; absent: nobody chose, which a master with guarantees refuses. */
  readonly ack?: AckMode;
  readonly connectTimeoutMs?: number;
  /** How long to watch the history grow. Default 2,000. */
  readonly watchMs?: number;
  readonly signal?: AbortSignal;
};

const PARAMETERS = [
  'repl-diskless-sync',
  'repl-diskless-sync-delay',
  'client-output-buffer-limit',
  'repl-timeout',
  'repl-backlog-size',
  'repl-backlog-ttl',
  'min-replicas-to-write',
  'min-slaves-to-write',
  'min-replicas-max-lag',
  'min-slaves-max-lag',
  'lua-replicate-commands',
  'maxclients',
];

/**
 * Looks whether a server can be followed continuously and whether that would change what it
 * promises to others: rights, history, buffers, WAIT, FAILOVER, scripts. Nothing is changed there
 * and no replica attaches. Every answer is a finding, also that it cannot be reached; throws only
 * INTERRUPTED. A finding of level `error` means that a capture must not start.
 */
export async function precheckCapture(
  address: RedisAddress,
  options: PrecheckCaptureOptions = {},
): Promise<Finding[]> {
  try {
    const choice = await chooseNode(address, options.from ?? 'auto', connectOptions(options));
    return await look(choice, options);
  } catch (failure) {
    if (!(failure instanceof CodedError) || failure.code === 'INTERRUPTED') throw failure;
    if (failure.code === 'REPLICA_UNAVAILABLE') {
      return [error('capture.node', failure.message, failure.hint)];
    }
    return [unreachable(failure)];
  }
}

async function look(choice: NodeChoice, options: PrecheckCaptureOptions): Promise<Finding[]> {
  const conn = await connect(choice.address, connectOptions(options));
  const node = conn.address;
  try {
    const identity = await describeServer(conn);
    const config = await readConfig(conn, PARAMETERS);
    const forbidden = [
      ...identity.forbidden,
      ...(await isForbidden(conn, ['PING'])),
      ...(await isForbidden(conn, ['TIME'])),
    ];
    const trial = await connect(node, connectOptions(options));
    const rights = await tryRights(trial, identity, options.commandNames ?? {}).finally(() =>
      trial.close(),
    );
    return [
      ok('source.reach', `Connected to ${displayAddress(node)}`),
      ...judgeCapture({
        address: node,
        mode: 'psync',
        identity: { ...identity, forbidden },
        rights,
        scan: null,
        config,
        writeRate: null,
        rateBytesPerSecond: null,
        choice,
        commandNames: options.commandNames ?? {},
        waits: await countWaits(conn),
        growth: await measureGrowth(conn, options),
        ack: options.ack ?? null,
      }),
    ];
  } finally {
    conn.close();
  }
}

async function isForbidden(conn: RedisConnection, command: string[]): Promise<string[]> {
  const reply = await conn.attempt(command);
  return reply instanceof ReplyError && reply.code === 'NOPERM' ? command : [];
}

/** Calls of WAIT and WAITAOF since the server began to count; null where nobody may know. */
async function countWaits(conn: RedisConnection): Promise<number | null> {
  const fields = readInfo(await conn.attempt(['INFO', 'commandstats']));
  if (fields === null) return null;
  const calls = ['cmdstat_wait', 'cmdstat_waitaof'].map((name) =>
    Number(/calls=(\d+)/.exec(fields[name] ?? '')?.[1] ?? 0),
  );
  return calls.reduce((sum, count) => sum + count, 0);
}

/** What our own question adds to what the server received. */
const OWN_BYTES = 64;

/**
 * Bytes per second of the history. A server without a replica keeps none, and its offset stands
 * still whatever is written: there all that its clients send is the upper bound.
 */
async function measureGrowth(
  conn: RedisConnection,
  options: PrecheckCaptureOptions,
): Promise<Growth | null> {
  const before = await readCounters(conn);
  if (before === null) return null;
  await watch(options.watchMs ?? 2000, options.signal);
  const after = await readCounters(conn);
  if (after === null) return null;
  const seconds = (after.atMs - before.atMs) / 1000;
  const isUpperBound = before.offset === null || after.offset === null;
  const bytes = isUpperBound
    ? after.received - before.received - OWN_BYTES
    : (after.offset ?? 0) - (before.offset ?? 0);
  return { bytesPerSecond: Math.max(0, bytes / seconds), isUpperBound };
}

type Counters = {
  /** Null while there is no backlog. */
  readonly offset: number | null;
  readonly received: number;
  readonly atMs: number;
};

async function readCounters(conn: RedisConnection): Promise<Counters | null> {
  const [replication, stats] = await conn.pipeline([
    ['INFO', 'replication'],
    ['INFO', 'stats'],
  ]);
  const history = readInfo(replication);
  const received = infoNumber(readInfo(stats) ?? {}, 'total_net_input_bytes');
  if (history === null || received === null) return null;
  const isKept = history['repl_backlog_active'] !== '0';
  const offset = isKept ? infoNumber(history, 'master_repl_offset') : null;
  return { offset, received, atMs: systemClock.monotonic() };
}

function readInfo(reply: Reply | undefined): Record<string, string> | null {
  return reply instanceof Buffer ? parseInfo(reply.toString()) : null;
}
