import { type EntryHeader, NONE, type RdbFormat, TYPE, type ValueKind } from '../../rdb/index.ts';
import type { LineHeader } from '../json-reader.ts';
import { COLON, COMMA, CLOSE_OBJECT, type JsonTokens, OPEN_OBJECT, QUOTE } from './json-tokens.ts';
import { MemberTable } from './member-table.ts';

const KINDS: ReadonlyMap<string, ValueKind> = new Map([
  ['string', 'string'],
  ['list', 'list'],
  ['set', 'set'],
  ['hash', 'hash'],
  ['zset', 'zset'],
  ['stream', 'stream'],
  ['array', 'array'],
  ['opaque', 'opaque'],
  ['module', 'opaque'],
]);

/** What a shard's instance record holds beside keys. */
const INSTANCE_TYPES = ['function', 'script', 'moduleAux', 'info', 'config', 'modules', 'acl'];

const MAX_DB = 2 ** 31 - 1;
const MAX_KEY_BYTES = 6 << 20;
const MAX_FREQUENCY = 255;
const MAX_RDB_VERSION = 100_000;
const { MAX_SAFE_INTEGER, MIN_SAFE_INTEGER } = Number;

/** What the members before a value say, in order; an absent `db` is database 0. */
export class LineMembers {
  readonly header: LineHeader = {
    db: 0,
    key: new Uint8Array(0),
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
  /** In which `header.keyMeta` is written. */
  keyMetaFormat: RdbFormat = { version: 0, dialect: 'redis' };
  /** When fields of this line expire, by their name as its bytes, each a character. */
  readonly fieldExpiries = new Map<string, number>();
  readonly #tokens: JsonTokens;
  readonly #line = new MemberTable([
    'db',
    'key',
    'type',
    'expireAt',
    'idleSeconds',
    'frequency',
    'keyMeta',
    'part',
    'more',
    'bytes',
    'elements',
    'elementMore',
    'elementBytes',
    'entryMore',
    'fieldExpireAt',
    'value',
  ]);
  readonly #usual = this.#line.bitsOf('db', 'key', 'type', 'expireAt', 'value');
  readonly #keyMeta = new MemberTable(['rdbVersion', 'dialect', 'payload']);
  #key: Buffer = Buffer.allocUnsafeSlow(256);
  #type = '';
  #kind: ValueKind = 'string';

  constructor(tokens: JsonTokens) {
    this.#tokens = tokens;
  }

  /** Reads the line that `tokens` stands at. Go on with `findValue`. */
  read(): void {
    const tokens = this.#tokens;
    const header = this.header;
    this.#line.scan(tokens);
    if (tokens.peek() !== -1) throw tokens.invalid('the end of the line');
    header.db = this.#integer('db', 0, MAX_DB, 0);
    this.#readType();
    this.#readKey();
    this.#readExpiry();
    if ((this.#line.present & ~this.#usual) === 0) this.#forgetRest();
    else this.#readRest();
  }

  #readExpiry(): void {
    const { header } = this;
    header.expireAtMs = this.#integer('expireAt', MIN_SAFE_INTEGER, MAX_SAFE_INTEGER, NONE);
    if (header.expireAtMs === NONE && this.#line.find(this.#tokens, 'expireAt')) {
      throw this.#tokens.invalid('an expiry after 1970');
    }
  }

  /** The members that most lines do not have. */
  #readRest(): void {
    const { header } = this;
    header.idleSeconds = this.#integer('idleSeconds', 0, MAX_SAFE_INTEGER, NONE);
    header.frequency = this.#integer('frequency', 0, MAX_FREQUENCY, NONE);
    if (header.idleSeconds !== NONE && header.frequency !== NONE) {
      throw this.#tokens.wrong('a key has either "idleSeconds" or "frequency"');
    }
    header.keyMeta = this.#readKeyMeta();
    this.#readPart();
    this.#readFieldExpiries();
  }

  /** What they are when the line has none of them. */
  #forgetRest(): void {
    const { header } = this;
    header.idleSeconds = NONE;
    header.frequency = NONE;
    header.keyMeta = undefined;
    header.part = 0;
    header.more = false;
    header.count = NONE;
    header.elementMore = '';
    header.elementBytes = NONE;
    header.entryMore = 0;
    header.fieldExpiries = false;
    this.fieldExpiries.clear();
  }

  /** Goes to the value. */
  findValue(): void {
    this.#line.need(this.#tokens, 'value');
  }

  /** Whether `type` is `module` and not `opaque`. */
  get isModule(): boolean {
    return this.#type === 'module';
  }

  #integer(
    name:
      | 'db'
      | 'expireAt'
      | 'idleSeconds'
      | 'frequency'
      | 'part'
      | 'bytes'
      | 'elements'
      | 'elementBytes'
      | 'entryMore',
    least: number,
    most: number,
    absent: number,
  ): number {
    const tokens = this.#tokens;
    return this.#line.find(tokens, name) ? tokens.readInteger(least, most) : absent;
  }

  #readType(): void {
    const tokens = this.#tokens;
    this.#line.need(tokens, 'type');
    const start = tokens.pos;
    tokens.readString();
    if (!this.#isSameType()) this.#setType(start);
    this.header.kind = this.#kind;
    this.header.rdbType = this.isModule ? TYPE.module : 0;
  }

  /** Neighbours are mostly of one type. */
  #isSameType(): boolean {
    const { text, textStart, textEnd } = this.#tokens;
    const type = this.#type;
    if (textEnd - textStart !== type.length) return false;
    for (let i = 0; i < type.length; i++) {
      if (text[textStart + i] !== type.charCodeAt(i)) return false;
    }
    return true;
  }

  #setType(start: number): void {
    const tokens = this.#tokens;
    const type = tokens.latin1();
    const kind = KINDS.get(type);
    if (kind === undefined) {
      const shown = tokens.shown(start, tokens.pos);
      throw tokens.wrong(
        INSTANCE_TYPES.includes(type)
          ? `a line of type ${shown} is no key`
          : `the type ${shown} is not known`,
        start,
      );
    }
    this.#type = type;
    this.#kind = kind;
  }

  /** The key outlives the value's texts, so it gets a place of its own. */
  #readKey(): void {
    const tokens = this.#tokens;
    this.#line.need(tokens, 'key');
    const start = tokens.pos;
    tokens.readString();
    const { text, textStart, textEnd } = tokens;
    const size = textEnd - textStart;
    if (size > MAX_KEY_BYTES) throw tokens.wrong(`a key has more than 6 MiB`, start);
    if (this.#key.length < size) this.#key = Buffer.allocUnsafeSlow(size * 2);
    this.#key.set(text.subarray(textStart, textEnd));
    this.header.key = this.#key;
    this.header.keyEnd = size;
  }

  #readKeyMeta(): Uint8Array | undefined {
    const tokens = this.#tokens;
    const table = this.#keyMeta;
    if (!this.#line.find(tokens, 'keyMeta')) return undefined;
    table.scan(tokens);
    table.need(tokens, 'rdbVersion');
    const version = tokens.readInteger(1, MAX_RDB_VERSION);
    table.need(tokens, 'dialect');
    this.keyMetaFormat = { version, dialect: readDialect(tokens) };
    table.need(tokens, 'payload');
    tokens.readString();
    return Uint8Array.from(tokens.text.subarray(tokens.textStart, tokens.textEnd));
  }

  #readPart(): void {
    const tokens = this.#tokens;
    const header = this.header;
    const line = this.#line;
    const isPart = line.find(tokens, 'part');
    header.part = isPart ? tokens.readInteger(0, MAX_SAFE_INTEGER) : 0;
    header.more = line.find(tokens, 'more') && tokens.readBoolean();
    const isString = header.kind === 'string';
    header.count = this.#integer(isString ? 'bytes' : 'elements', 0, MAX_SAFE_INTEGER, NONE);
    header.elementMore = this.#readElementMore();
    header.elementBytes = this.#integer('elementBytes', 0, MAX_SAFE_INTEGER, NONE);
    header.entryMore = this.#integer('entryMore', 0, MAX_SAFE_INTEGER, 0);
    if (header.more && !isPart) throw tokens.wrong('"more" needs a "part"');
    if (line.find(tokens, isString ? 'elements' : 'bytes')) {
      throw tokens.wrong(isString ? 'a string has no "elements"' : '"bytes" is for strings');
    }
    if (header.count !== NONE && header.part > 0) {
      throw tokens.wrong('only part 0 says how much the key has');
    }
    const { elementMore, elementBytes, entryMore } = header;
    if ((elementMore !== '' || entryMore > 0) && !header.more) {
      throw tokens.wrong('"elementMore" and "entryMore" need a line that follows');
    }
    if (elementBytes !== NONE && elementMore === '') {
      throw tokens.wrong('"elementBytes" needs "elementMore"');
    }
  }

  #readElementMore(): LineHeader['elementMore'] {
    const tokens = this.#tokens;
    if (!this.#line.find(tokens, 'elementMore')) return '';
    if (tokens.peek() !== QUOTE) return tokens.readBoolean() ? 'value' : '';
    tokens.readString();
    if (tokens.latin1() !== 'name') throw tokens.invalid('true or "name"');
    return 'name';
  }

  #readFieldExpiries(): void {
    const tokens = this.#tokens;
    const { header, fieldExpiries } = this;
    fieldExpiries.clear();
    header.fieldExpiries = false;
    if (!this.#line.find(tokens, 'fieldExpireAt')) return;
    if (header.kind !== 'hash') throw tokens.wrong('only fields of a hash expire');
    tokens.demand(OPEN_OBJECT);
    if (tokens.accept(CLOSE_OBJECT)) return;
    do {
      tokens.skipSpaces();
      const start = tokens.pos;
      tokens.readString();
      const name = tokens.latin1();
      if (fieldExpiries.has(name)) {
        throw tokens.wrong(`${tokens.shown(start, tokens.pos)} expires twice`, start);
      }
      tokens.demand(COLON);
      fieldExpiries.set(name, tokens.readInteger(0, MAX_SAFE_INTEGER));
    } while (tokens.accept(COMMA));
    tokens.demand(CLOSE_OBJECT);
    header.fieldExpiries = true;
  }
}

export function readDialect(tokens: JsonTokens): 'redis' | 'valkey' {
  tokens.readString();
  const dialect = tokens.latin1();
  if (dialect === 'redis' || dialect === 'valkey') return dialect;
  throw tokens.invalid('"redis" or "valkey"');
}

/** What all lines of one key repeat: the first that differs. */
export function differingMember(a: EntryHeader, b: EntryHeader): string | undefined {
  if (a.db !== b.db) return 'db';
  const keyOf = (h: EntryHeader): Uint8Array => h.key.subarray(h.keyStart, h.keyEnd);
  if (Buffer.compare(keyOf(a), keyOf(b)) !== 0) return 'key';
  if (a.kind !== b.kind || a.rdbType !== b.rdbType) return 'type';
  if (a.expireAtMs !== b.expireAtMs) return 'expireAt';
  if (a.idleSeconds !== b.idleSeconds) return 'idleSeconds';
  if (a.frequency !== b.frequency) return 'frequency';
  const none = new Uint8Array(0);
  return Buffer.compare(a.keyMeta ?? none, b.keyMeta ?? none) === 0 ? undefined : 'keyMeta';
}
