import { HashChain } from '../hash-chain.ts';

/** Words of a record: four of the hash, two of the number that came with it. */
export const RECORD_WORDS = 6;

/** Two numbers that came with the same text, the first and a later one. */
export type Twice = { readonly first: number; readonly again: number };

/** Where the records of a table go that has become too full for memory. */
export interface RecordSpill {
  /** `records` are valid during the call. */
  take(records: Uint32Array, count: number): void;
  /** Compares all that was taken, and forgets it. */
  finish(): Twice | undefined;
}

const FIRST_SLOTS = 16;
const TWO_32 = 0x1_0000_0000;

/** So many records are held in memory, 48 MiB with their free places, before they are spilled. */
const MAX_RECORDS = 1 << 20;

/**
 * Tells whether texts are distinct, by their 128-bit hashes: two texts that differ have the same
 * one less often than memory fails. Each comes with a number (a line's), which is given back for
 * the text that came first. With a `spill` memory is bounded: beyond MAX_RECORDS everything is
 * handed to it, and a text that came before is found by `finish` only.
 */
export class DistinctTexts {
  readonly #spill: RecordSpill | undefined;
  #isSpilled = false;
  readonly #maxRecords: number;
  readonly #chain = new HashChain();
  readonly #hash = new Uint32Array(4);
  /** Open addressing; the fourth word is never 0 in a record. */
  #table = new Uint32Array(FIRST_SLOTS * RECORD_WORDS);
  #slots = FIRST_SLOTS;
  #count = 0;

  constructor(spill?: RecordSpill, maxRecords = MAX_RECORDS) {
    this.#spill = spill;
    this.#maxRecords = maxRecords;
  }

  /** Ends a set of texts, and forgets it: a text that came twice and was not found before. */
  finish(): Twice | undefined {
    let twice: Twice | undefined;
    if (this.#isSpilled && this.#spill !== undefined) {
      this.#spillAll(this.#spill);
      twice = this.#spill.finish();
      this.#isSpilled = false;
    }
    this.#clear();
    return twice;
  }

  #clear(): void {
    if (this.#count === 0) return;
    this.#table.fill(0, 0, this.#slots * RECORD_WORDS);
    this.#count = 0;
    // What follows is mostly small, and is cleared in its turn.
    this.#slots = FIRST_SLOTS;
  }

  /** Begins a text; `scope` tells apart what may be equal. */
  begin(scope: number): void {
    this.#chain.begin(scope);
  }

  /** A piece of the text. */
  bytes(bytes: Uint8Array, start: number, end: number): void {
    this.#chain.bytes(bytes, start, end);
  }

  /** Ends the text: the number of the same text before it, or -1. `number` is from 0 to 2^53. */
  end(number: number): number {
    this.#chain.endText();
    const hash = this.#hash;
    hash.fill(0);
    this.#chain.addTo(hash);
    hash[3] |= 1;
    return this.add(hash, 0, number);
  }

  /** The same for a hash that lies at `from`. */
  add(hash: Uint32Array, from: number, number: number): number {
    let at = (hash[from] & (this.#slots - 1)) * RECORD_WORDS;
    const table = this.#table;
    const end = this.#slots * RECORD_WORDS;
    while (table[at + 3] !== 0) {
      if (isSameHash(table, at, hash, from)) return table[at + 4] * TWO_32 + table[at + 5];
      at += RECORD_WORDS;
      if (at === end) at = 0;
    }
    for (let i = 0; i < 4; i++) table[at + i] = hash[from + i];
    table[at + 4] = Math.floor(number / TWO_32);
    table[at + 5] = number % TWO_32;
    if (++this.#count * 2 > this.#slots) this.#makeRoom();
    return -1;
  }

  #makeRoom(): void {
    if (this.#spill !== undefined && this.#count >= this.#maxRecords) {
      this.#spillAll(this.#spill);
      return;
    }
    const records = this.#records();
    this.#slots *= 2;
    const words = this.#slots * RECORD_WORDS;
    if (this.#table.length < words) this.#table = new Uint32Array(words);
    else this.#table.fill(0, 0, words);
    const count = this.#count;
    this.#count = 0;
    for (let i = 0; i < count; i++) this.#put(records, i * RECORD_WORDS);
  }

  #spillAll(spill: RecordSpill): void {
    spill.take(this.#records(), this.#count);
    this.#isSpilled = true;
    this.#table.fill(0);
    this.#count = 0;
  }

  /** What is held, without the free places. */
  #records(): Uint32Array {
    const records = new Uint32Array(this.#count * RECORD_WORDS);
    let to = 0;
    for (let at = 0; at < this.#slots * RECORD_WORDS; at += RECORD_WORDS) {
      if (this.#table[at + 3] === 0) continue;
      records.set(this.#table.subarray(at, at + RECORD_WORDS), to);
      to += RECORD_WORDS;
    }
    return records;
  }

  #put(records: Uint32Array, from: number): void {
    this.add(records, from, records[from + 4] * TWO_32 + records[from + 5]);
  }
}

function isSameHash(a: Uint32Array, from: number, b: Uint32Array, start: number): boolean {
  for (let i = 0; i < 4; i++) if (a[from + i] !== b[start + i]) return false;
  return true;
}
