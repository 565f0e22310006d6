import { setTimeout as delay } from 'node:timers/promises';
import { CodedError, isCoded, systemClock } from '../base/index.ts';
import { type Reply, ReplyError, replyText } from '../resp/index.ts';
import {
  displayAddress,
  type HostPort,
  type RedisAddress,
  type SentinelAddress,
} from './address.ts';
import type { ConnectOptions, RedisConnection } from './redis-connection.ts';

type Connect = (address: RedisAddress, options: ConnectOptions) => Promise<RedisConnection>;

/** A Sentinel that does not answer is passed over sooner than a server. */
const SENTINEL_TIMEOUT_MS = 2000;
/** A failover takes a moment in which no server, or the wrong one, is master. */
const SETTLE_MS = 15_000;
const RETRY_MS = 250;

/**
 * Connects to the master that the first reachable Sentinel names, and makes sure that it is one.
 * While it is not (a failover under way) all are asked again, for 15 seconds. The login of the
 * address is the servers'; Sentinels are tried with it and without. Throws SENTINEL_NO_MASTER,
 * SENTINEL_UNKNOWN_MASTER, CONNECT_FAILED when no Sentinel can be reached, and what connecting to
 * the master throws.
 */
export async function connectToMaster(
  address: RedisAddress,
  sentinel: SentinelAddress,
  options: ConnectOptions,
  connect: Connect,
): Promise<RedisConnection> {
  const giveUpAt = systemClock.monotonic() + SETTLE_MS;
  for (;;) {
    let failure: CodedError;
    const node = await findMaster(address, sentinel, options, connect);
    try {
      const conn = await connect(masterAddress(address, node), options);
      const role = await askRole(conn).catch((error: unknown) => {
        conn.close();
        throw error;
      });
      if (role === 'master' || role === null) return conn;
      conn.close();
      failure = noMaster(address, `${conn.peer} says that it is a ${role}`);
    } catch (error) {
      if (!isCoded(error, 'CONNECT_FAILED', 'CONNECT_TIMEOUT')) throw error;
      failure = error;
    }
    if (systemClock.monotonic() + RETRY_MS > giveUpAt) throw failure;
    await pause(options.signal);
  }
}

/** Asks one Sentinel after the other. */
async function findMaster(
  address: RedisAddress,
  sentinel: SentinelAddress,
  options: ConnectOptions,
  connect: Connect,
): Promise<HostPort> {
  const failures: string[] = [];
  let unknowing = 0;
  for (const node of sentinel.nodes) {
    try {
      const found = await askSentinel(
        sentinelNode(address, node),
        sentinel.master,
        options,
        connect,
      );
      if (found !== null) return found;
      unknowing++;
      failures.push(`${node.host}:${node.port} knows no such name`);
    } catch (error) {
      if (!isCoded(error) || error.code === 'INTERRUPTED' || error.code === 'USAGE') throw error;
      failures.push(error.message);
    }
  }
  if (unknowing > 0) {
    throw new CodedError(
      'SENTINEL_UNKNOWN_MASTER',
      `Cannot find the master ${JSON.stringify(sentinel.master)}: ${failures.join('; ')}`,
    );
  }
  const message = `Cannot reach any Sentinel of ${displayAddress(address)}: ${failures.join('; ')}`;
  throw new CodedError('CONNECT_FAILED', message);
}

/** Where the master is, as one Sentinel knows; `null` when it does not know the name. */
async function askSentinel(
  node: RedisAddress,
  master: string,
  options: ConnectOptions,
  connect: Connect,
): Promise<HostPort | null> {
  const conn = await connectSentinel(node, options, connect);
  try {
    const reply = await conn.command(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master]);
    if (reply === null) return null;
    const [host, port] = Array.isArray(reply) ? reply.map((part: Reply) => replyText(part)) : [];
    if (host !== undefined && /^\d{1,5}$/.test(port ?? '')) return { host, port: Number(port) };
    throw new CodedError('RESP_INVALID', `Cannot understand the answer of ${conn.peer}`, {
      hint: 'Is this address really a Sentinel?',
    });
  } finally {
    conn.close();
  }
}

/** Most Sentinels want no login and refuse one. */
async function connectSentinel(
  node: RedisAddress,
  options: ConnectOptions,
  connect: Connect,
): Promise<RedisConnection> {
  const { tls, signal } = options;
  const limited: ConnectOptions = {
    connectTimeoutMs: SENTINEL_TIMEOUT_MS,
    ...(tls && { tls }),
    ...(signal && { signal }),
  };
  try {
    return await connect(node, limited);
  } catch (error) {
    const hasLogin = node.user !== null || node.password !== null;
    if (!hasLogin || !isCoded(error, 'AUTH_FAILED')) throw error;
    return await connect({ ...node, user: null, password: null }, limited);
  }
}

function sentinelNode(address: RedisAddress, node: HostPort): RedisAddress {
  return { ...masterAddress(address, node), database: null };
}

/** The same login, TLS and database at one server. */
function masterAddress(address: RedisAddress, node: HostPort): RedisAddress {
  const { path, tls, user, password, database } = address;
  return { scheme: tls ? 'rediss' : 'redis', ...node, path, tls, user, password, database };
}

/** `null` where the server does not tell. */
async function askRole(conn: RedisConnection): Promise<'master' | 'replica' | null> {
  const reply = await conn.attempt(['ROLE']);
  if (reply instanceof ReplyError || !Array.isArray(reply)) return null;
  const role = replyText(reply[0]);
  if (role === 'master') return 'master';
  return role === 'slave' ? 'replica' : null;
}

function noMaster(address: RedisAddress, why: string): CodedError {
  const name = JSON.stringify(address.sentinel?.master);
  return new CodedError('SENTINEL_NO_MASTER', `Cannot use the master ${name}: ${why}`);
}

async function pause(signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(RETRY_MS, undefined, signal ? { signal } : {});
  } catch (cause) {
    throw new CodedError('INTERRUPTED', 'Cannot connect: interrupted', { cause });
  }
}
