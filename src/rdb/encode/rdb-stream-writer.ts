import { assert, ByteBuilder } from '../../base/index.ts';
import { OPCODE } from '../format.ts';
import { createCrc64, updateCrc64, writeCrc64 } from '../kernels/crc64.ts';
import type { ValueKind } from '../value-sink.ts';
import { appendLength, appendRawString, appendString } from './length.ts';
import { appendEntryHead, type EntryAttributes } from './rdb-entry.ts';
import type { TargetFormat } from './target-format.ts';
import { ValueEncoder } from './value-encoder.ts';

/** From this version on there are AUX fields and RESIZEDB. */
const AUX_RDB = 7;
const CHUNK_BYTES = 1 << 18;

/**
 * Writes a whole RDB stream for one target: the constructor the magic, then in this order `aux`,
 * `functionLibrary`, per database `selectDb`, `resizeDb` and entries, at last `finish`. An entry is
 * `entry`, then the calls of a ValueSink on this object up to `end`.
 *
 * Output goes to `write` in chunks, which belong to it from then on. Memory stays bounded by a few
 * MiB as long as values that are larger come with their count (ValueSink `begin`); a single element
 * of a hash with field expiry, an array or a stream is held whole. What a target cannot hold at all
 * is left out: see `representable` after `end`.
 */
export class RdbStreamWriter extends ValueEncoder {
  readonly #write: (chunk: Buffer) => void;
  readonly #record = new ByteBuilder(1024);
  readonly #key = new ByteBuilder(256);
  readonly #crc = createCrc64();
  #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #used = 0;
  #attributes: EntryAttributes = {};
  #count: number | undefined;

  constructor(format: TargetFormat, write: (chunk: Buffer) => void) {
    super(format, {
      head: (type) => this.#head(type),
      body: (bytes, start, end) => this.#emit(bytes, start, end),
    });
    this.#write = write;
    const { dialect, rdbVersion } = format;
    // Valkey has a magic of its own from version 80 on
    const isValkey = dialect === 'valkey' && rdbVersion >= 80;
    this.#record.ascii(isValkey ? 'VALKEY' : 'REDIS');
    this.#record.ascii(String(rdbVersion).padStart(isValkey ? 3 : 4, '0'));
    this.#emitRecord();
  }

  /** Left out for targets that are older than such fields. */
  aux(name: string, value: string | Uint8Array): void {
    if (this.format.rdbVersion < AUX_RDB) return;
    this.#record.byte(OPCODE.aux);
    for (const text of [name, value]) {
      const bytes = typeof text === 'string' ? Buffer.from(text) : text;
      appendString(this.#record, bytes, 0, bytes.length);
    }
    this.#emitRecord();
  }

  /** The whole source of a library; false, and nothing written, if the target has no functions. */
  functionLibrary(source: Uint8Array): boolean {
    if (!this.format.functions) return false;
    this.#record.byte(OPCODE.function);
    appendRawString(this.#record, source, 0, source.length);
    this.#emitRecord();
    return true;
  }

  selectDb(db: number): void {
    this.#record.byte(OPCODE.selectDb);
    appendLength(this.#record, db);
    this.#emitRecord();
  }

  /** How many keys, and keys with an expiry, the database has: a hint for the reader. */
  resizeDb(keys: number, expiring: number): void {
    if (this.format.rdbVersion < AUX_RDB) return;
    this.#record.byte(OPCODE.resizeDb);
    appendLength(this.#record, keys);
    appendLength(this.#record, expiring);
    this.#emitRecord();
  }

  /** Whole entries that `appendRdbEntry` made for the same format. The bytes are copied. */
  entries(records: Uint8Array): void {
    const { buffer, byteOffset, length } = records;
    this.#emit(Buffer.from(buffer, byteOffset, length), 0, length);
  }

  /**
   * Announces the key whose value follows. The bytes are copied. `count` is the number of elements
   * where the producer of the value does not know it and the caller does.
   */
  entry(
    key: Uint8Array,
    start: number,
    end: number,
    attributes: EntryAttributes,
    count?: number,
  ): void {
    this.#key.clear();
    appendString(this.#key, key, start, end);
    this.#attributes = attributes;
    this.#count = count;
  }

  override begin(kind: ValueKind, count: number): void {
    super.begin(kind, this.#count ?? count);
  }

  override end(): void {
    super.end();
    const { buffer } = this;
    if (!buffer.representable || buffer.draining) return;
    this.#head(buffer.type);
    this.#emit(buffer.out.bytes, buffer.start + 1, buffer.out.length);
  }

  /** Writes the end mark and the checksum, and gives out the last chunk. */
  finish(): void {
    this.#record.byte(OPCODE.eof);
    this.#emitRecord();
    this.#checksum();
    const trailer = Buffer.alloc(8);
    writeCrc64(this.#crc, trailer, 0);
    this.#write(this.#chunk.subarray(0, this.#used));
    this.#write(trailer);
    this.#used = 0;
  }

  #head(type: number): void {
    const record = this.#record;
    assert(this.#key.length > 0, 'entry() comes before its value');
    appendEntryHead(record, this.format, this.#attributes, type);
    record.append(this.#key.bytes, 0, this.#key.length);
    this.#key.clear();
    this.#emitRecord();
  }

  #emitRecord(): void {
    this.#emit(this.#record.bytes, 0, this.#record.length);
    this.#record.clear();
  }

  #emit(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (this.#used === this.#chunk.length) this.#flush();
      const size = Math.min(end - at, this.#chunk.length - this.#used);
      bytes.copy(this.#chunk, this.#used, at, at + size);
      this.#used += size;
      at += size;
    }
  }

  #flush(): void {
    this.#checksum();
    this.#write(this.#chunk);
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    this.#used = 0;
  }

  #checksum(): void {
    updateCrc64(this.#crc, this.#chunk, 0, this.#used);
  }
}
