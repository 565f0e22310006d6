import type { LineHeader } from '../../entries/index.ts';
import type { ValueSink } from '../../rdb/index.ts';

/** A key of several lines that has been looked through, ready to be written. */
export type LongKey = {
  readonly header: LineHeader;
  readonly key: Buffer;
  readonly expireAtMs: number;
  /** Elements; -1 where the lines themselves say it. */
  readonly count: number;
  /**
   * Hands the value to a sink, as the policies leave it, the same each time. `onBlock` is awaited
   * behind each block.
   */
  readonly feed: (sink: ValueSink, onBlock?: () => Promise<void>) => Promise<void>;
};

/** What stands in an export before the entries. */
export type ExportPreamble = {
  readonly libraries: readonly Buffer[];
  readonly scripts: readonly Buffer[];
  /** Of the data, Unix milliseconds. */
  readonly instantMs: number;
  /** Raw bytes of the entries, for an estimate of the memory that they take. */
  readonly rawBytes: number;
};

/** The form of an export: calls in the order of the members, one after the other. */
export interface ExportWriter {
  begin(preamble: ExportPreamble): Promise<void>;
  /** What the workers made of a block. `db` is the export's; all of one follow one another. */
  entries(db: number, bytes: Uint8Array): Promise<void>;
  longKey(db: number, key: LongKey): Promise<void>;
  finish(): Promise<void>;
}
