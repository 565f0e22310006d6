import { CodedError } from '../base/index.ts';
import type { RdbCursor } from './cursor.ts';
import { FIRST_OPCODE, MAGIC_BYTES, MAX_KEY_BYTES, OPCODE, type RdbFormat } from './format.ts';
import { HashTemplates } from './hash-templates.ts';
import { ValueDecoder } from './value-decoder.ts';
import type { ValueKind, ValueSink } from './value-sink.ts';
import { ValueSkipper } from './value-skipper.ts';

/** No expiry; no idle time; no frequency. */
export const NONE = -1;

/** One key as it stands in the dump, before its value. Reused for every key. */
export type EntryHeader = {
  db: number;
  key: Uint8Array;
  keyStart: number;
  keyEnd: number;
  rdbType: number;
  kind: ValueKind;
  /** Unix milliseconds, or NONE. */
  expireAtMs: number;
  idleSeconds: number;
  /** The LFU counter, 0 to 255. */
  frequency: number;
  /** Module metadata of the key (RDB 13), as it stood in the dump; mostly undefined. */
  keyMeta: Uint8Array | undefined;
};

/**
 * Reads entries one after another from a cut piece of a dump: `next()` finds a key, then
 * `readValue` or `skipValue` must consume its value. What is not a key has been read by the scanner
 * already and is passed over.
 */
export class RdbEntryReader {
  readonly header: EntryHeader = {
    db: 0,
    key: EMPTY,
    keyStart: 0,
    keyEnd: 0,
    rdbType: 0,
    kind: 'string',
    expireAtMs: NONE,
    idleSeconds: NONE,
    frequency: NONE,
    keyMeta: undefined,
  };

  readonly #cursor: RdbCursor;
  readonly #format: RdbFormat;
  readonly #templates: HashTemplates;
  readonly #values: ValueDecoder;
  readonly #skipper = new ValueSkipper();
  #keyCopy: Uint8Array = new Uint8Array(64);
  readonly #templateSize = (id: number): number => this.#templates.fields(id).length;

  /** `db`: the database in force where the piece begins. */
  constructor(cursor: RdbCursor, format: RdbFormat, db: number, templates = new HashTemplates()) {
    this.#cursor = cursor;
    this.#format = format;
    this.#templates = templates;
    this.#values = new ValueDecoder(cursor, format, templates);
    this.header.db = db;
    // The dump's first piece begins with its magic, which the scanner has read.
    if (cursor.offset === 0) {
      cursor.need(MAGIC_BYTES);
      cursor.pos += MAGIC_BYTES;
    }
  }

  /**
   * Goes to the next key; false at the end of the piece or of the dump. The key's bytes are valid
   * until the next key. Throws RDB_CORRUPT, RDB_TRUNCATED, RDB_UNSUPPORTED.
   */
  next(): boolean {
    const cursor = this.#cursor;
    const header = this.header;
    header.expireAtMs = NONE;
    header.idleSeconds = NONE;
    header.frequency = NONE;
    header.keyMeta = undefined;
    // A long key's first piece may end behind its expiry: then more is to come.
    let inKey = false;
    while (inKey || cursor.pos < cursor.end) {
      const opcode = cursor.byte();
      if (opcode >= FIRST_OPCODE) {
        if (opcode === OPCODE.eof) return false;
        this.#opcode(opcode);
        inKey = inKey || this.#isOfNextKey(opcode);
        continue;
      }
      header.rdbType = opcode;
      header.kind = this.#values.kindOf(opcode);
      cursor.readString(MAX_KEY_BYTES);
      this.#setKey(cursor);
      return true;
    }
    return false;
  }

  #isOfNextKey(opcode: number): boolean {
    switch (opcode) {
      case OPCODE.expireMs:
      case OPCODE.expireSeconds:
      case OPCODE.idle:
      case OPCODE.frequency:
        return true;
      default:
        return opcode === OPCODE.keyMetaOrSlotImport && this.#format.dialect === 'redis';
    }
  }

  #setKey(cursor: RdbCursor): void {
    const { header } = this;
    header.key = cursor.text;
    header.keyStart = cursor.textStart;
    header.keyEnd = cursor.textEnd;
    if (!cursor.refills && cursor.text === cursor.bytes) return;
    // While the value is read the input's buffer goes back to its owner, and the place of a number
    // or a compressed key is needed again.
    const size = cursor.textEnd - cursor.textStart;
    if (this.#keyCopy.length < size) this.#keyCopy = new Uint8Array(size * 2);
    this.#keyCopy.set(cursor.text.subarray(cursor.textStart, cursor.textEnd));
    header.key = this.#keyCopy;
    header.keyStart = 0;
    header.keyEnd = size;
  }

  readValue(sink: ValueSink): void {
    this.#values.decode(this.header.rdbType, sink);
  }

  skipValue(): void {
    if (!this.#skipper.begin(this.header.rdbType, this.#format, this.#templateSize)) {
      throw this.#values.unsupported(this.header.rdbType);
    }
    this.#runSkipper();
  }

  #opcode(opcode: number): void {
    const cursor = this.#cursor;
    const header = this.header;
    switch (opcode) {
      case OPCODE.expireMs:
        header.expireAtMs = cursor.milliseconds();
        return;
      case OPCODE.expireSeconds:
        header.expireAtMs = cursor.int32() * 1000;
        return;
      case OPCODE.idle:
        header.idleSeconds = cursor.length();
        return;
      case OPCODE.frequency:
        header.frequency = cursor.byte();
        return;
      case OPCODE.selectDb:
        header.db = cursor.length();
        return;
      case OPCODE.resizeDb:
        cursor.length();
        cursor.length();
        return;
      case OPCODE.slotInfo:
        for (let i = 0; i < 3; i++) cursor.length();
        return;
      case OPCODE.aux:
        cursor.readString();
        cursor.readString();
        return;
      case OPCODE.function:
        cursor.readString();
        return;
      case OPCODE.moduleAux:
        cursor.bigLength();
        cursor.length();
        cursor.length();
        this.#skipper.beginModuleStream();
        this.#runSkipper();
        return;
      case OPCODE.keyMetaOrSlotImport:
        this.#keyMetaOrSlotImport();
        return;
      default:
        this.#hashTemplate(opcode);
    }
  }

  #keyMetaOrSlotImport(): void {
    const cursor = this.#cursor;
    if (this.#format.dialect === 'redis') {
      const parts: Buffer[] = [];
      this.#skipper.beginKeyMeta();
      this.#runSkipper(parts);
      this.header.keyMeta = Buffer.concat(parts);
      return;
    }
    cursor.readString();
    for (let n = cursor.length() * 2; n > 0; n--) cursor.length();
  }

  #runSkipper(parts?: Buffer[]): void {
    const cursor = this.#cursor;
    for (;;) {
      const from = cursor.pos;
      cursor.pos = this.#skipper.run(cursor.bytes, from, cursor.end, cursor.base);
      parts?.push(Buffer.from(cursor.bytes.subarray(from, cursor.pos)));
      if (this.#skipper.done) return;
      cursor.fillAny();
    }
  }

  #hashTemplate(opcode: number): void {
    const cursor = this.#cursor;
    if (opcode !== OPCODE.hashTemplate || this.#format.dialect !== 'redis') {
      const offset = cursor.offset - 1;
      throw new CodedError('RDB_UNSUPPORTED', `Cannot read opcode ${opcode} at offset ${offset}`, {
        offset,
      });
    }
    this.#templates.read(cursor);
  }
}

const EMPTY = new Uint8Array(0);
