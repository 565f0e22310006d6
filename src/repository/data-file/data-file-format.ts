import { assert, CodedError } from '../../base/index.ts';
import { DIGEST_BYTES, MAX_BLOCK_BYTES, sha256 } from './block.ts';

/**
 * The bytes of a data file around its blocks (docs/formats/data-file.md). Whatever is no block lies
 * in a zstd skippable frame, so that `zstd -dc` gives the JSON Lines and nothing else:
 *
 *   57 2A 4D 18 | u32 length of what follows | 4 bytes tag | content
 *
 * All numbers are little-endian. A file is
 *
 *   header TMHD | blocks, each one zstd frame | filters TMFL | directory TMDR | trailer TMTR
 */
const SKIPPABLE_MAGIC = 0x184d2a57;
const PREFIX_BYTES = 12;

/** Enough of a file to ask `headerFrameLength`. */
export const HEADER_PREFIX_BYTES = PREFIX_BYTES;

const HEADER_TAG = 'TMHD';
const FILTER_TAG = 'TMFL';
const DIRECTORY_TAG = 'TMDR';
const TRAILER_TAG = 'TMTR';

export const DATA_FILE_VERSION = 1;
export const TRAILER_FRAME_BYTES = 40;
export const MAX_FILE_BYTES = 4 * 2 ** 30;
export const MAX_BLOCKS = 1 << 20;
export const MAX_SLOT_RANGES = 16;

const MAX_HEADER_BYTES = 64 << 10;
const MAX_FILTERS = 1 << 12;
const DIRECTORY_HEAD_BYTES = 32;
const RECORD_BYTES = 64;
const FLAG_FIRST_PART = 1;
const FLAG_CONTINUES = 2;
const NO_BLOCK = 0xffffffff;

export type DataFileHeader = {
  readonly repository: string;
  readonly source: string;
  readonly backup: string;
  readonly shard: string;
  readonly sequence: number;
  readonly kind: 'entries' | 'instance';
};

export type BlockRecord = {
  readonly offset: number;
  readonly storedLength: number;
  readonly rawLength: number;
  readonly database: number;
  readonly range: number;
  /** Keys whose first line is in this block. */
  readonly entries: number;
  /** The last key of the block is only begun in it: the next block continues it. */
  readonly firstPart: boolean;
  /** The first line continues a key that began in an earlier block. */
  readonly continues: boolean;
  /** Which block begins that key; -1: one of an earlier file. Its own index unless `continues`. */
  readonly beginsIn: number;
  readonly digest: Uint8Array;
};

export type FilterRecord = {
  readonly offset: number;
  /** Of the whole frame. */
  readonly storedLength: number;
  readonly range: number;
  readonly probes: number;
  readonly keys: number;
  /** It covers the blocks of its range among these. */
  readonly firstBlock: number;
  readonly blocks: number;
  /** Of the whole frame. */
  readonly digest: Uint8Array;
};

export type Directory = {
  readonly slotRanges: number;
  readonly blocks: readonly BlockRecord[];
  readonly filters: readonly FilterRecord[];
};

/** A frame that zstd decoders pass over. Segments of the log (log/) are made of the same. */
export function skippableFrame(tag: string, content: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafeSlow(PREFIX_BYTES + content.length);
  frame.writeUInt32LE(SKIPPABLE_MAGIC, 0);
  frame.writeUInt32LE(4 + content.length, 4);
  frame.write(tag, 8, 'latin1');
  frame.set(content, PREFIX_BYTES);
  return frame;
}

/** The content of a skippable frame that must span `frame` and bear this tag. */
export function frameContent(frame: Buffer, tag: string, object: string): Buffer {
  if (frame.length < PREFIX_BYTES || frame.readUInt32LE(0) !== SKIPPABLE_MAGIC) {
    throw corrupt(object, `no ${tag} frame where one should be`);
  }
  if (frame.toString('latin1', 8, 12) !== tag || frame.readUInt32LE(4) + 8 !== frame.length) {
    throw corrupt(object, `its ${tag} frame has another tag or length`);
  }
  return frame.subarray(PREFIX_BYTES);
}

export function encodeHeader(header: DataFileHeader): Buffer {
  return encodeFileHeader('tidemark-data', DATA_FILE_VERSION, header);
}

/** The header frame of a file made of blocks: what it is, and where it belongs. */
export function encodeFileHeader(format: string, formatVersion: number, place: object): Buffer {
  const document = {
    format,
    formatVersion,
    codec: 'zstd',
    cipher: null,
    keyId: null,
    digest: 'sha256',
    requires: [],
    optional: [],
    ...place,
  };
  return skippableFrame(HEADER_TAG, Buffer.from(`${JSON.stringify(document)}\n`));
}

/** How many bytes the header frame has, from its first twelve; OBJECT_CORRUPT when it is none. */
export function headerFrameLength(start: Buffer, object: string): number {
  const isHeader =
    start.length >= PREFIX_BYTES &&
    start.readUInt32LE(0) === SKIPPABLE_MAGIC &&
    start.toString('latin1', 8, 12) === HEADER_TAG;
  if (!isHeader) throw corrupt(object, 'it does not begin like a data file');
  const length = start.readUInt32LE(4) + 8;
  if (length < PREFIX_BYTES || length > MAX_HEADER_BYTES) {
    throw corrupt(object, `its header claims ${length} bytes`);
  }
  return length;
}

/** The JSON text inside a header frame. */
export function headerText(frame: Buffer, object: string): string {
  return frameContent(frame, HEADER_TAG, object).toString('utf8');
}

export function encodeFilter(bits: Uint8Array): Buffer {
  return skippableFrame(FILTER_TAG, bits);
}

/** The bits of a filter frame, checked against its record. */
export function decodeFilter(frame: Buffer, record: FilterRecord, object: string): Buffer {
  if (!sha256(frame).equals(record.digest)) throw corrupt(object, 'a filter has another SHA-256');
  const bits = frameContent(frame, FILTER_TAG, object);
  if (bits.length === 0) throw corrupt(object, 'a filter is empty');
  return bits;
}

/**
 *   0  u16 version  u16 record size  u32 blocks  u32 filters  u32 slot ranges  16 zero bytes
 *  32  a record per block:  0 u64 offset  8 u32 stored length  12 u32 raw length  16 u32 database
 *                          20 u16 range  22 u16 flags  24 u32 entries  28 u32 beginsIn  32 SHA-256
 *   …  a record per filter: 0 u64 offset  8 u32 stored length  12 u32 keys  16 u32 first block
 *                          20 u16 range  22 u16 probes  24 u32 blocks  28 u32 zero  32 SHA-256
 */
export function encodeDirectory(directory: Directory): Buffer {
  const { blocks, filters, slotRanges } = directory;
  const records = blocks.length + filters.length;
  const content = Buffer.alloc(DIRECTORY_HEAD_BYTES + records * RECORD_BYTES);
  content.writeUInt16LE(DATA_FILE_VERSION, 0);
  content.writeUInt16LE(RECORD_BYTES, 2);
  content.writeUInt32LE(blocks.length, 4);
  content.writeUInt32LE(filters.length, 8);
  content.writeUInt32LE(slotRanges, 12);
  let at = DIRECTORY_HEAD_BYTES;
  for (const block of blocks) {
    const flags = (block.firstPart ? FLAG_FIRST_PART : 0) | (block.continues ? FLAG_CONTINUES : 0);
    content.writeBigUInt64LE(BigInt(block.offset), at);
    content.writeUInt32LE(block.storedLength, at + 8);
    content.writeUInt32LE(block.rawLength, at + 12);
    content.writeUInt32LE(block.database, at + 16);
    content.writeUInt16LE(block.range, at + 20);
    content.writeUInt16LE(flags, at + 22);
    content.writeUInt32LE(block.entries, at + 24);
    content.writeUInt32LE(block.beginsIn < 0 ? NO_BLOCK : block.beginsIn, at + 28);
    content.set(block.digest, at + 32);
    at += RECORD_BYTES;
  }
  for (const filter of filters) {
    content.writeBigUInt64LE(BigInt(filter.offset), at);
    content.writeUInt32LE(filter.storedLength, at + 8);
    content.writeUInt32LE(filter.keys, at + 12);
    content.writeUInt32LE(filter.firstBlock, at + 16);
    content.writeUInt16LE(filter.range, at + 20);
    content.writeUInt16LE(filter.probes, at + 22);
    content.writeUInt32LE(filter.blocks, at + 24);
    content.set(filter.digest, at + 32);
    at += RECORD_BYTES;
  }
  assert(at === content.length, 'a directory of another size');
  return skippableFrame(DIRECTORY_TAG, content);
}

/** Reads a directory frame that begins at `offset` of its file, every field checked. */
export function decodeDirectory(frame: Buffer, offset: number, object: string): Directory {
  const content = frameContent(frame, DIRECTORY_TAG, object);
  if (content.length < DIRECTORY_HEAD_BYTES) throw corrupt(object, 'its directory is cut');
  const version = content.readUInt16LE(0);
  if (version !== DATA_FILE_VERSION) {
    const found = `Cannot read '${object}': its directory has version ${version}`;
    throw new CodedError('REPOSITORY_UNSUPPORTED', found, { object });
  }
  const blockCount = content.readUInt32LE(4);
  const filterCount = content.readUInt32LE(8);
  const slotRanges = content.readUInt32LE(12);
  const expected = DIRECTORY_HEAD_BYTES + (blockCount + filterCount) * RECORD_BYTES;
  const bounded = blockCount <= MAX_BLOCKS && filterCount <= MAX_FILTERS;
  const ranged = slotRanges >= 1 && slotRanges <= MAX_SLOT_RANGES;
  if (!bounded || !ranged || content.readUInt16LE(2) !== RECORD_BYTES) {
    throw corrupt(object, 'its directory has impossible counts');
  }
  if (content.length !== expected) throw corrupt(object, 'its directory has another length');
  const blocks: BlockRecord[] = [];
  const filters: FilterRecord[] = [];
  const limits: Limits = { directoryOffset: offset, slotRanges, object };
  let at = DIRECTORY_HEAD_BYTES;
  for (let i = 0; i < blockCount; i++, at += RECORD_BYTES) {
    blocks.push(decodeBlockRecord(content, at, blocks, limits));
  }
  for (let i = 0; i < filterCount; i++, at += RECORD_BYTES) {
    filters.push(decodeFilterRecord(content, at, blockCount, limits));
  }
  return { slotRanges, blocks, filters };
}

type Limits = {
  readonly directoryOffset: number;
  readonly slotRanges: number;
  readonly object: string;
};

function decodeBlockRecord(
  content: Buffer,
  at: number,
  before: readonly BlockRecord[],
  limits: Limits,
): BlockRecord {
  const index = before.length;
  const previous = before[index - 1];
  const flags = content.readUInt16LE(at + 22);
  const begins = content.readUInt32LE(at + 28);
  const block: BlockRecord = {
    offset: readOffset(content, at, limits),
    storedLength: content.readUInt32LE(at + 8),
    rawLength: content.readUInt32LE(at + 12),
    database: content.readUInt32LE(at + 16),
    range: content.readUInt16LE(at + 20),
    entries: content.readUInt32LE(at + 24),
    firstPart: (flags & FLAG_FIRST_PART) !== 0,
    continues: (flags & FLAG_CONTINUES) !== 0,
    beginsIn: begins === NO_BLOCK ? -1 : begins,
    digest: Buffer.from(content.subarray(at + 32, at + 32 + DIGEST_BYTES)),
  };
  const floor = previous === undefined ? PREFIX_BYTES : previous.offset + previous.storedLength;
  const placed = block.offset >= floor;
  const ends = block.offset + block.storedLength <= limits.directoryOffset;
  const sized = block.storedLength > 0 && block.rawLength > 0 && block.rawLength <= MAX_BLOCK_BYTES;
  const beginsWell = block.continues
    ? block.beginsIn < index &&
      (block.beginsIn !== -1 || index === 0 || before[index - 1].continues)
    : block.beginsIn === index;
  if (!placed || !ends || !sized || block.range >= limits.slotRanges || !beginsWell) {
    throw corrupt(limits.object, `block ${index} of its directory is impossible`);
  }
  return block;
}

function decodeFilterRecord(
  content: Buffer,
  at: number,
  blockCount: number,
  limits: Limits,
): FilterRecord {
  const filter: FilterRecord = {
    offset: readOffset(content, at, limits),
    storedLength: content.readUInt32LE(at + 8),
    keys: content.readUInt32LE(at + 12),
    firstBlock: content.readUInt32LE(at + 16),
    range: content.readUInt16LE(at + 20),
    probes: content.readUInt16LE(at + 22),
    blocks: content.readUInt32LE(at + 24),
    digest: Buffer.from(content.subarray(at + 32, at + 32 + DIGEST_BYTES)),
  };
  const placed = filter.offset + filter.storedLength <= limits.directoryOffset;
  const covers = filter.firstBlock + filter.blocks <= blockCount;
  const probed = filter.probes >= 1 && filter.probes <= 32;
  if (!placed || !covers || !probed || filter.range >= limits.slotRanges) {
    throw corrupt(limits.object, 'a filter of its directory is impossible');
  }
  return filter;
}

function readOffset(content: Buffer, at: number, limits: Limits): number {
  const offset = content.readUInt32LE(at) + content.readUInt32LE(at + 4) * 2 ** 32;
  if (offset <= limits.directoryOffset) return offset;
  throw corrupt(limits.object, `an offset of ${offset} lies beyond its directory`);
}

export type Trailer = { readonly directoryOffset: number; readonly directoryLength: number };

/**
 * The last 40 bytes: 8 of frame header, then
 *   0 'TMTR'  4 u16 version  6 u16 zero  8 u64 directory offset  16 u32 directory length
 *  20 u32 zero  24 first 8 bytes of SHA-256 over the directory frame and these first 24 bytes
 */
export function encodeTrailer(directoryOffset: number, directory: Uint8Array): Buffer {
  const content = Buffer.alloc(TRAILER_FRAME_BYTES - PREFIX_BYTES);
  content.writeUInt16LE(DATA_FILE_VERSION, 0);
  content.writeBigUInt64LE(BigInt(directoryOffset), 4);
  content.writeUInt32LE(directory.length, 12);
  const frame = skippableFrame(TRAILER_TAG, content);
  frame.set(trailerCheck(frame, directory), 32);
  return frame;
}

/** Where the trailer, the file's last 40 bytes, says that the directory lies. */
export function decodeTrailer(frame: Buffer, size: number, object: string): Trailer {
  const content = frameContent(frame, TRAILER_TAG, object);
  if (content.length !== TRAILER_FRAME_BYTES - PREFIX_BYTES) {
    throw corrupt(object, 'its trailer has another length');
  }
  const version = content.readUInt16LE(0);
  if (version !== DATA_FILE_VERSION) {
    const found = `Cannot read '${object}': it has data file version ${version}`;
    throw new CodedError('REPOSITORY_UNSUPPORTED', found, { object });
  }
  const directoryOffset = content.readUInt32LE(4) + content.readUInt32LE(8) * 2 ** 32;
  const directoryLength = content.readUInt32LE(12);
  if (directoryOffset + directoryLength + TRAILER_FRAME_BYTES !== size) {
    throw corrupt(object, 'its trailer points elsewhere than to the directory');
  }
  return { directoryOffset, directoryLength };
}

/** Throws unless the trailer's checksum covers this directory frame and the trailer itself. */
export function checkTrailer(trailer: Buffer, directory: Uint8Array, object: string): void {
  if (trailerCheck(trailer, directory).equals(trailer.subarray(32, 40))) return;
  throw corrupt(object, 'the checksum of its directory differs');
}

function trailerCheck(trailer: Buffer, directory: Uint8Array): Buffer {
  return sha256(Buffer.concat([directory, trailer.subarray(8, 32)])).subarray(0, 8);
}

function corrupt(object: string, found: string): CodedError {
  return new CodedError('OBJECT_CORRUPT', `Cannot read '${object}': ${found}`, { object });
}
