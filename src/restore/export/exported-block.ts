import type { EncoderOptions, KeyProblem } from '../encode/encoded-block.ts';
import type { ExportCounts } from './export-tally.ts';
import type { ThreadError } from '../revive-error.ts';

/** What an export worker needs to know. Plain data. */
export type ExportOptions = EncoderOptions & {
  readonly way: 'rdb' | 'resp';
  readonly words: CommandWords;
  readonly conflict: 'overwrite' | 'skip';
  readonly commands: boolean;
  /** In the names of keys under construction. */
  readonly task: string;
};

/** How the commands of a target are called, and what they take. */
export type CommandWords = {
  /** UNLINK from 4.0 on. */
  readonly remove: 'UNLINK' | 'DEL';
  /** HSET takes several fields from 4.0 on. */
  readonly setFields: 'HSET' | 'HMSET';
  /** RESTORE takes REPLACE (3.0). */
  readonly replace: boolean;
};

/** What the selected keys of one block became: RDB entries, or commands. */
export type ExportedBlock = {
  readonly bytes: Uint8Array;
  readonly counts: ExportCounts;
  readonly problems: readonly KeyProblem[];
  /** Module types whose values are in it. */
  readonly modules: readonly string[];
};

export type ExportBlockRequest = {
  readonly id: number;
  readonly stored: Uint8Array;
  readonly rawLength: number;
  readonly digest: Uint8Array;
  readonly nowMs: number;
};

export type ExportBlockReply = {
  readonly id: number;
  readonly exported?: ExportedBlock;
  readonly error?: ThreadError;
};
