import type { Difference, SideOfKey } from './difference.ts';
import { RECORD, RecordChunk } from './key-record.ts';
import type { Spill } from './spill.ts';

/** What of one side is in memory at a time. */
const PASS_BYTES = 16 << 20;

/**
 * The differences between two sides in one partition. `onEqual` is told of every equal key. A key
 * that one side has twice (two dumps imported as one backup may) is paired once and added or
 * removed for the rest. A partition larger than `passBytes` is read several times, a share of its
 * hashes each.
 */
export async function* comparePartition(
  before: Spill,
  after: Spill,
  partition: number,
  onEqual: (db: number) => void,
  passBytes = PASS_BYTES,
): AsyncGenerator<Difference> {
  const passes = Math.max(1, Math.ceil(before.bytesOf(partition) / passBytes));
  for (let pass = 0; pass < passes; pass++) {
    const table = new KeyTable(await collect(before, partition, passes, pass));
    for await (const bytes of after.read(partition)) {
      yield* table.compare(new RecordChunk(bytes), passes, pass, onEqual);
    }
    yield* table.unmatched();
  }
}

/** The records whose turn it is, copied together. */
async function collect(
  side: Spill,
  partition: number,
  passes: number,
  pass: number,
): Promise<RecordChunk> {
  const wanted: Uint8Array[] = [];
  let size = 0;
  for await (const bytes of side.read(partition)) {
    const chunk = new RecordChunk(bytes);
    if (passes === 1) wanted.push(chunk.bytes);
    else wanted.push(sharePart(chunk, passes, pass));
    size += wanted[wanted.length - 1].length;
  }
  const together = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const bytes of wanted) {
    together.set(bytes, at);
    at += bytes.length;
  }
  return new RecordChunk(together);
}

function sharePart(chunk: RecordChunk, passes: number, pass: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let word = 0; word < chunk.words.length; ) {
    const next = chunk.next(word);
    if (chunk.words[word + RECORD.hash2] % passes === pass) {
      parts.push(chunk.bytes.subarray(word * 4, next * 4));
    }
    word = next;
  }
  return Buffer.concat(parts);
}

/** Records by hash, in open addressing. */
class KeyTable {
  readonly #records: RecordChunk;
  /** Where each record begins, in words. */
  readonly #starts: Uint32Array;
  /** Number of a record plus one; 0: free. */
  readonly #slots: Uint32Array;
  readonly #mask: number;
  readonly #matched: Uint8Array;

  constructor(records: RecordChunk) {
    this.#records = records;
    const { words } = records;
    let count = 0;
    for (let word = 0; word < words.length; word = records.next(word)) count++;
    let size = 16;
    while (size < count * 2) size *= 2;
    this.#mask = size - 1;
    this.#slots = new Uint32Array(size);
    this.#starts = new Uint32Array(count);
    this.#matched = new Uint8Array(count);
    for (let word = 0, index = 0; word < words.length; word = records.next(word)) {
      this.#starts[index++] = word;
      let slot = this.#slotOf(words, word);
      while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask;
      this.#slots[slot] = index;
    }
  }

  /** Pairs the records of the other side with those of the table. */
  *compare(
    other: RecordChunk,
    passes: number,
    pass: number,
    onEqual: (db: number) => void,
  ): Generator<Difference> {
    const { words } = other;
    for (let word = 0; word < words.length; word = other.next(word)) {
      if (passes > 1 && words[word + RECORD.hash2] % passes !== pass) continue;
      const index = this.#take(other, word);
      const db = words[word + RECORD.db];
      if (index === -1) {
        const key = Buffer.from(other.key(word));
        yield { kind: 'added', db, key, before: null, after: sideOf(other, word) };
        continue;
      }
      const at = this.#starts[index];
      const isSameValue = this.#records.isSameValue(at, other, word);
      if (isSameValue && this.#records.isSameExpiry(at, other, word)) {
        onEqual(db);
        continue;
      }
      yield {
        kind: isSameValue ? 'ttl-changed' : 'changed',
        db,
        key: Buffer.from(other.key(word)),
        before: sideOf(this.#records, at),
        after: sideOf(other, word),
      };
    }
  }

  /** What the other side did not have. */
  *unmatched(): Generator<Difference> {
    for (const [index, word] of this.#starts.entries()) {
      if (this.#matched[index] !== 0) continue;
      const db = this.#records.words[word + RECORD.db];
      const key = Buffer.from(this.#records.key(word));
      yield { kind: 'removed', db, key, before: sideOf(this.#records, word), after: null };
    }
  }

  /** The record of the same key that nothing was paired with yet, or -1. */
  #take(other: RecordChunk, word: number): number {
    let slot = this.#slotOf(other.words, word);
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & this.#mask) {
      const index = this.#slots[slot] - 1;
      if (this.#matched[index] !== 0) continue;
      if (!this.#records.isSameKey(this.#starts[index], other, word)) continue;
      this.#matched[index] = 1;
      return index;
    }
    return -1;
  }

  #slotOf(words: Uint32Array, word: number): number {
    // Partitions took the low bits of the first hash, passes those of the second.
    return (words[word + RECORD.hash2] ^ (words[word + RECORD.hash1] >>> 9)) & this.#mask;
  }
}

function sideOf(records: RecordChunk, word: number): SideOfKey {
  const expireAtMs = records.expireAtMs(word);
  const line = records.line(word);
  return {
    type: records.type(word),
    expireAtMs: expireAtMs < 0 ? null : expireAtMs,
    line: line === null ? null : Buffer.from(line),
  };
}
