import { CodedError } from '../base/index.ts';
import type { RdbCursor } from './cursor.ts';
import { IntsetReader } from './encodings/intset.ts';
import type { ElementReader } from './encodings/element-reader.ts';
import { ListpackReader } from './encodings/listpack.ts';
import { ZiplistReader } from './encodings/ziplist.ts';
import { ZipmapReader } from './encodings/zipmap.ts';
import { type RdbFormat, TYPE } from './format.ts';
import type { HashTemplates } from './hash-templates.ts';
import { decodeArray, decodeOpaque } from './rare-values.ts';
import { decodeStream } from './stream-decoder.ts';
import { parseDouble } from './numbers/parse-double.ts';
import type { ValueKind, ValueSink } from './value-sink.ts';

const T = TYPE;

const KINDS: Readonly<Record<number, ValueKind>> = {
  [T.string]: 'string',
  [T.list]: 'list',
  [T.listZiplist]: 'list',
  [T.listQuicklist]: 'list',
  [T.listQuicklist2]: 'list',
  [T.set]: 'set',
  [T.setIntset]: 'set',
  [T.setListpack]: 'set',
  [T.zsetText]: 'zset',
  [T.zset]: 'zset',
  [T.zsetZiplist]: 'zset',
  [T.zsetListpack]: 'zset',
  [T.hash]: 'hash',
  [T.hashZipmap]: 'hash',
  [T.hashZiplist]: 'hash',
  [T.hashListpack]: 'hash',
  [T.module]: 'opaque',
  [T.stream1]: 'stream',
  [T.stream2]: 'stream',
  [T.stream3]: 'stream',
};

const REDIS_KINDS: Readonly<Record<number, ValueKind>> = {
  ...KINDS,
  [T.hash22]: 'opaque',
  [T.hash23]: 'opaque',
  [T.hashExpiry]: 'hash',
  [T.hashListpackExpiry]: 'hash',
  [T.stream4]: 'stream',
  [T.stream5]: 'stream',
  [T.array]: 'array',
  [T.hashTemplateListpack]: 'hash',
  [T.hashTemplateListpackRef]: 'hash',
  [T.hashTemplateFields]: 'hash',
  [T.hashTemplateFieldsRef]: 'hash',
  [T.keydbCron]: 'opaque',
};

const VALKEY_KINDS: Readonly<Record<number, ValueKind>> = { ...KINDS, [T.hash22]: 'hash' };

/**
 * Turns one value of any type and encoding into calls of a ValueSink. The formats are in
 * docs/formats/rdb.md; what each method reads is in its comment. Throws RDB_CORRUPT with the
 * offset.
 */
export class ValueDecoder {
  readonly #cursor: RdbCursor;
  readonly #format: RdbFormat;
  readonly #templates: HashTemplates;
  readonly #kinds: Readonly<Record<number, ValueKind>>;
  readonly #listpack = new ListpackReader();
  readonly #ziplist = new ZiplistReader();
  readonly #intset = new IntsetReader();
  readonly #zipmap = new ZipmapReader();

  constructor(cursor: RdbCursor, format: RdbFormat, templates: HashTemplates) {
    this.#cursor = cursor;
    this.#format = format;
    this.#templates = templates;
    this.#kinds = format.dialect === 'valkey' ? VALKEY_KINDS : REDIS_KINDS;
  }

  /** Throws RDB_UNSUPPORTED for a type that this dialect does not have. */
  kindOf(type: number): ValueKind {
    const kind = this.#kinds[type];
    if (kind === undefined) throw this.unsupported(type);
    return kind;
  }

  unsupported(type: number): CodedError {
    const { offset } = this.#cursor;
    const { version, dialect } = this.#format;
    return new CodedError(
      'RDB_UNSUPPORTED',
      `Cannot read value type ${type} at offset ${offset} (RDB ${version}, ${dialect})`,
      { offset },
    );
  }

  decode(type: number, sink: ValueSink): void {
    switch (this.kindOf(type)) {
      case 'string':
        this.#string(sink);
        break;
      case 'list':
        this.#list(type, sink);
        break;
      case 'set':
        this.#set(type, sink);
        break;
      case 'zset':
        this.#zset(type, sink);
        break;
      case 'hash':
        this.#hash(type, sink);
        break;
      case 'stream':
        decodeStream(this.#cursor, type, this.#listpack, sink);
        break;
      case 'array':
        decodeArray(this.#cursor, sink);
        break;
      default:
        decodeOpaque(this.#cursor, type, this.#format, sink);
    }
    sink.end();
  }

  /** The count is not known before the string's own header has been read. */
  #string(sink: ValueSink): void {
    sink.begin('string', -1);
    this.#cursor.forwardString(sink);
  }

  #list(type: number, sink: ValueSink): void {
    const cursor = this.#cursor;
    if (type === T.listZiplist) {
      const items = this.#open(this.#ziplist);
      sink.begin('list', items.count);
      forwardAll(items, sink);
      return;
    }
    const count = cursor.length();
    // A quicklist tells how many nodes it has, not how many items.
    sink.begin('list', type === T.list ? count : -1);
    for (let i = 0; i < count; i++) {
      if (type === T.list) cursor.forwardString(sink);
      else if (type === T.listQuicklist) forwardAll(this.#open(this.#ziplist), sink);
      else this.#quicklistNode(sink);
    }
  }

  /** A container number (1: the string is one item; 2: a listpack of items), then the string. */
  #quicklistNode(sink: ValueSink): void {
    const container = this.#cursor.length();
    if (container === 1) this.#cursor.forwardString(sink);
    else if (container === 2) forwardAll(this.#open(this.#listpack), sink);
    else throw this.#cursor.corrupt(`list node container ${container}`);
  }

  #set(type: number, sink: ValueSink): void {
    if (type !== T.set) {
      const members = this.#open(type === T.setIntset ? this.#intset : this.#listpack);
      sink.begin('set', members.count);
      forwardAll(members, sink);
      return;
    }
    const count = this.#cursor.length();
    sink.begin('set', count);
    for (let i = 0; i < count; i++) this.#cursor.forwardString(sink);
  }

  #zset(type: number, sink: ValueSink): void {
    if (type === T.zsetZiplist || type === T.zsetListpack) {
      this.#compactZset(type === T.zsetListpack ? this.#listpack : this.#ziplist, sink);
      return;
    }
    const cursor = this.#cursor;
    const count = cursor.length();
    sink.begin('zset', count);
    for (let i = 0; i < count; i++) {
      cursor.forwardString(sink);
      const score = type === T.zset ? cursor.double() : this.#textScore();
      if (Number.isNaN(score)) throw cursor.corrupt('a score that is not a number');
      sink.score(score);
    }
  }

  #compactZset(reader: ElementReader, sink: ValueSink): void {
    const items = this.#open(reader);
    if (items.count > 0 && items.count % 2 === 1) throw items.corrupt('an odd count of a zset');
    sink.begin('zset', items.count < 0 ? -1 : items.count / 2);
    while (items.next()) {
      sink.text(items.bytes, items.start, items.end, true, items.end - items.start);
      if (!items.next()) throw items.corrupt('a member without score');
      sink.score(items.number());
    }
  }

  /** Type 3: a byte of text length, then the text; 253 NaN, 254 infinity, 255 minus infinity. */
  #textScore(): number {
    const cursor = this.#cursor;
    const size = cursor.byte();
    if (size >= 253)
      return [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY][size - 253];
    cursor.need(size);
    cursor.pos += size;
    return parseDouble(cursor.bytes, cursor.pos - size, cursor.pos);
  }

  #hash(type: number, sink: ValueSink): void {
    switch (type) {
      case T.hash:
        this.#plainHash(sink);
        return;
      case T.hashZipmap: {
        const pairs = this.#open(this.#zipmap);
        sink.begin('hash', pairs.count);
        forwardAll(pairs, sink);
        return;
      }
      case T.hashZiplist:
        this.#compactHash(this.#ziplist, sink);
        return;
      case T.hashListpack:
        this.#compactHash(this.#listpack, sink);
        return;
      case T.hash22:
        this.#valkeyHash(sink);
        return;
      case T.hashExpiry:
        this.#expiringHash(sink);
        return;
      case T.hashListpackExpiry:
        this.#expiringListpack(sink);
        return;
      default:
        this.#templateHash(type, sink);
    }
  }

  #plainHash(sink: ValueSink): void {
    const cursor = this.#cursor;
    const count = cursor.length();
    sink.begin('hash', count);
    for (let i = 0; i < count; i++) {
      cursor.forwardString(sink);
      cursor.forwardString(sink);
    }
  }

  #compactHash(reader: ElementReader, sink: ValueSink): void {
    const items = this.#open(reader);
    if (items.count > 0 && items.count % 2 === 1) throw items.corrupt('an odd count of a hash');
    sink.begin('hash', items.count < 0 ? -1 : items.count / 2);
    if (forwardAll(items, sink) % 2 === 1) throw items.corrupt('a field without value');
  }

  /** Valkey 80: n times (field, value, int64 ms; -1: none). */
  #valkeyHash(sink: ValueSink): void {
    const cursor = this.#cursor;
    const count = cursor.length();
    sink.begin('hash', count);
    for (let i = 0; i < count; i++) {
      cursor.forwardString(sink);
      cursor.forwardString(sink);
      const expireAtMs = cursor.milliseconds();
      if (expireAtMs !== -1) sink.fieldExpireAt(expireAtMs);
    }
  }

  /**
   * Redis 7.4: int64 minimum, then n times (t, field, value); t = 0: none, else minimum + t - 1.
   */
  #expiringHash(sink: ValueSink): void {
    const cursor = this.#cursor;
    const minimum = cursor.milliseconds();
    const count = cursor.length();
    sink.begin('hash', count);
    for (let i = 0; i < count; i++) {
      const t = cursor.length();
      cursor.forwardString(sink);
      cursor.forwardString(sink);
      // As a minimum beyond what a number holds exactly, a sum stands for "practically never".
      if (t !== 0) sink.fieldExpireAt(Math.min(minimum + t - 1, Number.MAX_SAFE_INTEGER));
    }
  }

  /** Redis 7.4: int64 minimum (a hint), then a listpack of field, value, ms (0: none). */
  #expiringListpack(sink: ValueSink): void {
    this.#cursor.milliseconds();
    const items = this.#open(this.#listpack);
    if (items.count > 0 && items.count % 3 !== 0) throw items.corrupt('the count of a hash');
    sink.begin('hash', items.count < 0 ? -1 : items.count / 3);
    while (items.next()) {
      forwardElement(items, sink);
      if (!items.next()) throw items.corrupt('a field without value');
      forwardElement(items, sink);
      if (!items.next()) throw items.corrupt('a field without expiry');
      const expireAtMs = items.integer();
      if (expireAtMs !== 0) sink.fieldExpireAt(expireAtMs);
    }
  }

  /**
   * RDB 15. 29, 31: a form byte (0: fields as a listpack; 1: a count and strings), the fields, then
   * the values: 29 a listpack whose first entry is to be ignored, 31 a string each. 30: a listpack,
   * first the template's id. 32: the id, then a string each.
   */
  #templateHash(type: number, sink: ValueSink): void {
    const cursor = this.#cursor;
    const inListpack = type === T.hashTemplateListpack || type === T.hashTemplateListpackRef;
    const refers = type === T.hashTemplateListpackRef || type === T.hashTemplateFieldsRef;
    let fields: readonly Uint8Array[] = refers ? [] : this.#ownFields();
    if (!inListpack) {
      if (refers) fields = this.#templates.fields(cursor.length());
      sink.begin('hash', fields.length);
      for (const field of fields) {
        sink.text(field, 0, field.length, true, field.length);
        cursor.forwardString(sink);
      }
      return;
    }
    const values = this.#open(this.#listpack);
    if (!values.next()) throw values.corrupt('a template id');
    if (refers) fields = this.#templates.fields(values.integer());
    sink.begin('hash', fields.length);
    for (const field of fields) {
      if (!values.next()) throw values.corrupt('a field without value');
      sink.text(field, 0, field.length, true, field.length);
      forwardElement(values, sink);
    }
    if (values.next()) throw values.corrupt('a value without field');
  }

  #ownFields(): Uint8Array[] {
    const cursor = this.#cursor;
    const form = cursor.byte();
    const fields: Uint8Array[] = [];
    if (form === 1) {
      for (let left = cursor.length(); left > 0; left--) fields.push(cursor.copyString());
    } else if (form === 0) {
      const names = this.#open(this.#listpack);
      while (names.next()) fields.push(names.bytes.slice(names.start, names.end));
    } else throw cursor.corrupt('a hash template');
    return fields;
  }

  /** Reads the string that holds a compact container and opens it. */
  #open(reader: ElementReader): ElementReader {
    const at = this.#cursor.offset;
    this.#cursor.readString();
    reader.open(this.#cursor.text, this.#cursor.textStart, this.#cursor.textEnd, at);
    return reader;
  }
}

function forwardElement(items: ElementReader, sink: ValueSink): void {
  sink.text(items.bytes, items.start, items.end, true, items.end - items.start);
}

/** Hands on every element; how many there were. */
function forwardAll(items: ElementReader, sink: ValueSink): number {
  let count = 0;
  while (items.next()) {
    forwardElement(items, sink);
    count++;
  }
  return count;
}
