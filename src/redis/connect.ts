import { CodedError, systemClock } from '../base/index.ts';
import { ReplyError } from '../resp/index.ts';
import type { RedisAddress } from './address.ts';
import { openSocket } from './open-socket.ts';
import type { ConnectOptions, RedisConnection } from './redis-connection.ts';
import { errorOfReply } from './reply-errors.ts';
import { connectToMaster } from './sentinel.ts';
import { SocketConnection } from './socket-connection.ts';

const DEFAULT_CONNECT_TIMEOUT_MS = 5000;

/**
 * Connects, authenticates and makes sure that a Redis answers: on return, at least one reply has
 * come. Where Sentinels are named, connects to the master that they name; the connection's
 * address is the master's own. Throws CONNECT_FAILED, CONNECT_TIMEOUT, TLS_FAILED, AUTH_FAILED,
 * RESP_INVALID (no Redis there), USAGE (TLS files, a database that does not exist) or INTERRUPTED;
 * from Sentinels also SENTINEL_UNKNOWN_MASTER and SENTINEL_NO_MASTER.
 */
export async function connect(
  address: RedisAddress,
  options: ConnectOptions = {},
): Promise<RedisConnection> {
  if (address.sentinel === undefined) return await connectToNode(address, options);
  return await connectToMaster(address, address.sentinel, options, connectToNode);
}

/** The server that an address means now: of Sentinels their master, which may be another later. */
export async function resolveAddress(
  address: RedisAddress,
  options: ConnectOptions = {},
): Promise<RedisAddress> {
  if (address.sentinel === undefined) return address;
  const conn = await connect(address, options);
  conn.close();
  return conn.address;
}

async function connectToNode(
  address: RedisAddress,
  options: ConnectOptions,
): Promise<RedisConnection> {
  const timeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
  const startedAt = systemClock.monotonic();
  let conn: SocketConnection | null = null;
  const socket = await openSocket(address, options, timeoutMs, (buffer, length) => {
    conn?.onBytes(buffer, length);
  });
  conn = new SocketConnection(address, socket, options);
  try {
    const leftMs = Math.max(1, timeoutMs - (systemClock.monotonic() - startedAt));
    await authenticate(conn, leftMs);
    if (options.database !== undefined) await selectDatabase(conn, options.database);
    return conn;
  } catch (error) {
    conn.close();
    throw error;
  }
}

async function authenticate(conn: RedisConnection, timeoutMs: number): Promise<void> {
  const { user, password } = conn.address;
  if (user === null && password === null) {
    const reply = await conn.attempt(['PING'], { timeoutMs });
    // Any other refusal (NOPERM, LOADING, MASTERDOWN, BUSY) still is a Redis that lets us in.
    if (reply instanceof ReplyError && reply.code === 'NOAUTH') throw errorOfReply(reply, 'PING');
    return;
  }
  const secret = password?.reveal() ?? '';
  const args = user === null ? ['AUTH', secret] : ['AUTH', user, secret];
  const reply = await conn.attempt(args, { timeoutMs });
  if (!(reply instanceof ReplyError)) return;
  const answer = JSON.stringify(reply.message.slice(0, 200));
  const who = user === null ? 'the default user' : `user ${JSON.stringify(user)}`;
  const message = `Cannot authenticate as ${who}: the server answered ${answer}`;
  const isOld = user !== null && reply.message.includes('number of arguments');
  throw new CodedError('AUTH_FAILED', message, {
    ...(isOld && { hint: 'Before Redis 6.0 there are no users: give the password alone' }),
  });
}

async function selectDatabase(conn: RedisConnection, database: number): Promise<void> {
  const reply = await conn.attempt(['SELECT', database]);
  if (!(reply instanceof ReplyError)) return;
  if (reply.code !== 'ERR') throw errorOfReply(reply, 'SELECT');
  const message = `Cannot use database ${database}: the server answered ${reply.message}`;
  throw new CodedError('USAGE', message, { hint: 'Check the number after the / of the address' });
}
