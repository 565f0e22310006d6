import { type OpaqueInfo, TYPE, type ValueSink } from '../../rdb/index.ts';
import { DistinctTexts, type RecordSpill } from './distinct-texts.ts';
import { ElementTexts } from './element-texts.ts';
import { ForeignStream } from './foreign-stream.ts';
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  type JsonTokens,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
} from './json-tokens.ts';
import { type LineMembers, readDialect } from './line-members.ts';
import { MemberTable } from './member-table.ts';

const MAX_RDB_TYPE = 255;
const MAX_RDB_VERSION = 100_000;
const MAX_INDEX = 2n ** 64n - 1n;
const MODULE_NAME = /^[\w-]{9}$/;

/**
 * Reads the value of a line, of which LineMembers has read the rest, and hands it to a sink.
 * Between the lines of one key it remembers where in the value they stand.
 */
export class ForeignValues {
  readonly #tokens: JsonTokens;
  readonly #members: LineMembers;
  readonly #texts: ElementTexts;
  readonly #stream: ForeignStream;
  /** Members of the present set, hash or sorted set; the number is the line. */
  readonly #distinct: DistinctTexts;
  #line = 0;
  readonly #array = new MemberTable(['insertIndex', 'items']);
  #index = -1n;
  readonly #opaqueTable = new MemberTable(['name', 'rdbType', 'rdbVersion', 'dialect', 'payload']);
  #opaqueInfo: OpaqueInfo | undefined;

  constructor(tokens: JsonTokens, members: LineMembers, spill?: RecordSpill) {
    this.#tokens = tokens;
    this.#members = members;
    this.#texts = new ElementTexts(tokens, members.header);
    this.#stream = new ForeignStream(tokens, members.header, this.#texts);
    this.#distinct = new DistinctTexts(spill);
  }

  /** Reads the value at the tokens' position; `line` is its line's number, for messages. */
  read(sink: ValueSink, line: number): void {
    const { header } = this.#members;
    this.#line = line;
    if (header.part === 0) this.#beginKey(sink);
    this.#texts.beginLine();
    this.#value(sink);
    this.#texts.endLine();
    if (header.entryMore > 0 && header.kind !== 'stream') {
      throw this.#tokens.wrong('"entryMore" is for streams');
    }
    if (this.#members.fieldExpiries.size > 0) {
      const [name] = this.#members.fieldExpiries.keys();
      const shown = JSON.stringify(name.slice(0, 40));
      throw this.#tokens.wrong(`${shown} in "fieldExpireAt" is no field that ends in this line`);
    }
    if (!header.more) this.#endKey(sink);
  }

  #beginKey(sink: ValueSink): void {
    const { header } = this.#members;
    this.#texts.beginKey();
    this.#stream.beginKey();
    this.#index = -1n;
    this.#opaqueInfo = undefined;
    sink.begin(header.kind, header.count);
  }

  #endKey(sink: ValueSink): void {
    this.#texts.endKey();
    const twice = this.#distinct.finish();
    if (twice !== undefined) {
      throw this.#tokens.wrong(`a member that line ${twice.first} has too`);
    }
    if (this.#members.header.kind === 'stream') this.#stream.endKey(sink);
    sink.end();
  }

  #value(sink: ValueSink): void {
    switch (this.#members.header.kind) {
      case 'string':
        this.#tokens.readString();
        this.#texts.takeOnly(sink);
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
        this.#stream.read(sink);
        break;
      case 'array':
        this.#arrayItems(sink);
        break;
      default:
        this.#opaque(sink);
    }
  }

  #items(sink: ValueSink): void {
    const tokens = this.#tokens;
    const texts = this.#texts;
    const isSet = this.#members.header.kind === 'set';
    tokens.demand(OPEN_ARRAY);
    if (tokens.accept(CLOSE_ARRAY)) {
      texts.refuseRest();
      return;
    }
    do {
      tokens.readString();
      const begins = texts.continues === '';
      const isCut = texts.take(sink, 'value', tokens.peek() === CLOSE_ARRAY);
      if (isSet) this.#compare(begins, !isCut);
      if (!isCut) texts.complete();
    } while (tokens.accept(COMMA));
    tokens.demand(CLOSE_ARRAY);
  }

  /** Remembers the text just read, or its piece, as one that must not come again in this key. */
  #compare(begins: boolean, ends: boolean): void {
    const tokens = this.#tokens;
    const distinct = this.#distinct;
    if (begins) distinct.begin(0);
    distinct.bytes(tokens.text, tokens.textStart, tokens.textEnd);
    if (!ends) return;
    const first = distinct.end(this.#line);
    if (first === -1) return;
    const shown = JSON.stringify(tokens.latin1().slice(0, 40));
    const where = first === this.#line ? '' : `: line ${first} has it too`;
    throw tokens.wrong(`the member ${shown} comes twice${where}`);
  }

  #pairs(sink: ValueSink): void {
    const tokens = this.#tokens;
    const texts = this.#texts;
    const isHash = this.#members.header.kind === 'hash';
    tokens.demand(OPEN_OBJECT);
    if (tokens.accept(CLOSE_OBJECT)) {
      texts.refuseRest();
      return;
    }
    do {
      tokens.readString();
      const name = this.#members.fieldExpiries.size === 0 ? '' : tokens.latin1();
      if (texts.continues === 'value') {
        if (tokens.textEnd > tokens.textStart) {
          throw tokens.invalid('an empty name for the rest of a value');
        }
        tokens.demand(COLON);
      } else if (this.#name(sink)) continue;
      if (isHash) this.#fieldValue(sink, name);
      else sink.score(this.#score());
      if (texts.continues === '') texts.complete();
    } while (tokens.accept(COMMA));
    tokens.demand(CLOSE_OBJECT);
  }

  /** The name just read and its colon. True: it goes on in the next line, with null for a value. */
  #name(sink: ValueSink): boolean {
    const tokens = this.#tokens;
    const texts = this.#texts;
    const begins = texts.continues === '';
    // Nothing is decoded here: the name stays where it was read.
    tokens.demand(COLON);
    const isCut = texts.take(sink, 'name', tokens.isNull());
    this.#compare(begins, !isCut);
    if (!isCut) return false;
    tokens.readNull();
    if (tokens.peek() !== CLOSE_OBJECT)
      throw tokens.invalid('the end of the line behind a cut name');
    return true;
  }

  #fieldValue(sink: ValueSink, name: string): void {
    const tokens = this.#tokens;
    tokens.readString();
    const isCut = this.#texts.take(sink, 'value', tokens.peek() === CLOSE_OBJECT);
    const { fieldExpiries } = this.#members;
    if (isCut || fieldExpiries.size === 0) return;
    const expireAtMs = fieldExpiries.get(name);
    if (expireAtMs === undefined) return;
    sink.fieldExpireAt(expireAtMs);
    fieldExpiries.delete(name);
  }

  #score(): number {
    const tokens = this.#tokens;
    if (tokens.peek() !== QUOTE) {
      const start = tokens.pos;
      const value = tokens.readNumber();
      if (Number.isFinite(value)) return value;
      tokens.pos = start;
      throw tokens.invalid('a score within the range of doubles, or "inf"');
    }
    tokens.readString();
    const word = tokens.latin1();
    if (word === 'inf') return Number.POSITIVE_INFINITY;
    if (word === '-inf') return Number.NEGATIVE_INFINITY;
    throw tokens.invalid('a number, "inf" or "-inf"');
  }

  #arrayItems(sink: ValueSink): void {
    const tokens = this.#tokens;
    const table = this.#array;
    const texts = this.#texts;
    table.scan(tokens);
    if (table.find(tokens, 'insertIndex')) {
      if (this.#members.header.part > 0) throw tokens.wrong('"insertIndex" belongs into part 0');
      sink.arrayInsertIndex(this.#readIndex());
    }
    table.need(tokens, 'items');
    tokens.demand(OPEN_ARRAY);
    if (tokens.accept(CLOSE_ARRAY)) texts.refuseRest();
    else {
      do {
        this.#arrayItem(sink);
      } while (tokens.accept(COMMA));
      tokens.demand(CLOSE_ARRAY);
    }
    tokens.pos = table.end;
  }

  #arrayItem(sink: ValueSink): void {
    const tokens = this.#tokens;
    const texts = this.#texts;
    tokens.demand(OPEN_ARRAY);
    const index = this.#readIndex();
    if (texts.continues === '') {
      if (index <= this.#index) throw tokens.wrong('the indexes of an array do not ascend');
      sink.arrayIndex(index);
    } else if (index !== this.#index) throw tokens.wrong('the rest of an item has another index');
    this.#index = index;
    tokens.demand(COMMA);
    tokens.readString();
    // The text is handed on before anything else is decoded.
    const behind = tokens.pos;
    tokens.demand(CLOSE_ARRAY);
    const isLast = tokens.peek() === CLOSE_ARRAY;
    tokens.pos = behind;
    if (!texts.take(sink, 'value', isLast)) texts.complete();
    tokens.demand(CLOSE_ARRAY);
  }

  #readIndex(): bigint {
    const tokens = this.#tokens;
    tokens.readString();
    const digits = tokens.textEnd - tokens.textStart <= 20 ? tokens.latin1() : '';
    const index = /^\d+$/.test(digits) ? BigInt(digits) : MAX_INDEX + 1n;
    if (index > MAX_INDEX) throw tokens.invalid('an index of at most 64 bits as a text');
    return index;
  }

  #opaque(sink: ValueSink): void {
    const tokens = this.#tokens;
    const table = this.#opaqueTable;
    table.scan(tokens);
    const info = this.#readOpaqueInfo();
    const before = this.#opaqueInfo;
    if (before === undefined) {
      this.#opaqueInfo = info;
      sink.opaque(info);
    } else if (JSON.stringify(before) !== JSON.stringify(info)) {
      throw tokens.wrong('the parts of a payload are not of one kind');
    }
    this.#members.header.rdbType = info.rdbType;
    table.need(tokens, 'payload');
    tokens.readString();
    this.#texts.takeOnly(sink);
    tokens.pos = table.end;
  }

  #readOpaqueInfo(): OpaqueInfo {
    const tokens = this.#tokens;
    const table = this.#opaqueTable;
    const { isModule } = this.#members;
    table.need(tokens, 'rdbType');
    const rdbType = tokens.readInteger(0, MAX_RDB_TYPE);
    if (isModule !== (rdbType === TYPE.module)) {
      throw tokens.wrong(`"rdbType" of ${TYPE.module} is for modules, and for them alone`);
    }
    table.need(tokens, 'rdbVersion');
    const rdbVersion = tokens.readInteger(1, MAX_RDB_VERSION);
    table.need(tokens, 'dialect');
    const dialect = readDialect(tokens);
    if (!isModule) {
      if (table.find(tokens, 'name')) throw tokens.wrong('only a module\'s value has a "name"');
      return { rdbType, rdbVersion, dialect, moduleName: null };
    }
    table.need(tokens, 'name');
    tokens.readString();
    const moduleName = tokens.latin1();
    if (!MODULE_NAME.test(moduleName)) throw tokens.invalid('the nine letters of a module');
    return { rdbType, rdbVersion, dialect, moduleName };
  }
}
