import { hash } from 'node:crypto';
import { ByteBuilder } from '../../base/index.ts';
import { ENTRY_TYPES, type EntryType, type ValueDigester } from '../../entries/index.ts';

/**
 * What a comparison has to know of one key. Records are written by workers, spilled, and compared
 * word by word; they live no longer than one run. All numbers are little-endian, and a record is
 * padded to whole words:
 *
 *    0  u32     bytes of the whole record
 *    4  u32 ×2  hash of database and key: chooses partition, pass, place in a table; proves nothing
 *   12  u32     database
 *   16  f64     expiry, Unix milliseconds; -1: none
 *   24  16      value digest
 *   40  u32     bytes of the key
 *   44  u8      index into ENTRY_TYPES
 *   45  u8      1: counters follow · 2: a line follows
 *   46  u16     zero
 *   48  16      the counters of a stream, as a digest, if there are any
 *       …       the key
 *       …       u32 length of the line and the line, if there is one
 */
export const RECORD = { hash1: 1, hash2: 2, db: 3, expiry: 4, digest: 6, keyBytes: 10 } as const;
const HEAD_BYTES = 48;
const HAS_COUNTERS = 1;
const HAS_LINE = 2;
const COUNTERS_BYTES = 16;

const TYPE_INDEX: ReadonlyMap<EntryType, number> = new Map(
  ENTRY_TYPES.map((type, index) => [type, index]),
);

export type KeyFields = {
  readonly db: number;
  readonly key: Uint8Array;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly type: EntryType;
  readonly expireAtMs: number;
  /** Of the value that it was given last. */
  readonly digest: Pick<ValueDigester, 'counters' | 'writeCore'>;
};

/** A line that goes with a record, as a range of `bytes`. */
export type LineRange = {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
};

/** 64 bits over database and key: quick and well spread, not safe against forged keys. */
export function hashKey(
  db: number,
  key: Uint8Array,
  start: number,
  end: number,
  hash: Uint32Array,
): void {
  let a = 0xdeadbeef ^ db;
  let b = Math.imul(0x41c6ce57 ^ db, 0x85ebca6b);
  for (let i = start; i < end; i++) {
    a = Math.imul(a ^ key[i], 0x9e3779b1);
    b = Math.imul(b ^ key[i], 0x5f356495);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  hash[0] = a;
  hash[1] = b;
}

export function writeRecord(
  out: ByteBuilder,
  fields: KeyFields,
  hashes: Uint32Array,
  line: LineRange | null,
): void {
  const { digest, key, keyStart, keyEnd } = fields;
  const keyBytes = keyEnd - keyStart;
  const counters = digest.counters === null ? 0 : COUNTERS_BYTES;
  const lineBytes = line === null ? 0 : 4 + line.end - line.start;
  const size = padded(HEAD_BYTES + counters + keyBytes + lineBytes);
  out.reserve(size);
  const at = out.length;
  const { bytes } = out;
  bytes.writeUInt32LE(size, at);
  bytes.writeUInt32LE(hashes[0], at + 4);
  bytes.writeUInt32LE(hashes[1], at + 8);
  bytes.writeUInt32LE(fields.db, at + 12);
  bytes.writeDoubleLE(fields.expireAtMs, at + 16);
  digest.writeCore(bytes, at + 24);
  bytes.writeUInt32LE(keyBytes, at + 40);
  bytes[at + 44] = TYPE_INDEX.get(fields.type) as number;
  bytes[at + 45] = (counters > 0 ? HAS_COUNTERS : 0) | (line === null ? 0 : HAS_LINE);
  bytes[at + 46] = 0;
  bytes[at + 47] = 0;
  out.length += HEAD_BYTES;
  if (digest.counters !== null) {
    out.append(hash('sha256', digest.counters, 'buffer'), 0, COUNTERS_BYTES);
  }
  out.append(key, keyStart, keyEnd);
  if (line !== null) {
    out.bytes.writeUInt32LE(line.end - line.start, out.length);
    out.length += 4;
    out.append(line.bytes, line.start, line.end);
  }
  while (out.length < at + size) out.byte(0);
}

function padded(size: number): number {
  return (size + 3) & ~3;
}

/** Records that follow one another, as bytes and as words; the bytes begin at a whole word. */
export class RecordChunk {
  readonly bytes: Buffer;
  readonly words: Uint32Array;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  }

  /** Where the record behind the one at `word` begins; both in words. */
  next(word: number): number {
    return word + (this.words[word] >>> 2);
  }

  key(word: number): Buffer {
    const start = this.#keyStart(word);
    return this.bytes.subarray(start, start + this.words[word + RECORD.keyBytes]);
  }

  type(word: number): EntryType {
    return ENTRY_TYPES[this.bytes[word * 4 + 44]];
  }

  expireAtMs(word: number): number {
    return this.bytes.readDoubleLE(word * 4 + 16);
  }

  line(word: number): Buffer | null {
    if ((this.#flags(word) & HAS_LINE) === 0) return null;
    const at = this.#keyStart(word) + this.words[word + RECORD.keyBytes];
    const start = at + 4;
    return this.bytes.subarray(start, start + this.bytes.readUInt32LE(at));
  }

  /** Whether two records are of one key: database and bytes, not only hashes. */
  isSameKey(word: number, other: RecordChunk, at: number): boolean {
    const mine = this.words;
    const theirs = other.words;
    const bytes = mine[word + RECORD.keyBytes];
    if (
      mine[word + RECORD.hash1] !== theirs[at + RECORD.hash1] ||
      mine[word + RECORD.hash2] !== theirs[at + RECORD.hash2] ||
      mine[word + RECORD.db] !== theirs[at + RECORD.db] ||
      bytes !== theirs[at + RECORD.keyBytes]
    ) {
      return false;
    }
    const start = this.#keyStart(word);
    const from = other.#keyStart(at);
    for (let i = 0; i < bytes; i++) {
      if (this.bytes[start + i] !== other.bytes[from + i]) return false;
    }
    return true;
  }

  /** By the rule of value digests: the counters of a stream count where both sides know them. */
  isSameValue(word: number, other: RecordChunk, at: number): boolean {
    for (let i = 0; i < 4; i++) {
      if (this.words[word + RECORD.digest + i] !== other.words[at + RECORD.digest + i])
        return false;
    }
    if ((this.#flags(word) & other.#flags(at) & HAS_COUNTERS) === 0) return true;
    const end = HEAD_BYTES + COUNTERS_BYTES;
    const mine = this.bytes.subarray(word * 4 + HEAD_BYTES, word * 4 + end);
    return mine.equals(other.bytes.subarray(at * 4 + HEAD_BYTES, at * 4 + end));
  }

  isSameExpiry(word: number, other: RecordChunk, at: number): boolean {
    return (
      this.words[word + RECORD.expiry] === other.words[at + RECORD.expiry] &&
      this.words[word + RECORD.expiry + 1] === other.words[at + RECORD.expiry + 1]
    );
  }

  #flags(word: number): number {
    return this.bytes[word * 4 + 45];
  }

  #keyStart(word: number): number {
    const counters = (this.#flags(word) & HAS_COUNTERS) === 0 ? 0 : COUNTERS_BYTES;
    return word * 4 + HEAD_BYTES + counters;
  }
}
