import { CodedError, printableBytes } from '../base/index.ts';
import {
  DistinctTexts,
  type EntrySelection,
  EntrySelector,
  entryType,
  ForeignLineReader,
  JsonLineWriter,
  type LineHeader,
  type LinePlace,
} from '../entries/index.ts';
import { NONE, type ValueSink } from '../rdb/index.ts';
import type { DataBlock } from '../repository/index.ts';
import { BlockPartition } from './block-partition.ts';
import type { BatchCounts, DatabaseCounts } from './counts.ts';
import { DiskSpill } from './import-spill.ts';

export type ImportLinesOptions = {
  readonly slotRanges: number;
  readonly selection: EntrySelection;
  /** The instant against which keys count as expired, Unix milliseconds. */
  readonly snapshotAtMs: number;
};

/** Lines of one input: more than anybody has. Numbers of the next input begin here. */
const LINES_PER_INPUT = 2 ** 40;

/**
 * Turns JSON Lines of any form into sealed blocks of canonical ones. Every line is checked,
 * selected or not. A key that comes twice is an error: at once where the other line is still
 * remembered, by `finish` where there are too many keys for that.
 */
export class ImportLines {
  readonly #selector: EntrySelector;
  readonly #snapshotAtMs: number;
  readonly #partition: BlockPartition;
  readonly #writer: JsonLineWriter;
  readonly #memberSpill = new DiskSpill('the members of a key');
  readonly #reader = new ForeignLineReader('', this.#memberSpill);
  readonly #keySpill = new DiskSpill('the keys');
  readonly #keys = new DistinctTexts(this.#keySpill);
  readonly #counts = new Map<number, DatabaseCounts>();
  readonly #inputs: string[] = [];
  #isLong = false;
  #isWanted = false;
  /** Keys read, selected or not. */
  scanned = 0;
  /** Of them selected. */
  keys = 0;

  constructor(options: ImportLinesOptions, onBlock: (block: DataBlock) => void) {
    this.#selector = new EntrySelector(options.selection);
    this.#snapshotAtMs = options.snapshotAtMs;
    this.#partition = new BlockPartition(options.slotRanges, onBlock);
    this.#writer = new JsonLineWriter((bytes, start, end, first, last) => {
      this.#isLong = true;
      this.#partition.part(bytes, start, end, first, last);
    });
  }

  /** Begins the lines of another file. */
  openInput(name: string): void {
    this.#inputs.push(name);
    this.#reader.input = name;
  }

  /** Behind the last line of a file: a key does not go on in another. */
  closeInput(): void {
    this.#reader.finish();
  }

  /** One line, without its line feed; blank ones are passed over. */
  line(bytes: Uint8Array, start: number, end: number, place: LinePlace): void {
    const reader = this.#reader;
    if (!reader.begin(bytes, start, end, place)) return;
    const { header } = reader;
    if (header.part === 0) this.#beginKey(header, place);
    reader.readValue(this.#isWanted ? this.#writer : NOWHERE);
    if (header.more) return;
    this.scanned++;
    if (!this.#isWanted) return;
    this.#count(header);
    if (!this.#isLong) this.#partition.close();
  }

  #beginKey(header: LineHeader, place: LinePlace): void {
    this.#isWanted = this.#selector.wants(header);
    if (!this.#isWanted) return;
    const { db, key, keyStart, keyEnd } = header;
    this.#keys.begin(db);
    this.#keys.bytes(key, keyStart, keyEnd);
    const input = this.#inputs.length - 1;
    const first = this.#keys.end(input * LINES_PER_INPUT + place.number);
    if (first !== -1) {
      const shown = printableBytes(key, keyStart, keyEnd);
      throw new CodedError(
        'JSONL_INVALID',
        `Cannot import ${shown} of database ${db} twice: ${this.#placeOf(first)} has it, and ` +
          `line ${place.number} of ${this.#inputs[input]}`,
        { key: shown, offset: place.offset },
      );
    }
    this.#isLong = false;
    this.#writer.entry(
      header,
      this.#reader.keyMetaFormat,
      this.#partition.open(db, key, keyStart, keyEnd),
    );
  }

  /** Hands on what waits, and looks at the keys that had to be written down: the counts. */
  finish(): BatchCounts {
    const twice = this.#keys.finish();
    if (twice !== undefined) {
      throw new CodedError(
        'JSONL_INVALID',
        `Cannot import one key twice: ${this.#placeOf(twice.first)} has it, and ` +
          this.#placeOf(twice.again),
      );
    }
    this.#partition.flush();
    return { scanned: this.scanned, databases: [...this.#counts.values()] };
  }

  /** Removes temporary files. Idempotent. */
  close(): void {
    this.#keySpill.close();
    this.#memberSpill.close();
  }

  #placeOf(number: number): string {
    const input = Math.floor(number / LINES_PER_INPUT);
    return `line ${number % LINES_PER_INPUT} of ${this.#inputs[input]}`;
  }

  #count(header: LineHeader): void {
    let counts = this.#counts.get(header.db);
    if (counts === undefined) {
      counts = { db: header.db, keys: 0, expiring: 0, expired: 0, types: {} };
      this.#counts.set(header.db, counts);
    }
    this.keys++;
    counts.keys++;
    const type = entryType(header);
    counts.types[type] = (counts.types[type] ?? 0) + 1;
    if (header.expireAtMs === NONE) return;
    counts.expiring++;
    if (header.expireAtMs <= this.#snapshotAtMs) counts.expired++;
  }
}

/** For values that are only checked. */
const NOWHERE: ValueSink = {
  begin() {},
  text() {},
  score() {},
  fieldExpireAt() {},
  streamEntry() {},
  streamEnd() {},
  arrayInsertIndex() {},
  arrayIndex() {},
  opaque() {},
  end() {},
};
