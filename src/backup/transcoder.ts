import { type EntrySelection, EntrySelector, JsonLineWriter } from '../entries/index.ts';
import { HashTemplates, RdbCursor, RdbEntryReader, type RdbFormat } from '../rdb/index.ts';
import type { DataBlock } from '../repository/index.ts';
import { BatchTally } from './batch-tally.ts';
import { BlockPartition } from './block-partition.ts';
import type { BatchCounts } from './counts.ts';

/** What a worker needs to know of the whole backup. Plain data. */
export type TranscoderOptions = {
  readonly slotRanges: number;
  readonly selection: EntrySelection;
  /** The instant against which keys count as expired, Unix milliseconds. */
  readonly snapshotAtMs: number;
};

/** A batch as the transcoder takes it: see RdbBatch. */
export type TranscoderInput = {
  readonly bytes: Uint8Array;
  readonly format: RdbFormat;
  readonly offset: number;
  readonly db: number;
  /** Gives the further pieces of a key that takes several batches; absent for whole keys. */
  readonly refill?: () => Uint8Array | undefined;
};

/**
 * Turns batches of RDB bytes into sealed blocks: decode, select, write JSON, partition, compress,
 * digest. Runs in a worker and knows nothing of it. Blocks come out in the order in which they are
 * to be stored; those of one long key follow one another without others between. FastTranscoder
 * does the same where it can.
 */
export class Transcoder {
  readonly #options: TranscoderOptions;
  readonly #selector: EntrySelector;
  readonly #partition: BlockPartition;
  readonly #templates = new HashTemplates();
  readonly #writer: JsonLineWriter;
  #tally = new BatchTally(0);
  /** Whether the present key takes more than one line. */
  #isLong = false;

  constructor(options: TranscoderOptions, onBlock: (block: DataBlock) => void) {
    this.#options = options;
    this.#selector = new EntrySelector(options.selection);
    this.#partition = new BlockPartition(options.slotRanges, onBlock);
    this.#writer = new JsonLineWriter((bytes, start, end, first, last) => {
      this.#isLong = true;
      this.#partition.part(bytes, start, end, first, last);
    });
  }

  /** Field lists that later batches refer to: HASH_TEMPLATE records, each from its opcode on. */
  addTemplates(records: readonly Uint8Array[]): void {
    for (const record of records) {
      this.#templates.read(new RdbCursor(record, 1, record.length, 0));
    }
  }

  /** Reads one batch to its end. Lines that fill no block yet wait for further batches. */
  transcode(input: TranscoderInput): BatchCounts {
    const { bytes, format, offset, db, refill } = input;
    const cursor = new RdbCursor(bytes, 0, bytes.length, offset, refill);
    const reader = new RdbEntryReader(cursor, format, db, this.#templates);
    this.#tally = new BatchTally(this.#options.snapshotAtMs);
    while (reader.next()) {
      this.#tally.scanned++;
      if (this.#selector.wants(reader.header)) this.#entry(reader, format);
      else reader.skipValue();
    }
    return this.#tally.result();
  }

  /** Hands on what waits, after the last batch. */
  flush(): void {
    this.#partition.flush();
  }

  #entry(reader: RdbEntryReader, format: RdbFormat): void {
    const { header } = reader;
    const lines = this.#partition.open(header.db, header.key, header.keyStart, header.keyEnd);
    this.#isLong = false;
    this.#writer.entry(header, format, lines);
    reader.readValue(this.#writer);
    this.#tally.add(header);
    if (!this.#isLong) this.#partition.close();
  }
}
