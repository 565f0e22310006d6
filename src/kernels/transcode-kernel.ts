import { instantiateKernel, type KernelMemory } from './load.ts';

/** What `run` stopped for. */
export const STOP = {
  /** The batch is read to its end. */
  ended: 0,
  /** Something that the kernel does not know, or does not believe, begins at `position`. */
  notOurs: 1,
  /** The next entry's slot range (`presentRange`) has no slot in `rangeSlots`. */
  needsSlot: 2,
  /** The block of `presentRange` is full: it must be sealed and its slot emptied. */
  full: 3,
  /** All blocks together hold more than they may. */
  crowded: 4,
} as const;

/** So many slot ranges it can tell apart. */
export const MAX_RANGES = 256;

/** Places in `counts`. The first six are keys by kind: string, list, set, hash, zset, stream. */
export const COUNT = { expiring: 6, expired: 7, scanned: 8 } as const;
export const COUNT_WORDS = 9;

type Exports = {
  readonly memory: KernelMemory;
  /** Constants of the memory's layout, see assembly/transcode.ts. */
  readonly INPUT: Constant;
  readonly INPUT_BYTES: Constant;
  readonly SLOTS: Constant;
  readonly SLOT_BYTES: Constant;
  readonly SLOT_HASHES: Constant;
  readonly SLOT_COUNT: Constant;
  readonly LINE_BYTES: Constant;
  readonly RANGE_SLOTS: Constant;
  readonly SLOT_LENGTHS: Constant;
  readonly SLOT_ENTRIES: Constant;
  readonly COUNTS: Constant;
  configure(slotRanges: number, kinds: number, snapshotAtMs: number, mostOpenBytes: number): void;
  setDatabase(db: number, wanted: boolean): void;
  beginBatch(size: number, redis: boolean): void;
  position(): number;
  setPosition(at: number): void;
  run(): number;
  presentRange(): number;
  addOpenBytes(bytes: number): number;
  addLine(slot: number, bytes: number, hash: number): number;
  buildFilter(slot: number, bits: number): number;
};

type Constant = { readonly value: number };

/**
 * The transcoder in WebAssembly: whole batches of RDB to lines in *slots*, one for each block in
 * the making, of which the kernel has `slotCount`. It appends a line at the end of the slot that
 * `rangeSlots` names for the key's slot range, and stops (see STOP) for whatever it cannot decide.
 * Nothing of an entry has been written or counted when it stops before that entry. The views lie in
 * the kernel's memory and stay good. One batch at a time, one instance per thread.
 */
export class TranscodeKernel {
  /** Bytes that a batch may have. */
  readonly inputBytes: number;
  readonly slotCount: number;
  /** Longer lines are never written and must not be added. */
  readonly lineBytes: number;
  /** By slot range: the slot of the present database's open block, or -1. The caller's to set. */
  readonly rangeSlots: Int32Array;
  /** By slot: bytes of its lines, and their number. The caller sets them to 0. */
  readonly slotLengths: Uint32Array;
  readonly slotEntries: Uint32Array;
  /** See COUNT; the caller sets them to 0. */
  readonly counts: Uint32Array;

  readonly #exports: Exports;
  readonly #bytes: Uint8Array;
  readonly #slots: number;
  readonly #slotBytes: number;

  constructor() {
    const exports = instantiateKernel<Exports>('transcode');
    const { buffer } = exports.memory;
    this.#exports = exports;
    this.#bytes = new Uint8Array(buffer);
    this.#slots = exports.SLOTS.value;
    this.#slotBytes = exports.SLOT_BYTES.value;
    this.inputBytes = exports.INPUT_BYTES.value;
    this.slotCount = exports.SLOT_COUNT.value;
    this.lineBytes = exports.LINE_BYTES.value;
    this.rangeSlots = new Int32Array(buffer, exports.RANGE_SLOTS.value, MAX_RANGES);
    this.slotLengths = new Uint32Array(buffer, exports.SLOT_LENGTHS.value, this.slotCount);
    this.slotEntries = new Uint32Array(buffer, exports.SLOT_ENTRIES.value, this.slotCount);
    this.counts = new Uint32Array(buffer, exports.COUNTS.value, COUNT_WORDS);
  }

  /**
   * Once, before anything else. `kinds`: a bit for each kind that is wanted, in the order of
   * `counts`; `mostOpenBytes`: of all slots together, before it stops as crowded.
   */
  configure(slotRanges: number, kinds: number, snapshotAtMs: number, mostOpenBytes: number): void {
    this.#exports.configure(slotRanges, kinds, snapshotAtMs, mostOpenBytes);
  }

  /** The database of the entries that follow; if it is not `wanted` they are only counted. */
  setDatabase(db: number, wanted: boolean): void {
    this.#exports.setDatabase(db, wanted);
  }

  /** Takes a copy of a batch of up to `inputBytes`; `redis`: whether that is its dialect. */
  beginBatch(bytes: Uint8Array, redis: boolean): void {
    this.#bytes.set(bytes, this.#exports.INPUT.value);
    this.#exports.beginBatch(bytes.length, redis);
  }

  /** Where in the batch reading stands. */
  get position(): number {
    return this.#exports.position();
  }

  set position(at: number) {
    this.#exports.setPosition(at);
  }

  /** Reads entries until something must be done; one of STOP. */
  run(): number {
    return this.#exports.run();
  }

  get presentRange(): number {
    return this.#exports.presentRange();
  }

  /** The lines in a slot: a view that is good until the slot is written to again. */
  lines(slot: number): Uint8Array {
    const at = this.#slots + slot * this.#slotBytes;
    return this.#bytes.subarray(at, at + this.slotLengths[slot]);
  }

  /** The murmur3 hashes of the keys in a slot, a view like `lines`. */
  hashes(slot: number): Uint32Array {
    const at = this.#slots + slot * this.#slotBytes + this.#exports.SLOT_HASHES.value;
    return new Uint32Array(this.#bytes.buffer, at, this.slotEntries[slot]);
  }

  /** Adds a line of up to `lineBytes` to a block that is not full; STOP.full, crowded or -1. */
  addLine(slot: number, line: Uint8Array, hash: number): number {
    const at = this.#slots + slot * this.#slotBytes + this.slotLengths[slot];
    this.#bytes.set(line, at);
    return this.#exports.addLine(slot, line.length, hash);
  }

  /** Empties a slot. */
  clearSlot(slot: number): void {
    this.#exports.addOpenBytes(-this.slotLengths[slot]);
    this.slotLengths[slot] = 0;
    this.slotEntries[slot] = 0;
  }

  /** A Bloom filter of so many bits over the hashes of a slot: the caller's to keep. */
  buildFilter(slot: number, bits: number): Uint8Array {
    const at = this.#exports.buildFilter(slot, bits);
    return this.#bytes.slice(at, at + bits / 8);
  }
}
