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
import { FILTER_PROBES, type KeyFilter } from './key-filter.ts';

const MIN_TARGET_BYTES = 64 << 20;
const FILES_PER_BACKUP = 500;

/** So many bytes of filters are held before they are written. */
const MAX_PENDING_BYTES = 16 << 20;

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
  /** Of the keys that begin in this block, null where none does; kept until the file is closed. */
  readonly filter: KeyFilter | null;
};

type PendingFilter = KeyFilter & { readonly range: number; readonly block: number };

/**
 * Writes one data file: blocks in the order of `append`, then filters, directory and trailer. Not
 * visible before `close` resolves, durable then. One call at a time. A block's `stored` bytes are
 * the caller's again when `append` resolves; its `digest` and `filter` stay with the writer.
 */
export class DataFileWriter {
  readonly #object: ObjectWriter;
  readonly #header: DataFileHeader;
  readonly #slotRanges: number;
  readonly #hash: Hash = createHash('sha256');
  readonly #blocks: BlockRecord[] = [];
  readonly #filters: FilterRecord[] = [];
  #pending: PendingFilter[] = [];
  #pendingBytes = 0;
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
    try {
      await writer.#write(encodeHeader(header), signal);
      return writer;
    } catch (error) {
      // Nobody else knows of it yet.
      await writer.abort();
      throw error;
    }
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
    if (block.filter !== null) {
      this.#pending.push({ ...block.filter, range: block.range, block: index });
      this.#pendingBytes += block.filter.bits.length;
      if (this.#pendingBytes >= MAX_PENDING_BYTES) await this.#writeFilters(signal);
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

  /** Range after range, so that whoever looks for one key reads its filters by one request. */
  async #writeFilters(signal?: AbortSignal): Promise<void> {
    const pending = this.#pending.sort((a, b) => a.range - b.range || a.block - b.block);
    this.#pending = [];
    this.#pendingBytes = 0;
    const frames: Buffer[] = [];
    let offset = this.size;
    for (const { bits, keys, range, block } of pending) {
      const frame = encodeFilter(bits);
      frames.push(frame);
      this.#filters.push({
        offset,
        storedLength: frame.length,
        range,
        probes: FILTER_PROBES,
        keys,
        firstBlock: block,
        blocks: 1,
        digest: sha256(frame),
      });
      offset += frame.length;
    }
    if (frames.length > 0) await this.#write(Buffer.concat(frames), signal);
  }
}
