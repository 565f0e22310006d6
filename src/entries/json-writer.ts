import { assert, ByteBuilder } from '../base/index.ts';
import {
  DOUBLE_TEXT_BYTES,
  type EntryHeader,
  formatDouble,
  formatSafeInt,
  formatUint64,
  NONE,
  type OpaqueInfo,
  type RdbFormat,
  type StreamInfo,
  TYPE,
  type ValueKind,
  type ValueSink,
} from '../rdb/index.ts';
import { writeStreamEnd } from './json-stream.ts';
import { writeJsonBase64, writeJsonText } from './json-text.ts';

/** A line that grows past this is closed at the next chance, and the key goes on in another. */
export const PART_BYTES = 1 << 20;

/** Takes one line of a key that needs several; `[start, end)` is valid during the call. */
export type PartSink = (
  bytes: Uint8Array,
  start: number,
  end: number,
  first: boolean,
  last: boolean,
) => void;

const COMMA = 0x2c;
const COLON = 0x3a;
const CLOSE_ARRAY = 0x5d;
const NAME = 0;
const VALUE = 1;

function byKind(text: (kind: ValueKind) => string): Record<ValueKind, Buffer> {
  return Object.fromEntries(KINDS.map((kind) => [kind, Buffer.from(text(kind))])) as Record<
    ValueKind,
    Buffer
  >;
}

const KINDS: readonly ValueKind[] = [
  'string',
  'list',
  'set',
  'hash',
  'zset',
  'stream',
  'array',
  'opaque',
];
const BRACKETS: Readonly<Record<ValueKind, readonly [open: string, close: string]>> = {
  string: ['', ''],
  list: ['[', ']'],
  set: ['[', ']'],
  hash: ['{', '}'],
  zset: ['{', '}'],
  stream: ['{"entries":[', '}'],
  array: ['{', ']}'],
  opaque: ['{', '}'],
};
const OPEN = byKind((kind) => `,"value":${BRACKETS[kind][0]}`);
const CLOSE = byKind((kind) => `${BRACKETS[kind][1]}}\n`);
const TYPE_MEMBER = byKind((kind) => `,"type":"${kind}"`);
const MODULE_MEMBER = Buffer.from(',"type":"module"');
const DB_MEMBER = Buffer.from('{"db":');
const KEY_MEMBER = Buffer.from(',"key":');
const EXPIRY_MEMBER = Buffer.from(',"expireAt":');
const IDLE_MEMBER = Buffer.from(',"idleSeconds":');
const FREQUENCY_MEMBER = Buffer.from(',"frequency":');

/**
 * Writes entries as JSON Lines (docs/formats/entries.md), on bytes, nothing allocated per element.
 * A key whose line passes 1 MiB is taken out of the caller's buffer again and handed over in parts,
 * one line each. Lines are cut when the next element begins, so that only then a key is known to go
 * on; or between two pieces of one long text.
 */
export class JsonLineWriter implements ValueSink {
  readonly #onPart: PartSink;
  #out = new ByteBuilder(0);
  #kind: ValueKind = 'string';
  #lineStart = 0;
  /** Where members go that are known only when the line ends. */
  #headEnd = 0;
  #part = 0;
  /** As `begin` gave it; of a string, its bytes. */
  #count = NONE;
  /** Elements in this line. */
  #elements = 0;
  #slot = NAME;
  /** The last text was not whole. */
  #inLongText = false;
  /** The line ends with the rest of a long text, and nothing may follow it. */
  #cutPending = false;
  readonly #prefix = new ByteBuilder(256);
  readonly #members = new ByteBuilder(256);
  readonly #fieldExpiries = new ByteBuilder(256);
  /** The last name in #out, as it is written there. */
  #nameStart = 0;
  #nameEnd = 0;
  /** What reopens a stream entry or an array item in another line. */
  readonly #reopening = new ByteBuilder(64);
  #pairsLeft = 0;
  #opaqueMembers = '';

  constructor(onPart: PartSink) {
    this.#onPart = onPart;
  }

  /** Begins the line of one entry at the end of `out`; its value must be written next. */
  entry(header: EntryHeader, format: RdbFormat, out: ByteBuilder): void {
    this.#out = out;
    this.#kind = header.kind;
    this.#lineStart = out.length;
    this.#part = 0;
    this.#elements = 0;
    this.#slot = NAME;
    this.#inLongText = false;
    this.#cutPending = false;
    this.#fieldExpiries.length = 0;
    out.append(DB_MEMBER);
    this.#integer(header.db);
    out.append(KEY_MEMBER);
    writeJsonText(out, header.key, header.keyStart, header.keyEnd);
    out.append(header.rdbType === TYPE.module ? MODULE_MEMBER : TYPE_MEMBER[header.kind]);
    if (header.expireAtMs !== NONE) this.#member(EXPIRY_MEMBER, header.expireAtMs);
    if (header.idleSeconds !== NONE) this.#member(IDLE_MEMBER, header.idleSeconds);
    if (header.frequency !== NONE) this.#member(FREQUENCY_MEMBER, header.frequency);
    if (header.keyMeta !== undefined) this.#keyMeta(header.keyMeta, format);
    this.#headEnd = out.length;
  }

  begin(kind: ValueKind, count: number): void {
    assert(kind === this.#kind, 'the value is not of the kind that its header says');
    this.#count = count;
    this.#out.append(OPEN[kind]);
  }

  text(bytes: Uint8Array, start: number, end: number, last: boolean, total: number): void {
    const continues = this.#inLongText;
    this.#inLongText = !last;
    if (continues) this.#reopen();
    else this.#beforeText();
    const at = this.#out.length;
    if (this.#kind === 'opaque') writeJsonBase64(this.#out, bytes, start, end);
    else writeJsonText(this.#out, bytes, start, end);
    if (this.#slot === NAME) {
      this.#nameStart = at;
      this.#nameEnd = this.#out.length;
    }
    if (last) this.#afterText(continues);
    else this.#cutInText(continues ? NONE : total);
  }

  score(value: number): void {
    const out = this.#out;
    out.byte(COLON);
    if (Number.isFinite(value)) {
      out.reserve(DOUBLE_TEXT_BYTES);
      out.length = formatDouble(value, out.bytes, out.length);
    } else out.ascii(value > 0 ? '"inf"' : '"-inf"');
    this.#elements++;
  }

  fieldExpireAt(ms: number): void {
    const expiries = this.#fieldExpiries;
    if (expiries.length > 0) expiries.byte(COMMA);
    expiries.append(this.#out.bytes, this.#nameStart, this.#nameEnd);
    expiries.byte(COLON);
    appendInteger(expiries, ms);
  }

  streamEntry(msHigh: number, msLow: number, seqHigh: number, seqLow: number, pairs: number): void {
    const reopening = this.#reopening;
    reopening.clear();
    reopening.ascii('{"id":"');
    reopening.reserve(48);
    reopening.length = formatUint64(msHigh, msLow, reopening.bytes, reopening.length);
    reopening.byte(0x2d);
    reopening.length = formatUint64(seqHigh, seqLow, reopening.bytes, reopening.length);
    reopening.ascii('","fields":[');
    this.#beginElement();
    this.#out.append(reopening.bytes, 0, reopening.length);
    this.#pairsLeft = pairs;
    if (pairs === 0) this.#endStreamEntry();
  }

  streamEnd(info: StreamInfo): void {
    writeStreamEnd(this.#out, info, (close, reopen) => {
      if (this.#out.length - this.#lineStart <= PART_BYTES) return false;
      this.#out.ascii(close);
      this.#closeLine(true, '');
      this.#openLine();
      this.#out.byte(CLOSE_ARRAY);
      reopen();
      return true;
    });
  }

  arrayInsertIndex(index: bigint): void {
    this.#out.ascii(`"insertIndex":"${index}",`);
  }

  arrayIndex(index: bigint): void {
    const reopening = this.#reopening;
    reopening.clear();
    reopening.ascii(`["${index}",`);
    if (this.#elements === 0 && this.#part === 0) this.#out.ascii('"items":[');
    this.#beginElement();
    this.#out.append(reopening.bytes, 0, reopening.length);
  }

  opaque(value: OpaqueInfo): void {
    const name = value.moduleName === null ? '' : `"name":"${value.moduleName}",`;
    this.#opaqueMembers =
      `${name}"rdbType":${value.rdbType},"rdbVersion":${value.rdbVersion},` +
      `"dialect":"${value.dialect}","payload":`;
  }

  end(): void {
    if (this.#kind === 'array' && this.#elements === 0 && this.#part === 0) {
      this.#out.ascii('"items":[');
    }
    this.#closeLine(false, '');
  }

  /** Brackets, commas and names before a text that begins here. */
  #beforeText(): void {
    const out = this.#out;
    switch (this.#kind) {
      case 'list':
      case 'set':
      case 'zset':
        this.#beginElement();
        break;
      case 'hash':
        if (this.#slot === NAME) this.#beginElement();
        else out.byte(COLON);
        break;
      case 'stream':
        if (this.#slot === NAME) this.#beginPair();
        else out.byte(COMMA);
        break;
      case 'opaque':
        out.ascii(this.#opaqueMembers);
        break;
      default:
    }
  }

  #beginElement(): void {
    if (this.#elements === 0) return;
    if (this.#cutPending || this.#out.length - this.#lineStart > PART_BYTES) this.#cut('');
    else this.#out.byte(COMMA);
  }

  /** One pair of a stream entry, which may itself be too long for a line. */
  #beginPair(): void {
    const out = this.#out;
    if (this.#cutPending || out.length - this.#lineStart > PART_BYTES * 2) {
      out.ascii(']}');
      this.#cut(`,"entryMore":${this.#pairsLeft}`);
      out.append(this.#reopening.bytes, 0, this.#reopening.length);
    } else if (out.bytes[out.length - 1] === CLOSE_ARRAY) out.byte(COMMA);
    out.byte(0x5b);
  }

  #afterText(continues: boolean): void {
    const out = this.#out;
    if (this.#kind === 'hash' || this.#kind === 'stream') {
      if (this.#slot === NAME) {
        this.#slot = VALUE;
        this.#cutPending = continues;
        return;
      }
      this.#slot = NAME;
      this.#cutPending ||= continues;
      if (this.#kind === 'stream') {
        out.byte(CLOSE_ARRAY);
        if (--this.#pairsLeft === 0) this.#endStreamEntry();
        return;
      }
    } else {
      this.#cutPending = continues;
      if (this.#kind === 'array') out.byte(CLOSE_ARRAY);
    }
    // The elements of a sorted set end with their score.
    if (this.#kind !== 'zset') this.#elements++;
  }

  #endStreamEntry(): void {
    this.#out.ascii(']}');
    this.#elements++;
  }

  /** The line ends between two pieces of one text. */
  #cutInText(total: number): void {
    const out = this.#out;
    if (this.#kind === 'string' || this.#kind === 'opaque') {
      this.#count = this.#kind === 'string' ? total : NONE;
      this.#cut('');
      return;
    }
    const isName =
      this.#kind === 'zset' ||
      (this.#slot === NAME && this.#kind !== 'list' && this.#kind !== 'set');
    let members =
      isName && this.#kind !== 'array' ? ',"elementMore":"name"' : ',"elementMore":true';
    if (total !== NONE) members += `,"elementBytes":${total}`;
    if (this.#kind === 'array') out.byte(CLOSE_ARRAY);
    else if (this.#kind === 'stream') {
      out.ascii(']]}');
      members += `,"entryMore":${this.#pairsLeft}`;
    } else if (isName) out.ascii(':null');
    this.#cut(members);
  }

  /** What stands before the next piece of a long text, on its new line. */
  #reopen(): void {
    const out = this.#out;
    if (this.#kind === 'opaque') out.ascii(this.#opaqueMembers);
    else if (this.#kind === 'array') out.append(this.#reopening.bytes, 0, this.#reopening.length);
    else if (this.#kind === 'stream') {
      out.append(this.#reopening.bytes, 0, this.#reopening.length);
      out.byte(0x5b);
    } else if (this.#kind === 'hash' && this.#slot === VALUE) {
      this.#nameStart = out.length;
      out.ascii('""');
      this.#nameEnd = out.length;
      out.byte(COLON);
    }
  }

  #cut(members: string): void {
    this.#cutPending = false;
    if (this.#kind === 'stream') this.#out.byte(CLOSE_ARRAY);
    this.#closeLine(true, members);
    this.#openLine();
  }

  #openLine(): void {
    const out = this.#out;
    out.append(this.#prefix.bytes, 0, this.#prefix.length);
    this.#headEnd = out.length;
    this.#elements = 0;
    out.append(OPEN[this.#kind]);
    if (this.#kind === 'array') out.ascii('"items":[');
  }

  /** Ends the line; one of several leaves the buffer. */
  #closeLine(more: boolean, elementMembers: string): void {
    const out = this.#out;
    out.append(CLOSE[this.#kind]);
    const isPart = more || this.#part > 0;
    if (isPart || this.#fieldExpiries.length > 0) this.#insertMembers(isPart, more, elementMembers);
    if (!isPart) return;
    if (this.#part === 0) {
      this.#prefix.clear();
      this.#prefix.append(out.bytes, this.#lineStart, this.#headEnd);
    }
    this.#onPart(out.bytes, this.#lineStart, out.length, this.#part === 0, !more);
    out.length = this.#lineStart;
    this.#part++;
  }

  #insertMembers(isPart: boolean, more: boolean, elementMembers: string): void {
    const members = this.#members;
    members.clear();
    if (isPart) {
      members.ascii(`,"part":${this.#part}`);
      if (more) members.ascii(',"more":true');
      if (this.#part === 0 && this.#count !== NONE) {
        members.ascii(`,"${this.#kind === 'string' ? 'bytes' : 'elements'}":${this.#count}`);
      }
      members.ascii(elementMembers);
    }
    if (this.#fieldExpiries.length > 0) {
      members.ascii(',"fieldExpireAt":{');
      members.append(this.#fieldExpiries.bytes, 0, this.#fieldExpiries.length);
      members.ascii('}');
      this.#fieldExpiries.clear();
    }
    const out = this.#out;
    out.reserve(members.length);
    out.bytes.copyWithin(this.#headEnd + members.length, this.#headEnd, out.length);
    members.view().copy(out.bytes, this.#headEnd);
    out.length += members.length;
  }

  #member(name: Uint8Array, value: number): void {
    this.#out.append(name);
    this.#integer(value);
  }

  #integer(value: number): void {
    appendInteger(this.#out, value);
  }

  #keyMeta(payload: Uint8Array, format: RdbFormat): void {
    const out = this.#out;
    out.ascii(`,"keyMeta":{"rdbVersion":${format.version},"dialect":"${format.dialect}"`);
    out.ascii(`,"payload":"base64:${Buffer.from(payload).toString('base64')}"}`);
  }
}

function appendInteger(out: ByteBuilder, value: number): void {
  out.reserve(20);
  out.length = formatSafeInt(value, out.bytes, out.length);
}
