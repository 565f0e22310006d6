/**
 * One whole command of a replication stream. The object and everything it gives are valid during
 * the call that hands it over and reused afterwards.
 */
export interface StreamCommand {
  /** Where its bytes lie: `[start, end)` of `bytes`. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Bytes of the stream before its first byte. */
  readonly offset: number;
  /** The database in force when it runs. */
  readonly database: number;
  /** Within MULTI … EXEC; MULTI and EXEC themselves are. */
  readonly inTransaction: boolean;
  /** Upper case; with its subcommand, as in `XGROUP CREATE`, where the command table has those. */
  readonly name: string;
  readonly argc: number;
  /** Argument `index` (0: the name as it was sent), a view of `bytes`. */
  arg(index: number): Buffer;
}

/**
 * Where a stream can be continued or cut: everything a reader has to know besides the bytes after
 * it. Only between commands and outside MULTI … EXEC.
 */
export type StreamState = {
  /** Bytes of the history before the next one: the replication offset of the last byte. */
  readonly offset: number;
  readonly database: number;
};
