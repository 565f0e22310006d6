import type { ValueDigest } from '../../entries/index.ts';
import type { RedisConnection } from '../../redis/index.ts';
import { digestOfText } from '../command-parts.ts';
import {
  equalExpiry,
  equalToPayload,
  expiryCommand,
  isWithin,
  readDigest,
  timeOf,
} from '../comparison.ts';
import { PRINT_BYTES } from '../look/block-sight.ts';
import { writePrint, writeSizePrint } from '../look/fingerprint.ts';
import { NO_EXPIRY, type TtlPolicy } from '../policies.ts';
import type { TargetFacts } from '../target-facts.ts';

/** A target's value that takes more memory is not read. */
const MAX_READ_BYTES = 256 << 20;

const DUMP_TIMEOUT_MS = 120_000;

/**
 * How a key of the target stands to what this restore would write. `wanted` computes the digest of
 * that, when it is needed; undefined: it cannot be there.
 */
export async function compareLongKey(
  conn: RedisConnection,
  name: Buffer,
  expireAtMs: number,
  facts: TargetFacts,
  ttl: TtlPolicy,
  wanted: () => Promise<ValueDigest | undefined>,
): Promise<'equal' | 'different' | 'too-large'> {
  const [time, expiry, usage] = await conn.pipeline([
    ['TIME'],
    [expiryCommand(facts), name],
    ['MEMORY', 'USAGE', name],
  ]);
  const nowMs = timeOf(time);
  if (!equalExpiry(expireAtMs, expiry, nowMs, facts, ttl)) return 'different';
  if (!(await isWithin(MAX_READ_BYTES, usage, conn, name))) return 'too-large';
  const payload = await conn.command(['DUMP', name], { timeoutMs: DUMP_TIMEOUT_MS });
  if (!Buffer.isBuffer(payload)) return 'different';
  const digest = await wanted();
  if (digest === undefined) return 'different';
  return equalToPayload(() => digest, payload, nowMs) ? 'equal' : 'different';
}

/** The fingerprint of what a key of the target holds, its expiry included. */
export async function printLongKey(
  conn: RedisConnection,
  name: Buffer,
  facts: TargetFacts,
): Promise<Buffer> {
  const print = Buffer.alloc(PRINT_BYTES);
  const [time, expiry, usage] = await conn.pipeline([
    ['TIME'],
    [expiryCommand(facts), name],
    ['MEMORY', 'USAGE', name, 'SAMPLES', '0'],
  ]);
  if (typeof usage === 'number' && usage > MAX_READ_BYTES) {
    writeSizePrint(print, 0, usage);
    return print;
  }
  const payload = await conn.command(['DUMP', name], { timeoutMs: DUMP_TIMEOUT_MS });
  if (!Buffer.isBuffer(payload)) return print;
  const digest = readDigest(payload, timeOf(time)) ?? digestOfText(payload);
  const value = Number(expiry);
  const expireAtMs = value < 0 ? NO_EXPIRY : facts.expireTime ? value : 0;
  writePrint(print, 0, digest, expireAtMs);
  return print;
}
