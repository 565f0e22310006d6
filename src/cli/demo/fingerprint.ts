import { createHash } from 'node:crypto';
import type { RedisConnection } from '../../redis/index.ts';
import { type Reply, ReplyError, replyText } from '../../resp/index.ts';

/**
 * What the server itself says about its data, without any of our own code: its digest over all keys
 * and values, the number of keys, every expiry, and what the digest leaves out (consumer groups,
 * functions).
 */
export type Fingerprint = {
  /** DEBUG DIGEST. */
  readonly digest: string;
  readonly keys: readonly number[];
  readonly expiring: number;
  /** SHA-256 over key and expiry of each key that has one. */
  readonly expiries: string;
  /** SHA-256 over the consumer groups of the orders and the code of all functions. */
  readonly rest: string;
};

const DATABASES = [0, 1];
const SCAN_COUNT = 2_000;

export async function takeFingerprint(conn: RedisConnection, major: number): Promise<Fingerprint> {
  const digest = replyText(await conn.command(['DEBUG', 'DIGEST'], { timeoutMs: 30_000 }));
  const keys: number[] = [];
  const expiries: string[] = [];
  for (const db of DATABASES) {
    await conn.command(['SELECT', db]);
    keys.push(Number(await conn.command(['DBSIZE'])));
    for await (const [key, expiry] of readExpiries(conn, major)) {
      expiries.push(`${db} ${key} ${expiry}`);
    }
  }
  await conn.command(['SELECT', 0]);
  return {
    digest,
    keys,
    expiring: expiries.length,
    expiries: sha256(expiries.sort()),
    rest: sha256(await readRest(conn, major)),
  };
}

export function isSame(a: Fingerprint, b: Fingerprint): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Before 7.0 servers tell only the time left; there all that counts is that there is some. */
async function* readExpiries(
  conn: RedisConnection,
  major: number,
): AsyncGenerator<readonly [string, string]> {
  let cursor = '0';
  do {
    const reply = (await conn.command(['SCAN', cursor, 'COUNT', SCAN_COUNT])) as Reply[];
    cursor = replyText(reply[0]);
    const keys = (reply[1] as Reply[]).map(replyText);
    const ask = major >= 7 ? 'PEXPIRETIME' : 'PTTL';
    const replies = await conn.pipeline(keys.map((key) => [ask, key]));
    for (const [index, expiry] of replies.entries()) {
      if (Number(expiry) < 0) continue;
      yield [keys[index], major >= 7 ? replyText(expiry) : 'expires'];
    }
  } while (cursor !== '0');
}

async function readRest(conn: RedisConnection, major: number): Promise<string[]> {
  const rest = [await conn.command(['XPENDING', 'orders', 'packing'])];
  if (major >= 7) rest.push(await conn.attempt(['FUNCTION', 'LIST', 'WITHCODE']));
  return rest.map((reply) => JSON.stringify(readable(reply)));
}

function readable(reply: Reply): unknown {
  if (Array.isArray(reply)) return reply.map(readable);
  if (reply instanceof ReplyError) return reply.message;
  return reply instanceof Buffer ? reply.toString('latin1') : reply;
}

function sha256(texts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(`${text}\n`);
  return hash.digest('hex');
}
