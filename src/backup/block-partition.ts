import { ByteBuilder } from '../base/index.ts';
import {
  BLOCK_BYTES,
  type DataBlock,
  filterOf,
  keySlot,
  murmur3,
  sealBlock,
  slotRange,
} from '../repository/index.ts';

/** Unsealed lines that may be held, all blocks together; above it the fullest block is sealed. */
export const MAX_OPEN_BYTES = 24 << 20;

const FIRST_HASHES = 256;

/** A block in the making: lines of one database and one slot range. */
type OpenBlock = {
  readonly db: number;
  readonly range: number;
  readonly lines: ByteBuilder;
  hashes: Uint32Array;
  entries: number;
};

/**
 * Lines of many keys on their way into blocks of 1 MiB, each of one database and one slot range.
 * Blocks come out sealed, in the order in which they are to be stored. For each key: `open`, write
 * its line at the end of the builder that it returns, then `close`; a key of several lines hands
 * each to `part` instead, with nothing else between them, and leaves nothing in the builder. At the
 * end `flush`.
 */
export class BlockPartition {
  readonly #slotRanges: number;
  readonly #onBlock: (block: DataBlock) => void;
  /** By database, then by slot range. */
  readonly #blocks = new Map<number, (OpenBlock | undefined)[]>();
  readonly #spare: ByteBuilder[] = [];
  #inDatabase: (OpenBlock | undefined)[] = [];
  #database = -1;
  #current: OpenBlock | undefined;
  #keyHash = 0;
  #lineStart = 0;
  #openBytes = 0;

  constructor(slotRanges: number, onBlock: (block: DataBlock) => void) {
    this.#slotRanges = slotRanges;
    this.#onBlock = onBlock;
  }

  /** Where the line of this key goes. The builder stays the partition's. */
  open(db: number, key: Uint8Array, start: number, end: number): ByteBuilder {
    const ranges = this.#slotRanges;
    const range = ranges === 1 ? 0 : slotRange(keySlot(key, start, end), ranges);
    if (db !== this.#database) this.#openDatabase(db);
    const block = (this.#inDatabase[range] ??= this.#begin(db, range));
    this.#current = block;
    this.#keyHash = murmur3(key, start, end);
    this.#lineStart = block.lines.length;
    return block.lines;
  }

  /** The line of the key that was opened is whole. */
  close(): void {
    const block = this.#current as OpenBlock;
    if (block.entries === block.hashes.length) {
      const grown = new Uint32Array(block.entries * 2);
      grown.set(block.hashes);
      block.hashes = grown;
    }
    block.hashes[block.entries++] = this.#keyHash;
    this.#openBytes += block.lines.length - this.#lineStart;
    if (block.lines.length >= BLOCK_BYTES) this.#seal(block);
    else if (this.#openBytes > MAX_OPEN_BYTES) this.#seal(this.#fullest());
  }

  /** One line of a key of several, which becomes a block of its own. `bytes` are the caller's. */
  part(bytes: Uint8Array, start: number, end: number, first: boolean, last: boolean): void {
    const { db, range } = this.#current as OpenBlock;
    this.#onBlock({
      ...sealBlock(bytes.subarray(start, end)),
      db,
      range,
      entries: first ? 1 : 0,
      firstPart: first && !last,
      continues: !first,
      filter: first ? filterOf(Uint32Array.of(this.#keyHash)) : null,
    });
  }

  /** Seals whatever is open. */
  flush(): void {
    for (const block of this.#all()) if (block.lines.length > 0) this.#seal(block);
  }

  #openDatabase(db: number): void {
    this.#database = db;
    const known = this.#blocks.get(db);
    this.#inDatabase = known ?? new Array<OpenBlock | undefined>(this.#slotRanges);
    if (known === undefined) this.#blocks.set(db, this.#inDatabase);
  }

  #begin(db: number, range: number): OpenBlock {
    const lines = this.#spare.pop() ?? new ByteBuilder(64 << 10);
    return { db, range, lines, hashes: new Uint32Array(FIRST_HASHES), entries: 0 };
  }

  #seal(block: OpenBlock): void {
    this.#onBlock({
      ...sealBlock(block.lines.view()),
      db: block.db,
      range: block.range,
      entries: block.entries,
      filter: filterOf(block.hashes, block.entries),
    });
    this.#openBytes -= block.lines.length;
    block.lines.clear();
    // Its memory serves whichever block begins next: databases end, ranges do not.
    this.#spare.push(block.lines);
    const inDatabase = this.#blocks.get(block.db) as (OpenBlock | undefined)[];
    inDatabase[block.range] = undefined;
  }

  #fullest(): OpenBlock {
    let fullest: OpenBlock | undefined;
    for (const block of this.#all()) {
      if (fullest === undefined || block.lines.length > fullest.lines.length) fullest = block;
    }
    return fullest as OpenBlock;
  }

  *#all(): Generator<OpenBlock> {
    for (const blocks of this.#blocks.values()) {
      for (const block of blocks) if (block !== undefined) yield block;
    }
  }
}
