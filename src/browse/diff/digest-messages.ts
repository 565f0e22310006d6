import type { EntrySelection } from '../../entries/index.ts';

/** What a digesting thread has to know for a whole run. */
export type DigestOptions = {
  readonly selection: EntrySelection;
  readonly partitions: number;
  /** Bits of the key hash that count: all, except where tests want collisions. */
  readonly hashMask: number;
  /** Lines of at most so many bytes go with their records; 0: none do. */
  readonly lineBytes: number;
};

export type StoredBlock = {
  readonly stored: Uint8Array;
  readonly rawLength: number;
  readonly digest: Uint8Array;
};

export type DigestRequest = {
  readonly id: number;
  /** Neighbours in one buffer: they cross over together. */
  readonly blocks: readonly StoredBlock[];
  /** The blocks are the next of one long key. */
  readonly isLong: boolean;
};

/** Records of some blocks, partition after partition. */
export type DigestedBlocks = {
  readonly records: Uint8Array;
  /** Bytes of each partition. */
  readonly sizes: Uint32Array;
};

export type DigestReply = {
  readonly id: number;
  readonly digested?: DigestedBlocks;
  readonly error?: {
    readonly code: string | undefined;
    readonly message: string;
    /** Which of the blocks, counted from 0. */
    readonly block: number;
  };
};
