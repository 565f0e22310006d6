import type { TtlPolicy } from '../policies.ts';
import type { TargetFacts } from '../target-facts.ts';
import type { Commands } from './command-table.ts';

/** How a key of the target stands to what a command would write there. */
export const ABSENT = 0;
export const EQUAL = 1;
export const DIFFERENT = 2;

/** A fingerprint of a value and its expiry: enough to see that somebody changed it. */
export const PRINT_BYTES = 8;

/** What a target holds where the commands of one block would write. */
export type BlockSight = {
  /** By command: ABSENT, EQUAL or DIFFERENT. */
  readonly states: Uint8Array;
  /** Where asked for: the fingerprints of DIFFERENT ones, PRINT_BYTES at the place of each. */
  readonly prints: Uint8Array;
  /** Where asked for: the states of the renamed copies of DIFFERENT ones. */
  readonly copies: Uint8Array;
};

export type LookWish = Commands & {
  readonly targetDb: number;
  readonly prints: boolean;
  readonly copies: boolean;
};

/** What is the same for every block of a restore. Plain data. */
export type LookOptions = {
  readonly facts: Pick<TargetFacts, 'expireTime'>;
  readonly ttl: TtlPolicy;
  readonly renameSuffix: string;
};
