import { STOP, type TranscodeKernel } from '../kernels/index.ts';
import {
  type DataBlock,
  filterBits,
  filterOf,
  keySlot,
  murmur3,
  sealBlock,
  slotRange,
} from '../repository/index.ts';

/** Where the kernel keeps a block in the making: lines of one database and one slot range. */
type OpenBlock = { readonly db: number; readonly range: number; readonly slot: number };

/**
 * The blocks in the making that lie in the memory of a TranscodeKernel: what BlockPartition is to
 * lines written here. Gives its slots to databases and slot ranges, seals what is full, and takes
 * in the lines that the kernel left to others. Seals in the same order as BlockPartition, unless
 * more blocks are open than the kernel has slots.
 */
export class KernelBlocks {
  readonly #kernel: TranscodeKernel;
  readonly #slotRanges: number;
  readonly #onBlock: (block: DataBlock) => void;
  /** By database, then by slot range. */
  readonly #blocks = new Map<number, (OpenBlock | undefined)[]>();
  readonly #freeSlots: number[] = [];
  #db = -1;
  #range = 0;
  #keyHash = 0;

  constructor(kernel: TranscodeKernel, slotRanges: number, onBlock: (block: DataBlock) => void) {
    this.#kernel = kernel;
    this.#slotRanges = slotRanges;
    this.#onBlock = onBlock;
    for (let slot = kernel.slotCount - 1; slot >= 0; slot--) this.#freeSlots.push(slot);
  }

  /** The database of the lines that follow. */
  openDatabase(db: number): void {
    this.#db = db;
    const blocks = this.#blocks.get(db);
    for (let range = 0; range < this.#slotRanges; range++) {
      this.#kernel.rangeSlots[range] = blocks?.[range]?.slot ?? -1;
    }
  }

  /** Begins a block for a slot range of the present database that has none. */
  begin(range: number): OpenBlock {
    if (this.#freeSlots.length === 0) this.sealFullest();
    const slot = this.#freeSlots.pop() as number;
    const block = { db: this.#db, range, slot };
    let inDatabase = this.#blocks.get(this.#db);
    if (inDatabase === undefined) {
      inDatabase = new Array<OpenBlock | undefined>(this.#slotRanges);
      this.#blocks.set(this.#db, inDatabase);
    }
    inDatabase[range] = block;
    this.#kernel.rangeSlots[range] = slot;
    return block;
  }

  /** Seals the block of a slot range of the present database. */
  seal(range: number): void {
    this.#seal(this.#blocks.get(this.#db)?.[range] as OpenBlock);
  }

  sealFullest(): void {
    const { slotLengths } = this.#kernel;
    let fullest: OpenBlock | undefined;
    for (const block of this.#all()) {
      if (fullest === undefined || slotLengths[block.slot] > slotLengths[fullest.slot]) {
        fullest = block;
      }
    }
    this.#seal(fullest as OpenBlock);
  }

  /** The key of the line that comes next, by `add` or in parts. */
  openKey(key: Uint8Array, start: number, end: number): void {
    const ranges = this.#slotRanges;
    this.#range = ranges === 1 ? 0 : slotRange(keySlot(key, start, end), ranges);
    this.#keyHash = murmur3(key, start, end);
  }

  /** Takes in the whole line of a key; `line` stays the caller's. */
  add(line: Uint8Array): void {
    const range = this.#range;
    const block = this.#blocks.get(this.#db)?.[range] ?? this.begin(range);
    if (line.length > this.#kernel.lineBytes) {
      this.#sealWith(block, line);
      return;
    }
    const stop = this.#kernel.addLine(block.slot, line, this.#keyHash);
    if (stop === STOP.full) this.#seal(block);
    else if (stop === STOP.crowded) this.sealFullest();
  }

  /** One line of a key of several, which becomes a block of its own; `line` stays the caller's. */
  part(line: Uint8Array, first: boolean, last: boolean): void {
    this.#onBlock({
      ...sealBlock(line),
      db: this.#db,
      range: this.#range,
      entries: first ? 1 : 0,
      firstPart: first && !last,
      continues: !first,
      filter: first ? filterOf(Uint32Array.of(this.#keyHash)) : null,
    });
  }

  /** Seals whatever is open. */
  flush(): void {
    for (const block of this.#all()) this.#seal(block);
  }

  #seal(block: OpenBlock): void {
    const kernel = this.#kernel;
    const { db, range, slot } = block;
    const entries = kernel.slotEntries[slot];
    if (entries > 0) {
      const filter = { keys: entries, bits: kernel.buildFilter(slot, filterBits(entries)) };
      this.#onBlock({ ...sealBlock(kernel.lines(slot)), db, range, entries, filter });
    }
    this.#release(block);
  }

  /** A block with a line behind it that is too long for any slot. */
  #sealWith(block: OpenBlock, line: Uint8Array): void {
    const kernel = this.#kernel;
    const { db, range, slot } = block;
    const hashes = [...kernel.hashes(slot), this.#keyHash];
    this.#onBlock({
      ...sealBlock(Buffer.concat([kernel.lines(slot), line])),
      db,
      range,
      entries: hashes.length,
      filter: filterOf(Uint32Array.from(hashes)),
    });
    this.#release(block);
  }

  #release({ db, range, slot }: OpenBlock): void {
    this.#kernel.clearSlot(slot);
    this.#freeSlots.push(slot);
    (this.#blocks.get(db) as (OpenBlock | undefined)[])[range] = undefined;
    if (db === this.#db) this.#kernel.rangeSlots[range] = -1;
  }

  *#all(): Generator<OpenBlock> {
    for (const blocks of this.#blocks.values()) {
      for (const block of blocks) if (block !== undefined) yield block;
    }
  }
}
