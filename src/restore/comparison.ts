import { isCoded } from '../base/index.ts';
import { equalDigests, type ValueDigest } from '../entries/index.ts';
import type { RedisConnection } from '../redis/index.ts';
import type { Reply } from '../resp/index.ts';
import { digestOfPayload, digestOfWanted, type WantedKey } from './command-parts.ts';
import { NO_EXPIRY, type TtlPolicy } from './policies.ts';
import type { TargetFacts } from './target-facts.ts';

/** Without PEXPIRETIME an expiry is the time to live and the server's clock: so exact is that. */
const CLOCK_TOLERANCE_MS = 1000;

/** The command that asks for a key's expiry, most exactly. */
export function expiryCommand(facts: Pick<TargetFacts, 'expireTime'>): 'PEXPIRETIME' | 'PTTL' {
  return facts.expireTime ? 'PEXPIRETIME' : 'PTTL';
}

/**
 * Whether the target's key has the expiry that this restore would give it. `reply`: to the
 * command.
 */
export function equalExpiry(
  expireAtMs: number,
  reply: Reply,
  serverNowMs: number,
  facts: Pick<TargetFacts, 'expireTime'>,
  ttl: TtlPolicy,
): boolean {
  // Times that no number holds exactly are read as the last one that is, here as in a dump.
  const value = Math.min(Number(reply), Number.MAX_SAFE_INTEGER);
  // Negative: no expiry (-1), or no such key any more (-2).
  if (value < 0 || expireAtMs === NO_EXPIRY) return value < 0 === (expireAtMs === NO_EXPIRY);
  // A remaining time is counted from the start of each restore: it differs by nature.
  if (ttl === 'remaining') return true;
  if (facts.expireTime) return value === expireAtMs;
  return Math.abs(serverNowMs + value - expireAtMs) <= CLOCK_TOLERANCE_MS;
}

/** Whether the target's DUMP of a key holds what this restore would write. */
export function equalValue(wanted: WantedKey, payload: Buffer, nowMs = Date.now()): boolean {
  if (wanted.payload?.equals(payload)) return true;
  return equalToPayload(() => digestOfWanted(wanted, nowMs), payload, nowMs);
}

export function equalToPayload(
  wanted: () => ValueDigest,
  payload: Uint8Array,
  nowMs = Date.now(),
): boolean {
  const there = readDigest(payload, nowMs);
  return there !== undefined && equalDigests(wanted(), there);
}

/** Undefined: the payload holds something newer than all that we could have written. */
export function readDigest(payload: Uint8Array, nowMs: number): ValueDigest | undefined {
  try {
    return digestOfPayload(payload, nowMs);
  } catch (error) {
    if (isCoded(error, 'RDB_UNSUPPORTED', 'RDB_CORRUPT', 'RDB_TRUNCATED')) return undefined;
    throw error;
  }
}

/**
 * Whether a key of the target takes no more memory than `maxBytes`. `usage` is what MEMORY USAGE
 * said, which looks at five elements and is far off where one of them is long: it is asked again
 * for the truth before a key is called too large. Where the server does not tell, it is within.
 */
export async function isWithin(
  maxBytes: number,
  usage: Reply,
  conn: RedisConnection,
  key: Uint8Array,
): Promise<boolean> {
  if (typeof usage !== 'number' || usage <= maxBytes) return true;
  const options = { timeoutMs: 120_000 };
  const truth = await conn.attempt(['MEMORY', 'USAGE', key, 'SAMPLES', '0'], options);
  return typeof truth !== 'number' || truth <= maxBytes;
}

/** The instant of a reply to TIME, Unix milliseconds; ours where the server does not tell. */
export function timeOf(reply: Reply): number {
  if (!Array.isArray(reply)) return Date.now();
  return Number(reply[0]) * 1000 + Math.floor(Number(reply[1]) / 1000);
}
