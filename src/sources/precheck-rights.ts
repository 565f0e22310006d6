import type { RedisConnection, ServerIdentity } from '../redis/index.ts';
import { ReplyError } from '../resp/index.ts';
import type { CommandNames } from './replication-options.ts';

/** `hidden`: the server does not know the command. `unknown`: no harmless way to find out. */
export type Right = 'yes' | 'no' | 'hidden' | 'unknown';

export type Rights = { readonly psync: Right; readonly replconf: Right };

/**
 * Finds out whether we may attach as a replica, without attaching. Afterwards the connection must
 * not be used for anything else. No trial costs the server more than an error reply:
 *
 *   REPLCONF listening-port 0     changes nothing unless PSYNC follows on this connection
 *   MULTI, PSYNC ? -1, DISCARD    before 7.0 it is checked and queued, then thrown away
 *   PSYNC ? x                     from 7.0 on: refused for its offset, after the right is checked.
 *                                 (Before 7.0 this would be a full resync: never sent there.)
 */
export async function tryRights(
  conn: RedisConnection,
  identity: ServerIdentity,
  names: CommandNames,
): Promise<Rights> {
  const listening = await conn.attempt([names.replconf ?? 'REPLCONF', 'listening-port', '0']);
  return {
    replconf: rightOf(listening) ?? 'yes',
    psync: await tryPsync(conn, identity, names.psync ?? 'PSYNC'),
  };
}

async function tryPsync(
  conn: RedisConnection,
  identity: ServerIdentity,
  psync: string,
): Promise<Right> {
  if (identity.versionNumber[0] >= 7) {
    return rightOf(await conn.attempt([psync, '?', 'x'])) ?? 'yes';
  }
  const multi = await conn.attempt(['MULTI']);
  if (multi !== 'OK') return 'unknown';
  const queued = await conn.attempt([psync, '?', '-1']);
  await conn.attempt(['DISCARD']);
  if (queued === 'QUEUED') return 'yes';
  return rightOf(queued) ?? 'unknown';
}

function rightOf(reply: unknown): Right | null {
  if (!(reply instanceof ReplyError)) return null;
  if (reply.code === 'NOPERM') return 'no';
  return /unknown command/i.test(reply.message) ? 'hidden' : null;
}
