import { assert, CodedError } from '../../base/index.ts';
import type { Storage } from '../../storage/index.ts';
import { parseDataObject } from '../layout.ts';
import { checkRequirements } from '../records/document.ts';
import { Fields } from '../records/fields.ts';
import type { DataFileRecord } from '../records/manifest.ts';
import { openBlock, sha256 } from './block.ts';
import {
  type BlockRecord,
  checkTrailer,
  DATA_FILE_VERSION,
  decodeDirectory,
  decodeFilter,
  decodeTrailer,
  type Directory,
  type FilterRecord,
  HEADER_PREFIX_BYTES,
  headerFrameLength,
  headerText,
  TRAILER_FRAME_BYTES,
} from './data-file-format.ts';
import { filterMayContain } from './key-filter.ts';

/** No directory of a valid file is larger. */
const MAX_DIRECTORY_BYTES = 128 << 20;

/**
 * Opens a data file by its record in a manifest: reads directory and trailer in one request and
 * checks them against each other and the record. OBJECT_MISSING, OBJECT_CORRUPT.
 */
export async function openDataFile(
  storage: Storage,
  record: DataFileRecord,
  signal?: AbortSignal,
): Promise<DataFileReader> {
  const { name, size, directory: place } = record;
  if (place.length + TRAILER_FRAME_BYTES + place.offset !== size) {
    throw corrupt(name, 'its record places the directory elsewhere than at its end');
  }
  const options = { start: place.offset, end: size, maxBytes: MAX_DIRECTORY_BYTES };
  const tail = await storage.read(name, options, signal);
  const frame = tail.subarray(0, place.length);
  const trailer = tail.subarray(place.length);
  const found = decodeTrailer(trailer, size, name);
  if (found.directoryOffset !== place.offset || found.directoryLength !== place.length) {
    throw corrupt(name, 'its trailer and its record disagree about the directory');
  }
  checkTrailer(trailer, frame, name);
  if (`sha256:${sha256(frame).toString('hex')}` !== place.digest) {
    throw corrupt(name, 'its directory has another SHA-256 than its record');
  }
  const directory = decodeDirectory(frame, place.offset, name);
  checkTotals(directory, record);
  return new DataFileReader(storage, record, directory);
}

/**
 * Reads the header of a data file and checks that it is the file which the record means, and that
 * nothing is required of its reader that this version lacks. OBJECT_CORRUPT, REPOSITORY_CORRUPT,
 * REPOSITORY_UNSUPPORTED.
 */
export async function checkDataFileHeader(
  repository: { readonly id: string; readonly storage: Storage },
  record: DataFileRecord,
  signal?: AbortSignal,
): Promise<void> {
  const { name } = record;
  const { storage } = repository;
  const start = await storage.read(name, { start: 0, end: HEADER_PREFIX_BYTES }, signal);
  const length = headerFrameLength(start, name);
  const frame = await storage.read(name, { start: 0, end: length }, signal);
  const fields = new Fields(parseJson(headerText(frame, name), name), name);
  fields.oneOf('format', ['tidemark-data']);
  fields.integer('formatVersion', 1, DATA_FILE_VERSION);
  checkRequirements(fields.texts('requires'), name);
  fields.oneOf('codec', ['zstd']);
  fields.oneOf('digest', ['sha256']);
  const place = parseDataObject(name);
  const same =
    fields.isNull('cipher') &&
    fields.isNull('keyId') &&
    fields.text('repository') === repository.id &&
    fields.text('source') === place?.source &&
    fields.text('backup') === place.backup &&
    fields.text('shard') === record.shard &&
    fields.integer('sequence') === record.sequence &&
    fields.text('kind') === record.kind;
  if (!same) throw corrupt(name, 'its header names another place');
}

function parseJson(text: string, object: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw corrupt(object, 'its header is no JSON', 0, error);
  }
}

type CheckedFilter = { readonly filter: FilterRecord; readonly bits: Uint8Array };

/** A data file whose directory is in memory. Blocks are read on demand; nothing stays open. */
export class DataFileReader {
  readonly record: DataFileRecord;
  readonly blocks: readonly BlockRecord[];
  readonly filters: readonly FilterRecord[];
  readonly slotRanges: number;
  readonly #storage: Storage;
  readonly #checked = new Map<number, Promise<CheckedFilter[]>>();

  constructor(storage: Storage, record: DataFileRecord, directory: Directory) {
    this.#storage = storage;
    this.record = record;
    this.blocks = directory.blocks;
    this.filters = directory.filters;
    this.slotRanges = directory.slotRanges;
  }

  /** The raw bytes of one block, digest and lengths checked; the caller's to keep. */
  async readBlock(index: number, signal?: AbortSignal): Promise<Buffer> {
    const block = this.#block(index);
    const [stored] = await this.readStored(index, 1, signal);
    try {
      return openBlock(stored, block);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      const found = `block ${index} at ${block.offset}: ${error.message}`;
      throw corrupt(this.record.name, found, block.offset, error);
    }
  }

  /**
   * The stored bytes of `count` neighbouring blocks by one request, for `openBlock` in workers.
   * Nothing is checked yet. They are views of one buffer, which is the caller's.
   */
  async readStored(first: number, count: number, signal?: AbortSignal): Promise<Buffer[]> {
    const start = this.#block(first).offset;
    const last = this.#block(first + count - 1);
    const end = last.offset + last.storedLength;
    const bytes = await this.#storage.read(this.record.name, { start, end }, signal);
    const stored: Buffer[] = [];
    for (const block of this.blocks.slice(first, first + count)) {
      const at = block.offset - start;
      stored.push(bytes.subarray(at, at + block.storedLength));
    }
    return stored;
  }

  /** False: no key with this `murmur3` hash and slot range is in the file, surely. */
  async mayContain(hash: number, range: number, signal?: AbortSignal): Promise<boolean> {
    return (await this.candidateBlocks(hash, range, signal)).length > 0;
  }

  /** Indexes, ascending, of the blocks that may hold lines of a key with this hash and range. */
  async candidateBlocks(hash: number, range: number, signal?: AbortSignal): Promise<number[]> {
    const excluded = new Set<number>();
    for (const { filter, bits } of await this.#filtersOf(range, signal)) {
      if (filterMayContain(bits, filter.probes, hash)) continue;
      for (let i = 0; i < filter.blocks; i++) excluded.add(filter.firstBlock + i);
    }
    // Filters know the keys that begin in their blocks: one that goes on is looked for where it
    // begins, and one that began in an earlier file may be any.
    const candidates = new Set<number>();
    for (const [index, { continues, beginsIn, range: own }] of this.blocks.entries()) {
      const goesOn = continues && (beginsIn === -1 || candidates.has(beginsIn));
      if (own === range && (goesOn || !excluded.has(index))) candidates.add(index);
    }
    return [...candidates];
  }

  /** The bits of one filter, checked. The caller's to keep. */
  async readFilter(index: number, signal?: AbortSignal): Promise<Uint8Array> {
    const filter = this.filters[index];
    assert(filter !== undefined, 'no such filter');
    const range = { start: filter.offset, end: filter.offset + filter.storedLength };
    const frame = await this.#storage.read(this.record.name, range, signal);
    return decodeFilter(frame, filter, this.record.name);
  }

  /** All filters of a slot range; read once, neighbours by one request. */
  #filtersOf(range: number, signal?: AbortSignal): Promise<CheckedFilter[]> {
    let filters = this.#checked.get(range);
    if (filters === undefined) {
      filters = this.#readFilters(range, signal);
      this.#checked.set(range, filters);
      filters.catch(() => this.#checked.delete(range));
    }
    return filters;
  }

  async #readFilters(range: number, signal?: AbortSignal): Promise<CheckedFilter[]> {
    const { name } = this.record;
    const wanted = this.filters.filter((filter) => filter.range === range);
    const checked: CheckedFilter[] = [];
    while (checked.length < wanted.length) {
      const first = checked.length;
      const start = wanted[first].offset;
      let end = start;
      let after = first;
      while (wanted[after]?.offset === end) end += wanted[after++].storedLength;
      const frames = await this.#storage.read(name, { start, end }, signal);
      for (const filter of wanted.slice(first, after)) {
        const at = filter.offset - start;
        const frame = frames.subarray(at, at + filter.storedLength);
        checked.push({ filter, bits: decodeFilter(frame, filter, name) });
      }
    }
    return checked;
  }

  #block(index: number): BlockRecord {
    const block = this.blocks[index];
    if (block !== undefined) return block;
    throw corrupt(this.record.name, `it has ${this.blocks.length} blocks, not number ${index}`);
  }
}

function checkTotals(directory: Directory, record: DataFileRecord): void {
  let entries = 0;
  let rawBytes = 0;
  for (const block of directory.blocks) {
    entries += block.entries;
    rawBytes += block.rawLength;
  }
  const same =
    directory.blocks.length === record.blocks &&
    entries === record.entries &&
    rawBytes === record.rawBytes;
  if (!same) throw corrupt(record.name, 'its directory and its record disagree about the counts');
}

function corrupt(object: string, found: string, offset?: number, cause?: unknown): CodedError {
  const at = offset === undefined ? {} : { offset };
  return new CodedError('OBJECT_CORRUPT', `Cannot read '${object}': ${found}`, {
    object,
    cause,
    ...at,
  });
}
