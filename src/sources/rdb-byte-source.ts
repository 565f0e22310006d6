/** `[start, end)` of a buffer of the source's: valid during the call only. */
export type OnChunk = (buffer: Buffer, start: number, end: number) => void;

/** Where an RDB comes from and what is known before its first byte. */
export type RdbOrigin =
  | {
      readonly kind: 'replication';
      /** The node that serves us, without secrets. */
      readonly node: string;
      /**
       * The history and the position in it that the RDB is the state of. `null` from a server whose
       * PSYNC was renamed: it then speaks the older SYNC, and only the RDB's own AUX fields
       * `repl-id` and `repl-offset` may tell.
       */
      readonly replid: string | null;
      readonly offset: number | null;
      readonly framing: 'length' | 'mark';
      /** Bytes of the RDB; `null` with the mark framing. */
      readonly length: number | null;
      /**
       * When the server named the snapshot's offset, Unix milliseconds of our clock: it forks at
       * that moment, or has forked before when we share a save to disk that was under way.
       */
      readonly snapshotAtMs: number;
      /** The server sends the RDB and nothing else, and buffers nothing for us. */
      readonly rdbOnly: boolean;
    }
  | { readonly kind: 'file'; readonly path: string; readonly length: number }
  | { readonly kind: 'stream'; readonly length: null };

export type RdbEnd = {
  /** Payload bytes delivered: must equal what the RDB parser consumed. */
  readonly bytes: number;
};

/**
 * One RDB as bytes. Nothing flows before `start`. An exception thrown by `onChunk` ends the source
 * and rejects `start` with it.
 */
export interface RdbByteSource {
  readonly origin: RdbOrigin;

  /**
   * Delivers every byte of the RDB in order through `onChunk`, and resolves after the last.
   * Rejects with SOURCE_LOST, SOURCE_STALLED, SOURCE_GARBAGE, RATE_LIMIT_HARM, or INTERRUPTED
   * (signal, `close`). To be called once.
   */
  start(onChunk: OnChunk, signal?: AbortSignal): Promise<RdbEnd>;

  /**
   * Stops the flow; chunks already read may still come (one; with TLS a few). The deadline for
   * silence stands still meanwhile.
   */
  pause(): void;
  resume(): void;

  /** Ends everything at once; idempotent, also after the end. */
  close(): void;
}
