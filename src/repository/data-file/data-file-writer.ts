import { createHash, type Hash } from 'node:crypto';
import { assert } from '../../base/index.ts';
import type { ObjectWriter, Storage } from '../../storage/index.ts';
import type { DataFileRecord } from '../records/manifest.ts';
import { DIGEST_BYTES, MAX_BLOCK_BYTES, type SealedBlock, sha256 } from './block.ts';
import {
  type BlockRecord,
  type DataFileHeader,
  encodeDirectory,
  encodeFilter,
  encodeHeader,
  encodeTrailer,
  type FilterRecord,
  MAX_BLOCKS,
  MAX_FILE_BYTES,
  MAX_SLOT_RANGES,
} from './data-file-format.ts';
import { addToFilter, FILTER_PROBES, filterBits } from './key-filter.ts';

const MIN_TARGET_BYTES = 64 << 20;
const FILES_PER_BACKUP = 500;

/** So many key hashes are held before their filters are written: 16 MiB. */
const MAX_PENDING_KEYS = 4 << 20;

/** Kept free below MAX_FILE_BYTES for filters, directory and trailer. */
const RESERVED_BYTES = 256 << 20;

/** A sealed block and what its file's directory says about it. */
export type DataBlock = SealedBlock & {
  readonly db: number;
  /** Which slot range its keys fall into; 0 where there is only one. */
  readonly range: number;
  /** Keys whose first line is in this block. */
  readonly entries: number;
  /** The last key of the block is only begun in it: the next block continues it. */
  readonly firstPart?: boolean;
  /** The first line continues a key that began in an earlier block. */
  readonly continues?: boolean;
  /** `murmur3` of every key that begins in this block; kept until the file is closed. */
  readonly keyHashes: Uint32Array;
};

/**
 * Writes one data file: blocks in the order of `append`, then filters, directory and trailer. Not
 * visible before `close` resolves, durable then. One call at a time. A block's `stored` bytes are
 * the caller's again when `append` resolves; its `digest` and `keyHashes` stay with the writer.
 */
export class DataFileWriter {
  readonly #object: ObjectWriter;
  readonly #header: DataFileHeader;
  readonly #slotRanges: number;
  readonly #hash: Hash = createHash('sha256');
  readonly #blocks: BlockRecord[] = [];
  readonly #filters: FilterRecord[] = [];
  #pending: Uint32Array[][] = [];
  #pendingKeys = 0;
  #pendingFrom = 0;
  #entries = 0;
  #rawBytes = 0;

  private constructor(object: ObjectWriter, header: DataFileHeader, slotRanges: number) {
    assert(slotRanges >= 1 && slotRanges <= MAX_SLOT_RANGES, 'slot ranges out of bounds');
    this.#object = object;
    this.#header = header;
    this.#slotRanges = slotRanges;
  }

  static async begin(
    storage: Storage,
    name: string,
    header: DataFileHeader,
    slotRanges: number,
    signal?: AbortSignal,
  ): Promise<DataFileWriter> {
    const writer = new DataFileWriter(await storage.create(name, signal), header, slotRanges);
    await writer.#write(encodeHeader(header), signal);
    return writer;
  }

  get name(): string {
    return this.#object.name;
  }

  /** Bytes so far, without filters and directory. */
  get size(): number {
    return this.#object.size;
  }

  /**
   * Whether this file should be closed before a block of `nextLength` stored bytes. A file ends
   * near max(64 MiB, 1/500 of the expected stored bytes of the backup) and never above 4 GiB; a
   * key is only cut in two where it alone would pass that.
   */
  shouldClose(expectedBytes: number, nextLength: number, continues: boolean): boolean {
    if (this.#blocks.length === 0) return false;
    const most = MAX_FILE_BYTES - RESERVED_BYTES;
    const after = this.size + nextLength;
    if (after > most || this.#blocks.length >= MAX_BLOCKS) return true;
    if (continues) return false;
    const target = Math.max(MIN_TARGET_BYTES, Math.ceil(expectedBytes / FILES_PER_BACKUP));
    return this.size >= target || this.#blocks.length >= MAX_BLOCKS >>> 1;
  }

  async append(block: DataBlock, signal?: AbortSignal): Promise<void> {
    this.#check(block);
    const index = this.#blocks.length;
    this.#blocks.push({
      offset: this.size,
      storedLength: block.stored.length,
      rawLength: block.rawLength,
      database: block.db,
      range: block.range,
      entries: block.entries,
      firstPart: block.firstPart === true,
      continues: block.continues === true,
      beginsIn: block.continues === true ? this.#beginningOfOpenKey() : index,
      digest: block.digest,
    });
    this.#entries += block.entries;
    this.#rawBytes += block.rawLength;
    await this.#write(block.stored, signal);
    if (block.keyHashes.length > 0) {
      (this.#pending[block.range] ??= []).push(block.keyHashes);
      this.#pendingKeys += block.keyHashes.length;
      if (this.#pendingKeys >= MAX_PENDING_KEYS) await this.#writeFilters(signal);
    }
  }

  /** Finishes the file, makes it visible and durable. OBJECT_EXISTS when its name is taken. */
  async close(signal?: AbortSignal): Promise<DataFileRecord> {
    await this.#writeFilters(signal);
    const directory = encodeDirectory({
      slotRanges: this.#slotRanges,
      blocks: this.#blocks,
      filters: this.#filters,
    });
    const offset = this.size;
    await this.#write(directory, signal);
    await this.#write(encodeTrailer(offset, directory), signal);
    assert(this.size <= MAX_FILE_BYTES, 'a data file of more than 4 GiB');
    const size = this.size;
    await this.#object.commit(signal);
    return {
      name: this.name,
      kind: this.#header.kind,
      shard: this.#header.shard,
      sequence: this.#header.sequence,
      codec: 'zstd',
      cipher: null,
      keyId: null,
      size,
      digest: `sha256:${this.#hash.digest('hex')}`,
      directory: {
        offset,
        length: directory.length,
        digest: `sha256:${sha256(directory).toString('hex')}`,
      },
      blocks: this.#blocks.length,
      entries: this.#entries,
      rawBytes: this.#rawBytes,
    };
  }

  /** Forgets the file. Never fails. */
  async abort(): Promise<void> {
    await this.#object.abort();
  }

  async #write(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    this.#hash.update(bytes);
    await this.#object.write(bytes, signal);
  }

  #check(block: DataBlock): void {
    const { rawLength, stored, digest, range, entries, db } = block;
    assert(stored.length > 0, 'a block without stored bytes');
    assert(rawLength > 0 && rawLength <= MAX_BLOCK_BYTES, 'a block outside its bounds');
    assert(digest.length === DIGEST_BYTES, 'a block without its SHA-256');
    assert(range >= 0 && range < this.#slotRanges, 'a block outside the slot ranges');
    assert(entries >= 0 && entries <= rawLength, 'a block with impossible entries');
    assert(Number.isInteger(db) && db >= 0 && db < 2 ** 32, 'a block of no database');
    const last = this.#blocks.at(-1);
    assert(last?.firstPart !== true || block.continues === true, 'a key left unfinished');
  }

  /** The block that begins the key which the next block continues. */
  #beginningOfOpenKey(): number {
    const last = this.#blocks.at(-1);
    if (last === undefined) return -1;
    assert(last.firstPart || last.continues, 'a block continues a key that nothing began');
    return last.firstPart ? this.#blocks.length - 1 : last.beginsIn;
  }

  /** One filter per range over the blocks since the last filters, usually since the first. */
  async #writeFilters(signal?: AbortSignal): Promise<void> {
    const pending = this.#pending;
    const firstBlock = this.#pendingFrom;
    this.#pending = [];
    this.#pendingKeys = 0;
    this.#pendingFrom = this.#blocks.length;
    for (const [range, batches] of pending.entries()) {
      if (batches === undefined) continue;
      let keys = 0;
      for (const hashes of batches) keys += hashes.length;
      const bits = new Uint8Array(filterBits(keys) / 8);
      for (const hashes of batches) {
        for (let i = 0; i < hashes.length; i++) addToFilter(bits, hashes[i]);
      }
      const frame = encodeFilter(bits);
      this.#filters.push({
        offset: this.size,
        storedLength: frame.length,
        range,
        probes: FILTER_PROBES,
        keys,
        firstBlock,
        blocks: this.#blocks.length - firstBlock,
        digest: sha256(frame),
      });
      await this.#write(frame, signal);
    }
  }
}
