import type { EntrySelection } from '../../entries/index.ts';
import type { TargetFormat } from '../../rdb/index.ts';
import type { TtlRules } from '../policies.ts';

/** What an encoding worker needs to know of the whole restore. Plain data. */
export type EncoderOptions = {
  readonly format: TargetFormat;
  /** SET takes PXAT (6.2). */
  readonly setPxat: boolean;
  /** RESTORE takes ABSTTL, IDLETIME and FREQ (5.0). */
  readonly restoreOptions: boolean;
  /**
   * Module types that the target surely has; null where it can be asked by trying: only before
   * Redis 7.0 a value of an unknown module ends the server.
   */
  readonly modules: readonly string[] | null;
  readonly selection: EntrySelection;
  readonly ttl: TtlRules;
  readonly allowInexact: boolean;
};

/** A key that could not be written, or not exactly. */
export type KeyProblem = {
  /** As in the entries: text, or `base64:…`. */
  readonly key: string;
  readonly code: 'inexact' | 'failed';
  readonly reason: string;
};

/** The commands that restore the selected keys of one block. One command per key. */
export type EncodedBlock = {
  /** Behind one another; `ends[i]` is where command i ends. */
  readonly commands: Uint8Array;
  readonly ends: Uint32Array;
  /** Of `ends`: how many are used. */
  readonly count: number;
  /** Keys of the block that are wanted. */
  readonly selected: number;
  /** Of these: not written because their time is over. */
  readonly expired: number;
  readonly problems: readonly KeyProblem[];
};
