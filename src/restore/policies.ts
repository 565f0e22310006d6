/** What happens to a key that the target has with another value or expiry. */
export type ConflictPolicy = 'rename' | 'skip' | 'overwrite' | 'fail';

/** `remaining`: the time to live that the key had at the backup's instant, counted from now on. */
export type TtlPolicy = 'absolute' | 'remaining' | 'persist';

/** Losses that change what a key is, not only what is known of it: not written unless allowed. */
export const REFUSED_LOSSES: ReadonlySet<string> = new Set([
  'field-expiry',
  'stream-idmp',
  'key-metadata',
]);

/**
 * `recorded`: as it stands, also where it has passed: for a server that is fed as a replica, which
 * removes nothing by itself.
 */
export type ExportTtlPolicy = TtlPolicy | 'recorded';

export type TtlRules = {
  readonly policy: ExportTtlPolicy;
  /** Of `recorded`: added to every expiry. */
  readonly shiftMs?: number;
  /** When the restore began: the new origin of remaining times. */
  readonly startedAtMs: number;
  /** The backup's instant. */
  readonly snapshotAtMs: number;
};

export const NO_EXPIRY = -1;
export const EXPIRED = -2;

/**
 * The expiry under which a key is written, Unix milliseconds; NO_EXPIRY, or EXPIRED for a key that
 * is not written because its time is over.
 */
export function expiryOf(expireAtMs: number, rules: TtlRules, nowMs: number): number {
  if (expireAtMs === NO_EXPIRY || rules.policy === 'persist') return NO_EXPIRY;
  if (rules.policy === 'recorded') return shifted(expireAtMs, rules.shiftMs ?? 0);
  if (rules.policy === 'absolute') return expireAtMs <= nowMs ? EXPIRED : expireAtMs;
  const remainingMs = expireAtMs - rules.snapshotAtMs;
  return remainingMs <= 0 ? EXPIRED : rules.startedAtMs + remainingMs;
}

/** Zero and less would mean other things than a time long ago. */
function shifted(expireAtMs: number, shiftMs: number): number {
  return shiftMs === 0 ? expireAtMs : Math.max(1, expireAtMs + shiftMs);
}
