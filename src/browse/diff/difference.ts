import type { EntryType } from '../../entries/index.ts';

export const DIFFERENCE_KINDS = ['added', 'removed', 'changed', 'ttl-changed'] as const;

/**
 * `changed`: another value, whatever became of the expiry. `ttl-changed`: the same value with
 * another expiry.
 */
export type DifferenceKind = (typeof DIFFERENCE_KINDS)[number];

/** A key on one side. */
export type SideOfKey = {
  readonly type: EntryType;
  /** Unix milliseconds; null: does not expire. */
  readonly expireAtMs: number | null;
  /** Its line without the newline, where lines were asked for and it is not too long. */
  readonly line: Buffer | null;
};

export type Difference = {
  readonly kind: DifferenceKind;
  readonly db: number;
  readonly key: Buffer;
  /** Null for a key that was added. */
  readonly before: SideOfKey | null;
  /** Null for a key that was removed. */
  readonly after: SideOfKey | null;
};
