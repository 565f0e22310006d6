import type { RedisConnection } from '../../redis/index.ts';
import { type Reply, ReplyError, replyText } from '../../resp/index.ts';
import type { Written } from './live-writer.ts';

/**
 * What the server itself says of every key, without any of our own code: its digest of the value
 * (DEBUG DIGEST-VALUE) and its expiry, by database and name.
 */
export type ServerDigests = ReadonlyMap<string, string>;

export type Proof = {
  /** Keys that were there before and are not, or not the same. */
  readonly missing: number;
  /** Keys of the writer whose last confirmed value is not there. */
  readonly harmed: number;
  /** When the first write that is lost was confirmed; null: none is. */
  readonly lostSinceMs: number | null;
};

const DATABASES = [0, 1];
const SCAN_COUNT = 1_000;

export async function readDigests(conn: RedisConnection, major: number): Promise<ServerDigests> {
  const digests = new Map<string, string>();
  for (const database of DATABASES) {
    await conn.command(['SELECT', database]);
    let cursor = '0';
    do {
      const reply = (await conn.command(['SCAN', cursor, 'COUNT', SCAN_COUNT])) as Reply[];
      cursor = replyText(reply[0]);
      await readSome(conn, major, database, reply[1] as Reply[], digests);
    } while (cursor !== '0');
  }
  await conn.command(['SELECT', 0]);
  // Which orders are being packed is no part of the stream's digest.
  digests.set('pending', JSON.stringify(readable(await conn.attempt(PENDING))));
  return digests;
}

const PENDING = ['XPENDING', 'orders', 'packing'];

/** Before 7.0 servers tell only the time left; there all that counts is that there is some. */
async function readSome(
  conn: RedisConnection,
  major: number,
  database: number,
  keys: readonly Reply[],
  digests: Map<string, string>,
): Promise<void> {
  const names = keys.filter((key): key is Buffer => key instanceof Buffer);
  if (names.length === 0) return;
  const expiry = major >= 7 ? 'PEXPIRETIME' : 'PTTL';
  const values = (await conn.command(['DEBUG', 'DIGEST-VALUE', ...names])) as Reply[];
  const expiries = await conn.pipeline(names.map((name) => [expiry, name]));
  for (const [index, name] of names.entries()) {
    const at = Number(expiries[index]);
    const expires = major >= 7 || at < 0 ? String(at) : 'expires';
    digests.set(`${database} ${name.toString('latin1')}`, `${replyText(values[index])} ${expires}`);
  }
}

/** Compares what is there now with what the server said before and what the writer was told. */
export async function prove(
  conn: RedisConnection,
  major: number,
  before: ServerDigests,
  ledger: ReadonlyMap<string, Written>,
): Promise<Proof> {
  const now = await readDigests(conn, major);
  const missing = [...before].filter(([key, digest]) => now.get(key) !== digest).length;
  const keys = [...ledger.keys()];
  const lost: number[] = [];
  for (let from = 0; from < keys.length; from += SCAN_COUNT) {
    const some = keys.slice(from, from + SCAN_COUNT);
    const values = (await conn.command(['MGET', ...some])) as Reply[];
    for (const [index, key] of some.entries()) {
      const written = ledger.get(key);
      if (written && replyText(values[index]) !== written.value) lost.push(written.atMs);
    }
  }
  return { missing, harmed: lost.length, lostSinceMs: lost.length > 0 ? Math.min(...lost) : null };
}

function readable(reply: Reply): unknown {
  if (Array.isArray(reply)) return reply.map(readable);
  if (reply instanceof ReplyError) return reply.message;
  return reply instanceof Buffer ? reply.toString('latin1') : reply;
}
