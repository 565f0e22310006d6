import {
  type Dialect,
  type EntryHeader,
  NONE,
  TYPE,
  type ValueKind,
  type ValueSink,
} from '../rdb/index.ts';
import { JsonCursor, literal } from './json-cursor.ts';
import { decodeText, readStreamInfo, type StreamInfoJson } from './json-stream-info.ts';

/** A line's members before its value. `rdbType` is only told for opaque values. */
export type LineHeader = EntryHeader & {
  /** 0 for a key of one line. */
  part: number;
  /** The key goes on in the next line. */
  more: boolean;
  /** Bytes of a string, elements of a collection, where the line says. */
  count: number;
  /** The line ends inside a text: of a name, or of a value or item. */
  elementMore: '' | 'name' | 'value';
  /** All bytes of a long text, where it begins. */
  elementBytes: number;
  /** Pairs of the last stream entry that are not complete in this line. */
  entryMore: number;
  /** Some fields in this line expire. */
  fieldExpiries: boolean;
};

/** The commonest first. */
const KINDS: readonly { readonly type: Buffer; readonly kind: ValueKind }[] = (
  [
    ['string', 'string'],
    ['hash', 'hash'],
    ['set', 'set'],
    ['zset', 'zset'],
    ['list', 'list'],
    ['stream', 'stream'],
    ['array', 'array'],
    ['opaque', 'opaque'],
    ['module', 'opaque'],
  ] as const
).map(([type, kind]) => ({ type: Buffer.from(type), kind }));

const DB = literal('{"db":');
const KEY = literal(',"key":');
const TYPE_MEMBER = literal(',"type":');
const EXPIRY = literal(',"expireAt":');
const IDLE = literal(',"idleSeconds":');
const FREQUENCY = literal(',"frequency":');
const KEY_META = literal(',"keyMeta":');
const PART = literal(',"part":');
const MORE = literal(',"more":true');
const BYTES = literal(',"bytes":');
const ELEMENTS = literal(',"elements":');
const ELEMENT_MORE = literal(',"elementMore":');
const TRUE = literal('true');
const NAME = literal('"name"');
const ELEMENT_BYTES = literal(',"elementBytes":');
const ENTRY_MORE = literal(',"entryMore":');
const FIELD_EXPIRY = literal(',"fieldExpireAt":{');
const VALUE = literal(',"value":');
const ENTRIES = literal('{"entries":[');
const ENTRY_ID = literal('{"id":"');
const ENTRY_FIELDS = literal('","fields":[');
const INSERT_INDEX = literal('"insertIndex":"');
const ITEMS = literal('"items":[');
const NULL = literal('null');
const PAYLOAD = Buffer.from('"payload":');

const LETTER_M = 0x6d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const COMMA = 0x2c;
const COLON = 0x3a;
const NEWLINE = 0x0a;
const QUOTE = 0x22;

/**
 * Reads the lines that JsonLineWriter writes, on bytes, and hands each value to a ValueSink. The
 * parts of a long key are read as one value: `begin` comes with the first, `end` with the last.
 * Throws JSONL_INVALID with the offset in the block.
 */
export class JsonLineReader {
  readonly header: LineHeader = {
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
    part: 0,
    more: false,
    count: NONE,
    elementMore: '',
    elementBytes: NONE,
    entryMore: 0,
    fieldExpiries: false,
  };
  /** The line just read by `next`, without its newline. */
  lineStart = 0;
  lineEnd = 0;

  readonly #cursor = new JsonCursor();
  readonly #expiries = new JsonCursor();
  #key: Buffer = Buffer.alloc(256);
  #hasExpiries = false;
  /** The line before ended inside a text, or inside a stream entry. */
  #textContinues: '' | 'name' | 'value' = '';
  #textTotal = NONE;
  #entryContinues = false;
  #lastEntry = false;
  readonly #streamParts: StreamInfoJson[] = [];
  #streamLength = 0;
  #blockEnd = 0;
  readonly #entryId: [number, number, number, number] = [0, 0, 0, 0];

  /** Begins a block of whole lines. The parts of one key may lie in blocks that follow. */
  open(bytes: Uint8Array, start: number, end: number): void {
    this.#cursor.open(bytes, start, end);
    this.#blockEnd = end;
    this.lineEnd = start - 1;
  }

  /** Goes to the next line and reads its head; false at the end of the block. */
  next(): boolean {
    const cursor = this.#cursor;
    const start = this.lineEnd + 1;
    if (start >= this.#blockEnd) return false;
    const end = cursor.bytes.indexOf(NEWLINE, start);
    if (end < 0 || end >= this.#blockEnd) throw cursor.invalid('the end of a line');
    cursor.pos = start;
    cursor.end = end;
    this.lineStart = start;
    this.lineEnd = end;
    this.#head();
    return true;
  }

  #head(): void {
    const cursor = this.#cursor;
    const header = this.header;
    cursor.expect(DB);
    header.db = cursor.integer();
    cursor.expect(KEY);
    cursor.readText();
    this.#keepKey();
    cursor.expect(TYPE_MEMBER);
    cursor.readText();
    header.kind = kindOf(cursor);
    const isModule = header.kind === 'opaque' && cursor.text[cursor.textStart] === LETTER_M;
    header.rdbType = isModule ? TYPE.module : 0;
    header.expireAtMs = cursor.skip(EXPIRY) ? cursor.integer() : NONE;
    header.idleSeconds = cursor.skip(IDLE) ? cursor.integer() : NONE;
    header.frequency = cursor.skip(FREQUENCY) ? cursor.integer() : NONE;
    header.keyMeta = cursor.skip(KEY_META) ? this.#keyMeta() : undefined;
    this.#partMembers();
    this.#hasExpiries = cursor.skip(FIELD_EXPIRY);
    header.fieldExpiries = this.#hasExpiries;
    if (this.#hasExpiries) this.#skipFieldExpiries();
    cursor.expect(VALUE);
  }

  /** The key outlives the value's texts, so it gets a place of its own. */
  #keepKey(): void {
    const { text, textStart, textEnd } = this.#cursor;
    const size = textEnd - textStart;
    if (this.#key.length < size) this.#key = Buffer.allocUnsafeSlow(size * 2);
    for (let i = 0; i < size; i++) this.#key[i] = text[textStart + i];
    this.header.key = this.#key;
    this.header.keyStart = 0;
    this.header.keyEnd = size;
  }

  #partMembers(): void {
    const cursor = this.#cursor;
    const header = this.header;
    header.part = 0;
    header.more = false;
    header.count = NONE;
    header.elementMore = '';
    header.elementBytes = NONE;
    header.entryMore = 0;
    if (!cursor.skip(PART)) return;
    header.part = cursor.integer();
    header.more = cursor.skip(MORE);
    if (cursor.skip(BYTES) || cursor.skip(ELEMENTS)) header.count = cursor.integer();
    if (cursor.skip(ELEMENT_MORE)) {
      header.elementMore = cursor.skip(TRUE) ? 'value' : 'name';
      if (header.elementMore === 'name') cursor.expect(NAME);
    }
    if (cursor.skip(ELEMENT_BYTES)) header.elementBytes = cursor.integer();
    if (cursor.skip(ENTRY_MORE)) header.entryMore = cursor.integer();
  }

  /** Metadata is opaque to us: its payload, and what it needs to be read again. */
  #keyMeta(): Uint8Array {
    const cursor = this.#cursor;
    const end = cursor.bytes.indexOf(CLOSE_OBJECT, cursor.pos) + 1;
    if (end === 0 || end > cursor.end) throw cursor.invalid('the end of the metadata');
    const json = parseJson(this.#utf8(cursor.pos, end), cursor) as { payload?: unknown };
    if (typeof json.payload !== 'string') throw cursor.invalid('the payload of the metadata');
    cursor.pos = end;
    return decodeText(json.payload);
  }

  #utf8(start: number, end: number): string {
    const { bytes } = this.#cursor;
    return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8');
  }

  /** Remembers where the expiries stand: they are read beside the fields, in the same order. */
  #skipFieldExpiries(): void {
    const cursor = this.#cursor;
    this.#expiries.open(cursor.bytes, cursor.pos, cursor.end);
    do {
      cursor.skipText();
      cursor.expectByte(COLON);
      cursor.integer();
    } while (cursor.skipByte(COMMA));
    cursor.expectByte(CLOSE_OBJECT);
  }

  /** Leaves the value unread. Only for keys of which no part is read. */
  skipValue(): void {
    this.#cursor.pos = this.#cursor.end;
  }

  /** Reads the value of this line. */
  readValue(sink: ValueSink): void {
    const header = this.header;
    if (header.part === 0) this.#beginKey(sink);
    switch (header.kind) {
      case 'string':
        this.#cursor.readText();
        this.#forward(sink, !header.more, header.part === 0 ? header.count : NONE);
        break;
      case 'list':
      case 'set':
        this.#items(sink);
        break;
      case 'hash':
      case 'zset':
        this.#pairs(sink);
        break;
      case 'stream':
        this.#stream(sink);
        break;
      case 'array':
        this.#array(sink);
        break;
      default:
        this.#opaque(sink);
    }
    this.#cursor.expectByte(CLOSE_OBJECT);
    if (this.#cursor.pos !== this.#cursor.end) throw this.#cursor.invalid('the end of the line');
    if (!header.more) sink.end();
  }

  #beginKey(sink: ValueSink): void {
    this.#textContinues = '';
    this.#textTotal = NONE;
    this.#entryContinues = false;
    this.#streamParts.length = 0;
    this.#streamLength = 0;
    sink.begin(this.header.kind, this.header.count);
  }

  /** Hands on the text just read. `total` is known where a long text begins. */
  #forward(sink: ValueSink, last: boolean, total: number): void {
    const { text, textStart, textEnd } = this.#cursor;
    if (total !== NONE) this.#textTotal = total;
    const known = this.#textTotal === NONE ? textEnd - textStart : this.#textTotal;
    sink.text(text, textStart, textEnd, last, known);
    if (last) this.#textTotal = NONE;
  }

  /** A text of a collection; `lastInLine` when the line may end inside it. */
  #element(sink: ValueSink, lastInLine: boolean): void {
    const isCut = lastInLine && this.header.elementMore !== '';
    const begins = this.#textContinues === '';
    this.#forward(sink, !isCut, isCut && begins ? this.header.elementBytes : NONE);
    this.#textContinues = isCut ? this.header.elementMore : '';
  }

  #items(sink: ValueSink): void {
    const cursor = this.#cursor;
    cursor.expectByte(OPEN_ARRAY);
    if (cursor.skipByte(CLOSE_ARRAY)) return;
    do {
      cursor.readText();
      this.#element(sink, cursor.bytes[cursor.pos] === CLOSE_ARRAY);
    } while (cursor.skipByte(COMMA));
    cursor.expectByte(CLOSE_ARRAY);
  }

  #pairs(sink: ValueSink): void {
    const cursor = this.#cursor;
    const isHash = this.header.kind === 'hash';
    cursor.expectByte(OPEN_OBJECT);
    if (cursor.skipByte(CLOSE_OBJECT)) return;
    do {
      const nameStart = cursor.pos;
      cursor.readText();
      const nameEnd = cursor.pos;
      // The rest of a value stands under an empty name.
      if (this.#textContinues !== 'value') {
        // A name that is cut has no value: null stands in its place.
        const isCut = this.header.elementMore === 'name' && this.#isNullNext();
        this.#element(sink, isCut);
        if (isCut) {
          cursor.pos += 1 + NULL.length;
          continue;
        }
      }
      cursor.expectByte(COLON);
      if (isHash) {
        cursor.readText();
        this.#element(sink, cursor.bytes[cursor.pos] === CLOSE_OBJECT);
        if (this.#hasExpiries) this.#fieldExpiry(sink, nameStart, nameEnd);
      } else sink.score(cursor.score());
    } while (cursor.skipByte(COMMA));
    cursor.expectByte(CLOSE_OBJECT);
    if (this.#hasExpiries) throw cursor.invalid('the field of an expiry');
  }

  #isNullNext(): boolean {
    const { bytes, pos } = this.#cursor;
    return bytes[pos] === COLON && bytes[pos + 1] === 0x6e;
  }

  /** Whether the field written at `[start, end)` is the next that expires. */
  #fieldExpiry(sink: ValueSink, start: number, end: number): void {
    const expiries = this.#expiries;
    const { bytes } = this.#cursor;
    for (let i = start; i < end; i++) {
      if (bytes[i] !== expiries.bytes[expiries.pos + i - start]) return;
    }
    expiries.pos += end - start;
    if (!expiries.skipByte(COLON)) {
      expiries.pos -= end - start;
      return;
    }
    sink.fieldExpireAt(expiries.integer());
    this.#hasExpiries = expiries.skipByte(COMMA);
  }

  #stream(sink: ValueSink): void {
    const cursor = this.#cursor;
    cursor.expect(ENTRIES);
    if (!cursor.skipByte(CLOSE_ARRAY)) {
      do this.#entry(sink);
      while (cursor.skipByte(COMMA));
      cursor.expectByte(CLOSE_ARRAY);
    }
    // What is left is small: counters and groups.
    const rest = cursor.end - 1;
    if (cursor.skipByte(COMMA)) {
      const text = `{${this.#utf8(cursor.pos, Math.max(cursor.pos, rest))}`;
      this.#streamParts.push(parseJson(text, cursor) as StreamInfoJson);
      cursor.pos = rest;
    } else cursor.expectByte(CLOSE_OBJECT);
    if (!this.header.more) {
      sink.streamEnd(readStreamInfo(this.#streamParts, this.#streamLength));
    }
  }

  #entry(sink: ValueSink): void {
    const cursor = this.#cursor;
    cursor.expect(ENTRY_ID);
    this.#readId();
    cursor.expect(ENTRY_FIELDS);
    const pairs = this.#countPairs();
    const isCut = this.#lastEntry && this.header.entryMore > 0;
    if (!this.#entryContinues) {
      this.#streamLength++;
      const [msHigh, msLow, seqHigh, seqLow] = this.#entryId;
      const partial = isCut && this.header.elementMore !== '' ? 1 : 0;
      const total = pairs + (isCut ? this.header.entryMore - partial : 0);
      sink.streamEntry(msHigh, msLow, seqHigh, seqLow, total);
    }
    for (let i = 0; i < pairs; i++) {
      if (i > 0) cursor.expectByte(COMMA);
      this.#pair(sink, isCut && i === pairs - 1);
    }
    this.#entryContinues = isCut;
    cursor.expectByte(CLOSE_ARRAY);
    cursor.expectByte(CLOSE_OBJECT);
  }

  /** `["field","value"]`; one text where a name is cut, or where the rest of a value stands. */
  #pair(sink: ValueSink, lastInLine: boolean): void {
    const cursor = this.#cursor;
    cursor.expectByte(OPEN_ARRAY);
    if (this.#textContinues !== 'value') {
      cursor.readText();
      const isCut = lastInLine && this.header.elementMore === 'name';
      this.#element(sink, isCut);
      if (isCut) {
        cursor.expectByte(CLOSE_ARRAY);
        return;
      }
      cursor.expectByte(COMMA);
    }
    cursor.readText();
    this.#element(sink, lastInLine);
    cursor.expectByte(CLOSE_ARRAY);
  }

  /** Looks ahead: pairs of this entry in this line, and whether it is the line's last. */
  #countPairs(): number {
    const cursor = this.#cursor;
    const at = cursor.pos;
    let pairs = 0;
    if (cursor.bytes[cursor.pos] !== CLOSE_ARRAY) {
      do {
        cursor.expectByte(OPEN_ARRAY);
        cursor.skipText();
        if (cursor.skipByte(COMMA)) cursor.skipText();
        cursor.expectByte(CLOSE_ARRAY);
        pairs++;
      } while (cursor.skipByte(COMMA));
    }
    cursor.expectByte(CLOSE_ARRAY);
    cursor.expectByte(CLOSE_OBJECT);
    this.#lastEntry = cursor.bytes[cursor.pos] === CLOSE_ARRAY;
    cursor.pos = at;
    return pairs;
  }

  /** Two unsigned 64-bit numbers in decimal, as words. */
  #readId(): void {
    this.#readWords(0);
    this.#cursor.expectByte(0x2d);
    this.#readWords(2);
  }

  #readWords(at: 0 | 2): void {
    const cursor = this.#cursor;
    const { bytes } = cursor;
    const start = cursor.pos;
    let high = 0;
    let low = 0;
    for (; cursor.pos < cursor.end; cursor.pos++) {
      const digit = bytes[cursor.pos] - 0x30;
      if (digit < 0 || digit > 9) break;
      const product = low * 10 + digit;
      low = product % 0x1_0000_0000;
      high = high * 10 + Math.floor(product / 0x1_0000_0000);
    }
    if (cursor.pos === start || high > 0xffff_ffff) throw cursor.invalid('a stream id');
    this.#entryId[at] = high;
    this.#entryId[at === 0 ? 1 : 3] = low;
  }

  #array(sink: ValueSink): void {
    const cursor = this.#cursor;
    cursor.expectByte(OPEN_OBJECT);
    if (cursor.skip(INSERT_INDEX)) {
      sink.arrayInsertIndex(this.#bigint());
      cursor.expectByte(QUOTE);
      cursor.expectByte(COMMA);
    }
    cursor.expect(ITEMS);
    if (!cursor.skipByte(CLOSE_ARRAY)) {
      do {
        cursor.expectByte(OPEN_ARRAY);
        cursor.expectByte(QUOTE);
        const index = this.#bigint();
        if (this.#textContinues === '') sink.arrayIndex(index);
        cursor.expectByte(QUOTE);
        cursor.expectByte(COMMA);
        cursor.readText();
        cursor.expectByte(CLOSE_ARRAY);
        this.#element(sink, cursor.bytes[cursor.pos] === CLOSE_ARRAY);
      } while (cursor.skipByte(COMMA));
      cursor.expectByte(CLOSE_ARRAY);
    }
    cursor.expectByte(CLOSE_OBJECT);
  }

  #bigint(): bigint {
    const start = this.#cursor.pos;
    while (this.#cursor.bytes[this.#cursor.pos] !== QUOTE) {
      const digit = this.#cursor.bytes[this.#cursor.pos++] - 0x30;
      if (!(digit >= 0 && digit <= 9)) throw this.#cursor.invalid('an index');
    }
    const digits = this.#cursor.pos - start;
    if (digits === 0 || digits > 20) throw this.#cursor.invalid('an index');
    return BigInt(this.#utf8(start, this.#cursor.pos));
  }

  #opaque(sink: ValueSink): void {
    const cursor = this.#cursor;
    const { bytes } = cursor;
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, cursor.end);
    const at = view.indexOf(PAYLOAD, cursor.pos);
    if (at < 0) throw cursor.invalid('a payload');
    const head = parseJson(`${this.#utf8(cursor.pos, at)}"end":0}`, cursor) as OpaqueJson;
    if (!isOpaqueJson(head)) throw cursor.invalid('a payload with its type and version');
    cursor.pos = at + PAYLOAD.length;
    cursor.readText();
    if (this.header.part === 0) {
      this.header.rdbType = head.rdbType;
      sink.opaque({
        rdbType: head.rdbType,
        rdbVersion: head.rdbVersion,
        dialect: head.dialect,
        moduleName: head.name ?? null,
      });
    }
    sink.text(cursor.text, cursor.textStart, cursor.textEnd, !this.header.more, -1);
    cursor.expectByte(CLOSE_OBJECT);
  }
}

type OpaqueJson = {
  readonly name?: string;
  readonly rdbType: number;
  readonly rdbVersion: number;
  readonly dialect: Dialect;
};

function isOpaqueJson({ name, rdbType, rdbVersion, dialect }: OpaqueJson): boolean {
  return (
    (name === undefined || (typeof name === 'string' && /^[\w-]{9}$/.test(name))) &&
    Number.isInteger(rdbType) &&
    Number.isInteger(rdbVersion) &&
    (dialect === 'redis' || dialect === 'valkey')
  );
}

function parseJson(text: string, cursor: JsonCursor): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const invalid = cursor.invalid('valid JSON');
    invalid.cause = error;
    throw invalid;
  }
}

const EMPTY = new Uint8Array(0);

/** The kind of value whose type is the cursor's present text. */
function kindOf(cursor: JsonCursor): ValueKind {
  const { text, textStart, textEnd } = cursor;
  for (const { type, kind } of KINDS) {
    if (type.length !== textEnd - textStart) continue;
    let i = 0;
    while (i < type.length && type[i] === text[textStart + i]) i++;
    if (i === type.length) return kind;
  }
  throw cursor.invalid('a known type');
}
