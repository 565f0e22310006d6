import { ByteBuilder } from '../base/index.ts';
import { type EntrySelection, EntrySelector, entryType, JsonLineWriter } from '../entries/index.ts';
import {
  type EntryHeader,
  HashTemplates,
  NONE,
  RdbCursor,
  RdbEntryReader,
  type RdbFormat,
} from '../rdb/index.ts';
import {
  BLOCK_BYTES,
  type DataBlock,
  keySlot,
  murmur3,
  sealBlock,
  slotRange,
} from '../repository/index.ts';
import type { BatchCounts, DatabaseCounts } from './counts.ts';

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

/** A block in the making: lines of one database and one slot range. */
type OpenBlock = {
  readonly db: number;
  readonly range: number;
  readonly lines: ByteBuilder;
  hashes: Uint32Array;
  entries: number;
};

const FIRST_HASHES = 256;

/**
 * Turns batches of RDB bytes into sealed blocks: decode, select, write JSON, partition, compress,
 * digest. Runs in a worker and knows nothing of it. Blocks come out whole and in the order in which
 * they are to be stored; those of one long key follow one another without others between.
 */
export class Transcoder {
  readonly #options: TranscoderOptions;
  readonly #selector: EntrySelector;
  readonly #onBlock: (block: DataBlock) => void;
  readonly #templates = new HashTemplates();
  readonly #writer: JsonLineWriter;
  /** By database, then by slot range. */
  readonly #blocks = new Map<number, (OpenBlock | undefined)[]>();
  #inDatabase: (OpenBlock | undefined)[] = [];
  #database = -1;
  #current: OpenBlock | undefined;
  #counts: Map<number, DatabaseCounts> = new Map();
  /** The present key: its hash, and whether it takes more than one line. */
  #keyHash = 0;
  #isLong = false;

  constructor(options: TranscoderOptions, onBlock: (block: DataBlock) => void) {
    this.#options = options;
    this.#selector = new EntrySelector(options.selection);
    this.#onBlock = onBlock;
    this.#writer = new JsonLineWriter((bytes, start, end, first, last) => {
      this.#isLong = true;
      this.#emitPart(bytes, start, end, first, last);
    });
  }

  /** Field lists that later batches refer to: HASH_TEMPLATE records, each from its opcode on. */
  addTemplates(records: readonly Uint8Array[]): void {
    for (const record of records) {
      this.#templates.read(new RdbCursor(record, 1, record.length, 0));
    }
  }

  /** Reads one batch to its end. Every block of it has been handed on when this returns. */
  transcode(input: TranscoderInput): BatchCounts {
    const { bytes, format, offset, db, refill } = input;
    const cursor = new RdbCursor(bytes, 0, bytes.length, offset, refill);
    const reader = new RdbEntryReader(cursor, format, db, this.#templates);
    this.#counts = new Map();
    let scanned = 0;
    while (reader.next()) {
      scanned++;
      if (this.#selector.wants(reader.header)) this.#entry(reader, format);
      else reader.skipValue();
    }
    for (const blocks of this.#blocks.values()) {
      for (const block of blocks) if (block !== undefined) this.#seal(block);
    }
    this.#blocks.clear();
    this.#database = -1;
    return { scanned, databases: [...this.#counts.values()] };
  }

  #entry(reader: RdbEntryReader, format: RdbFormat): void {
    const { header } = reader;
    const block = this.#blockOf(header);
    const { lines } = block;
    this.#isLong = false;
    this.#keyHash = murmur3(header.key, header.keyStart, header.keyEnd);
    this.#writer.entry(header, format, lines);
    reader.readValue(this.#writer);
    this.#count(header);
    if (this.#isLong) return;
    this.#addHash(block, this.#keyHash);
    block.entries++;
    if (lines.length >= BLOCK_BYTES) this.#seal(block);
  }

  #blockOf(header: EntryHeader): OpenBlock {
    const ranges = this.#options.slotRanges;
    const range =
      ranges === 1 ? 0 : slotRange(keySlot(header.key, header.keyStart, header.keyEnd), ranges);
    if (header.db !== this.#database) this.#openDatabase(header.db);
    let block = this.#inDatabase[range];
    if (block === undefined) {
      block = {
        db: header.db,
        range,
        lines: new ByteBuilder(64 << 10),
        hashes: new Uint32Array(FIRST_HASHES),
        entries: 0,
      };
      this.#inDatabase[range] = block;
    }
    this.#current = block;
    return block;
  }

  #openDatabase(db: number): void {
    this.#database = db;
    const known = this.#blocks.get(db);
    this.#inDatabase = known ?? new Array<OpenBlock | undefined>(this.#options.slotRanges);
    if (known === undefined) this.#blocks.set(db, this.#inDatabase);
  }

  #addHash(block: OpenBlock, hash: number): void {
    if (block.entries === block.hashes.length) {
      const grown = new Uint32Array(block.entries * 2);
      grown.set(block.hashes);
      block.hashes = grown;
    }
    block.hashes[block.entries] = hash;
  }

  #seal(block: OpenBlock): void {
    if (block.lines.length === 0) return;
    this.#onBlock({
      ...sealBlock(block.lines.view()),
      db: block.db,
      range: block.range,
      entries: block.entries,
      keyHashes: block.hashes.slice(0, block.entries),
    });
    block.lines.clear();
    block.entries = 0;
  }

  /** One line of a long key is a block of its own. */
  #emitPart(bytes: Uint8Array, start: number, end: number, first: boolean, last: boolean): void {
    const block = this.#current as OpenBlock;
    this.#onBlock({
      ...sealBlock(bytes.subarray(start, end)),
      db: block.db,
      range: block.range,
      entries: first ? 1 : 0,
      firstPart: first && !last,
      continues: !first,
      // Each its own: its memory moves to another thread.
      keyHashes: first ? Uint32Array.of(this.#keyHash) : new Uint32Array(0),
    });
  }

  #count(header: EntryHeader): void {
    let counts = this.#counts.get(header.db);
    if (counts === undefined) {
      counts = { db: header.db, keys: 0, expiring: 0, expired: 0, types: {} };
      this.#counts.set(header.db, counts);
    }
    counts.keys++;
    const type = entryType(header);
    counts.types[type] = (counts.types[type] ?? 0) + 1;
    if (header.expireAtMs === NONE) return;
    counts.expiring++;
    if (header.expireAtMs <= this.#options.snapshotAtMs) counts.expired++;
  }
}
