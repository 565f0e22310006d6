import { ByteBuilder } from '../../base/index.ts';
import { EntrySelector, entryType, JsonLineReader, ValueDigester } from '../../entries/index.ts';
import type { DigestedBlocks, DigestOptions } from './digest-messages.ts';
import { hashKey, type LineRange, writeRecord } from './key-record.ts';

/**
 * Turns the lines of blocks into records by partition. A long key is read by a reader of its own,
 * block after block, while other blocks may come between. Runs in a worker.
 */
export class BlockDigester {
  readonly #options: DigestOptions;
  readonly #selector: EntrySelector;
  readonly #reader = new JsonLineReader();
  readonly #digester = new ValueDigester();
  readonly #longReader = new JsonLineReader();
  readonly #longDigester = new ValueDigester();
  #isLongWanted = false;
  readonly #partitions: ByteBuilder[];
  readonly #hashes = new Uint32Array(2);

  constructor(options: DigestOptions) {
    this.#options = options;
    this.#selector = new EntrySelector(options.selection);
    this.#partitions = Array.from({ length: options.partitions }, () => new ByteBuilder(1024));
  }

  /** Adds the keys of a block of whole keys. JSONL_INVALID. */
  addBlock(raw: Uint8Array): void {
    const reader = this.#reader;
    reader.open(raw, 0, raw.length);
    while (reader.next()) {
      if (!this.#selector.wants(reader.header)) continue;
      reader.readValue(this.#digester);
      const { lineStart, lineEnd } = reader;
      const fits = lineEnd - lineStart <= this.#options.lineBytes;
      const line = fits ? { bytes: raw, start: lineStart, end: lineEnd } : null;
      this.#addRecord(reader, this.#digester, line);
    }
  }

  /** Adds a block of a long key; its record comes with the last. JSONL_INVALID. */
  addPart(raw: Uint8Array): void {
    const reader = this.#longReader;
    reader.open(raw, 0, raw.length);
    while (reader.next()) {
      if (reader.header.part === 0) this.#isLongWanted = this.#selector.wants(reader.header);
      if (!this.#isLongWanted) continue;
      reader.readValue(this.#longDigester);
      if (!reader.header.more) this.#addRecord(reader, this.#longDigester, null);
    }
  }

  #addRecord(reader: JsonLineReader, digester: ValueDigester, line: LineRange | null): void {
    const { db, key, keyStart, keyEnd, expireAtMs } = reader.header;
    const hashes = this.#hashes;
    hashKey(db, key, keyStart, keyEnd, hashes);
    hashes[0] &= this.#options.hashMask;
    hashes[1] &= this.#options.hashMask;
    const type = entryType(reader.header);
    const fields = { db, key, keyStart, keyEnd, type, expireAtMs, digest: digester };
    writeRecord(this.#partitions[hashes[0] % this.#partitions.length], fields, hashes, line);
  }

  /** What was added since the last call; the caller's to keep. */
  take(): DigestedBlocks {
    const sizes = Uint32Array.from(this.#partitions, ({ length }) => length);
    const records = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
    let at = 0;
    for (const partition of this.#partitions) {
      records.set(partition.view(), at);
      at += partition.length;
      partition.clear();
    }
    return { records, sizes };
  }
}
