import { CodedError } from '../base/index.ts';
import { updateCrc64Kernel } from '../kernels/index.ts';
import { createCrc64, equalsCrc64, updateCrc64 } from './kernels/crc64.ts';
import {
  FIRST_OPCODE,
  isKnownFormat,
  MAGIC_BYTES,
  MAX_SIDE_RECORD_BYTES,
  OPCODE,
  parseMagic,
  type RdbFormat,
  TYPE,
} from './format.ts';
import { RdbCursor } from './cursor.ts';
import { ValueSkipper } from './value-skipper.ts';

/** From here on the kernel's checksum is worth the copy. */
const KERNEL_BYTES = 512;

/** What a dump holds beside its keys; every call's bytes are the callee's to keep. */
export interface RdbSideRecords {
  aux(name: string, value: Buffer): void;
  /** The source of one function library, `#!engine name=…`. */
  functionLibrary(source: Buffer): void;
  /** A module's own data: the whole record from the opcode on. */
  moduleAux(record: Buffer): void;
  /** A HASH_TEMPLATE record from the opcode on: needed to read the values that refer to it. */
  hashTemplate(record: Buffer): void;
}

/**
 * Walks through an RDB that arrives in any pieces and finds where its keys begin and end, without
 * decoding them (1 to 4 GB/s). It reads what is not a key (AUX, functions, databases), checks the
 * checksum, and knows the last place where the bytes so far may be cut. It is the only part that
 * sees the whole stream; everything behind it works on batches.
 */
export class RdbScanner {
  format: RdbFormat | undefined;
  /** Bytes consumed so far. */
  offset = 0;
  /** The last cut: behind a whole key or a side record. */
  boundaryOffset = 0;
  boundaryDb = 0;
  boundaryKeys = 0;
  /** Whether the end opcode and the checksum have been consumed. */
  done = false;
  /** Set at the end: false when the writer did not compute one (or the format has none). */
  checksumVerified = false;
  /** KeyDB member expiries, which no other format can carry. */
  subexpiries = 0;

  readonly #side: RdbSideRecords;
  readonly #value = new ValueSkipper();
  readonly #crc = createCrc64();
  readonly #templateSizes = new Map<number, number>();
  #db = 0;
  #keys = 0;
  /** A record that must be whole before it is read: where it could not go on. */
  #state: 'magic' | 'opcode' | 'key' | 'value' | 'keyMeta' | 'checksum' = 'magic';
  #type = 0;
  /** An expiry or another opcode of the next key has been read: no cut before its value. */
  #inKey = false;

  constructor(side: RdbSideRecords) {
    this.#side = side;
  }

  /** Keys seen to their end. */
  get keys(): number {
    return this.#keys;
  }

  /**
   * Consumes what it can of `[start, end)`, whose first byte lies at `this.offset`, and returns
   * where it stopped. What is left must be given again, in front of what comes next. Throws
   * RDB_CORRUPT, RDB_UNSUPPORTED, RDB_CHECKSUM, each with its offset.
   */
  scan(bytes: Uint8Array, start: number, end: number): number {
    const base = this.offset - start;
    let pos = start;
    let crcFrom = start;
    while (!this.done) {
      if (this.#state === 'checksum') {
        this.#addToChecksum(bytes, crcFrom, pos);
        crcFrom = pos;
        const after = this.#checksum(bytes, pos, end, base);
        if (after < 0) break;
        pos = after;
        crcFrom = after;
        break;
      }
      const after = this.#step(bytes, pos, end, base);
      if (after < 0) break;
      pos = after;
    }
    if (pos > crcFrom) this.#addToChecksum(bytes, crcFrom, pos);
    this.offset = base + pos;
    return pos;
  }

  /** Called when the input ended: throws RDB_TRUNCATED unless the dump is complete. */
  finish(): void {
    if (this.done) return;
    throw new CodedError('RDB_TRUNCATED', `The RDB ends at offset ${this.offset} inside its data`, {
      offset: this.offset,
    });
  }

  /** One step of the state machine; the position behind it, or -1 when it needs more input. */
  #step(bytes: Uint8Array, pos: number, end: number, base: number): number {
    switch (this.#state) {
      case 'opcode':
        return pos < end ? this.#opcode(bytes, pos, end, base) : -1;
      case 'key': {
        const after = this.#key(bytes, pos, end, base);
        if (this.#state === 'key') return after > pos ? after : -1;
        return after;
      }
      case 'value':
      case 'keyMeta': {
        const after = this.#value.run(bytes, pos, end, base);
        if (!this.#value.done) return after > pos ? after : -1;
        if (this.#state === 'value') this.#endKey(base + after);
        this.#state = 'opcode';
        return after;
      }
      default:
        return this.#magic(bytes, pos, end);
    }
  }

  #magic(bytes: Uint8Array, pos: number, end: number): number {
    if (end - pos < MAGIC_BYTES) return -1;
    const format = parseMagic(bytes, pos);
    if (format === undefined) {
      throw new CodedError('RDB_CORRUPT', 'The input does not begin like an RDB', { offset: 0 });
    }
    if (!isKnownFormat(format)) {
      throw new CodedError(
        'RDB_UNSUPPORTED',
        `Cannot read RDB version ${format.version} (${format.dialect})`,
        { offset: 0 },
      );
    }
    this.format = format;
    this.#state = 'opcode';
    this.#cut(MAGIC_BYTES);
    return pos + MAGIC_BYTES;
  }

  #cut(offset: number): void {
    this.boundaryOffset = offset;
    this.boundaryDb = this.#db;
    this.boundaryKeys = this.#keys;
  }

  #endKey(offset: number): void {
    this.#keys++;
    this.#inKey = false;
    this.#cut(offset);
  }

  /** The key string is skipped as a value of its own. */
  #key(bytes: Uint8Array, pos: number, end: number, base: number): number {
    const after = this.#value.run(bytes, pos, end, base);
    if (!this.#value.done) return after;
    const known = this.#value.begin(this.#type, this.#knownFormat(), (id) =>
      this.#templateSize(id),
    );
    if (!known) throw unknown(`value type ${this.#type}`, base + pos, this.#knownFormat());
    this.#state = 'value';
    return after;
  }

  #opcode(bytes: Uint8Array, pos: number, end: number, base: number): number {
    const opcode = bytes[pos];
    if (opcode < FIRST_OPCODE) {
      if (opcode === TYPE.string && !this.#inKey) {
        const after = skipShortPair(bytes, pos + 1, end);
        if (after > 0) {
          this.#endKey(base + after);
          return after;
        }
      }
      this.#type = opcode;
      this.#inKey = true;
      this.#value.begin(0, this.#knownFormat());
      this.#state = 'key';
      return pos + 1;
    }
    switch (opcode) {
      case OPCODE.expireMs:
        return this.#keyOpcode(pos + 9, end);
      case OPCODE.expireSeconds:
        return this.#keyOpcode(pos + 5, end);
      case OPCODE.frequency:
        return this.#keyOpcode(pos + 2, end);
      case OPCODE.keyMetaOrSlotImport:
        if (this.#knownFormat().dialect === 'redis') {
          this.#value.beginKeyMeta();
          this.#inKey = true;
          this.#state = 'keyMeta';
          return pos + 1;
        }
        break;
      case OPCODE.eof:
        this.#endOfData(base + pos);
        return pos + 1;
      default:
    }
    return this.#wholeRecord(bytes, pos, end, base);
  }

  #keyOpcode(after: number, end: number): number {
    if (after > end) return -1;
    this.#inKey = true;
    return after;
  }

  #endOfData(offset: number): void {
    if (this.#inKey) throw corruptAt('the end of the data inside a key', offset);
    this.#cut(offset);
    this.#state = 'checksum';
  }

  /** Records that are read only when they are whole: small ones, and those we must keep. */
  #wholeRecord(bytes: Uint8Array, pos: number, end: number, base: number): number {
    const cursor = new RdbCursor(bytes, pos, end, base);
    try {
      this.#readRecord(cursor, bytes, pos);
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'RDB_TRUNCATED') throw error;
      if (end - pos > MAX_SIDE_RECORD_BYTES) {
        throw unknown('a side record of more than 64 MiB', base + pos, this.#knownFormat());
      }
      return -1;
    }
    if (!this.#inKey) this.#cut(base + cursor.pos);
    return cursor.pos;
  }

  #readRecord(cursor: RdbCursor, bytes: Uint8Array, pos: number): void {
    const { dialect } = this.#knownFormat();
    const opcode = cursor.byte();
    switch (opcode) {
      case OPCODE.idle:
        cursor.length();
        this.#inKey = true;
        return;
      case OPCODE.selectDb:
        this.#selectDb(cursor);
        return;
      case OPCODE.resizeDb:
        cursor.length();
        cursor.length();
        return;
      case OPCODE.slotInfo:
        for (let i = 0; i < 3; i++) cursor.length();
        return;
      case OPCODE.aux:
        this.#aux(cursor);
        return;
      case OPCODE.function:
        this.#side.functionLibrary(cursor.copyString(MAX_SIDE_RECORD_BYTES));
        return;
      case OPCODE.moduleAux:
        this.#moduleAux(cursor, bytes, pos);
        return;
      case OPCODE.keyMetaOrSlotImport:
        cursor.copyString(MAX_SIDE_RECORD_BYTES);
        for (let n = cursor.length(); n > 0; n--) {
          cursor.length();
          cursor.length();
        }
        return;
      default:
        if (opcode !== OPCODE.hashTemplate || dialect !== 'redis') {
          throw unknown(`opcode ${opcode}`, cursor.offset - 1, this.#knownFormat());
        }
        this.#template(cursor, bytes, pos);
    }
  }

  #selectDb(cursor: RdbCursor): void {
    const at = cursor.offset;
    const db = cursor.length();
    if (db > 0x7fff_ffff) throw corruptAt(`database number ${db}`, at);
    if (this.#inKey) throw corruptAt('a database change inside a key', at);
    this.#db = db;
  }

  #aux(cursor: RdbCursor): void {
    const name = cursor.copyString(MAX_SIDE_RECORD_BYTES).toString('latin1');
    const value = cursor.copyString(MAX_SIDE_RECORD_BYTES);
    if (name === 'keydb-subexpire-key') this.subexpiries++;
    this.#side.aux(name, value);
  }

  #moduleAux(cursor: RdbCursor, bytes: Uint8Array, pos: number): void {
    // A module's id uses all 64 bits.
    cursor.bigLength();
    cursor.length();
    cursor.length();
    const skipper = new ValueSkipper();
    skipper.beginModuleStream();
    cursor.pos = skipper.run(bytes, cursor.pos, cursor.end, cursor.base);
    if (!skipper.done) cursor.need(cursor.end - cursor.pos + 1);
    this.#side.moduleAux(Buffer.from(bytes.subarray(pos, cursor.pos)));
  }

  #template(cursor: RdbCursor, bytes: Uint8Array, pos: number): void {
    const id = cursor.length();
    const fields = cursor.length();
    for (let i = 0; i < fields; i++) cursor.copyString(MAX_SIDE_RECORD_BYTES);
    this.#templateSizes.set(id, fields);
    this.#side.hashTemplate(Buffer.from(bytes.subarray(pos, cursor.pos)));
  }

  #templateSize(id: number): number {
    const size = this.#templateSizes.get(id);
    if (size === undefined) throw corruptAt(`a reference to hash template ${id}`, this.offset);
    return size;
  }

  #addToChecksum(bytes: Uint8Array, start: number, end: number): void {
    const update = end - start < KERNEL_BYTES ? updateCrc64 : updateCrc64Kernel;
    update(this.#crc, bytes, start, end);
  }

  #checksum(bytes: Uint8Array, pos: number, end: number, base: number): number {
    if (this.#knownFormat().version < 5) {
      this.done = true;
      return pos;
    }
    if (end - pos < 8) return -1;
    if (equalsCrc64(this.#crc, bytes, pos)) this.checksumVerified = true;
    else if (!equalsCrc64(createCrc64(), bytes, pos)) {
      throw new CodedError(
        'RDB_CHECKSUM',
        `The RDB's checksum does not fit the ${base + pos} bytes before it`,
        { offset: base + pos },
      );
    }
    this.done = true;
    return pos + 8;
  }

  #knownFormat(): RdbFormat {
    if (this.format === undefined) throw corruptAt('data before the magic', this.offset);
    return this.format;
  }
}

/** The commonest key by far, a short one with a short string, in two steps; 0: not so simple. */
function skipShortPair(bytes: Uint8Array, pos: number, end: number): number {
  if (pos >= end || bytes[pos] >= 0x40) return 0;
  const value = pos + 1 + bytes[pos];
  if (value >= end || bytes[value] >= 0x40) return 0;
  const after = value + 1 + bytes[value];
  return after <= end ? after : 0;
}

function corruptAt(what: string, offset: number): CodedError {
  return new CodedError('RDB_CORRUPT', `Found ${what} at offset ${offset}`, { offset });
}

function unknown(what: string, offset: number, format: RdbFormat): CodedError {
  return new CodedError(
    'RDB_UNSUPPORTED',
    `Cannot read ${what} at offset ${offset} (RDB ${format.version}, ${format.dialect})`,
    { offset },
  );
}
