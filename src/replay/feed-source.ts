import type { ServerFamily } from '../redis/index.ts';

/** The server that is fed: decides the dialect of the RDB and how commands are written for it. */
export type FedServer = { readonly family: ServerFamily; readonly version: string };

/**
 * What a feed hands to every replica that asks: a base as an RDB, then commands. Made anew for each
 * replica; both parts are read once, in this order.
 */
export interface FeedSource {
  /**
   * Writes the base as one RDB that `server` reads, whole. `write` resolves when more may come; the
   * bytes are the feed's until then. Throws the codes of reading a repository, and
   * VALUE_UNREPRESENTABLE for what that server cannot hold.
   */
  writeBase(
    server: FedServer,
    write: (bytes: Uint8Array) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>;

  /**
   * The recorded stream from the base to the cut, as raw bytes in order, cut anywhere; the first
   * command is preceded by the state that it starts from (`startDatabase`).
   */
  readStream(signal: AbortSignal): AsyncIterable<FedPiece>;

  /** The database in force at the start of the stream. */
  readonly startDatabase: number;
  /** Bytes of the stream that will come, for progress. */
  readonly streamBytes: number;
}

export type FedPiece = {
  /** The consumer's to keep. */
  readonly bytes: Buffer;
  /** Arrival of its bytes, Unix milliseconds: what relative expiries of old masters count from. */
  readonly atMs: number;
};
