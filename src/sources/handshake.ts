import type { RedisConnection } from '../redis/index.ts';
import { type Reply, ReplyError, replyPairs, replyText } from '../resp/index.ts';
import { refusal } from './psync-reply.ts';

export type HandshakeOptions = {
  readonly replconf: string;
  readonly announceEof: boolean;
  readonly rdbOnly: boolean;
  /** Ask for an RDB of nothing but its head, where the server can make one. */
  readonly rdbHeadOnly?: boolean;
  readonly valkeyVersion: string;
  readonly timeoutMs: number;
};

export type HandshakeResult = {
  /** The server will send the RDB and nothing else. */
  readonly rdbOnly: boolean;
  /** The RDB will hold no data (Redis 7.0, Valkey). */
  readonly rdbHeadOnly: boolean;
};

/**
 * Everything before PSYNC, one command at a time: a REPLCONF pair that a server does not know costs
 * that command only. The connection is authenticated already. Nothing is announced beyond what we
 * can read: each further capability changes the protocol.
 */
export async function shakeHands(
  conn: RedisConnection,
  options: HandshakeOptions,
): Promise<HandshakeResult> {
  const { timeoutMs } = options;
  const ask = async (args: string[], name: string): Promise<Reply> => {
    const waitingFor = `the reply to ${name}, before PSYNC`;
    const reply = await conn.attempt(args, { timeoutMs, waitingFor });
    if (reply instanceof ReplyError && isFatal(reply)) throw refusal(reply, name);
    return reply;
  };
  const replconf = (...args: string[]) =>
    ask([options.replconf, ...args], `${options.replconf} ${args[0]}`);

  const hello = replyPairs(await conn.attempt(['HELLO', '2'], { timeoutMs }));
  const server = replyText(hello.get('server'));
  // Port 0: nobody listens here, and INFO on the source shows it so.
  await replconf('listening-port', '0');
  const capabilities = options.announceEof ? ['capa', 'eof', 'capa', 'psync2'] : ['capa', 'psync2'];
  await replconf(...capabilities);
  // Valkey 9 writes a format of its own only for replicas that say that they know it; towards
  // others its save fails as soon as a hash field has an expiry.
  if (server !== 'redis') await replconf('version', options.valkeyVersion);
  const knows = async (...option: string[]): Promise<boolean> =>
    !((await replconf(...option)) instanceof ReplyError);
  const rdbOnly = options.rdbOnly && (await knows('rdb-only', '1'));
  const rdbHeadOnly = options.rdbHeadOnly === true && (await knows('rdb-filter-only', ''));
  return { rdbOnly, rdbHeadOnly };
}

/** Unknown options are for old servers to refuse; these words mean that PSYNC will fail as well. */
function isFatal(error: ReplyError): boolean {
  const codes = ['NOAUTH', 'NOPERM', 'LOADING', 'MASTERDOWN', 'BUSY'];
  return codes.includes(error.code) || /unknown command/i.test(error.message);
}
