import type { ValueSink } from '../../rdb/index.ts';
import type { LineHeader } from '../json-reader.ts';
import type { StreamInfoJson } from '../json-stream-info.ts';
import type { ElementTexts } from './element-texts.ts';
import { CLOSE_ARRAY, COMMA, type JsonTokens, OPEN_ARRAY } from './json-tokens.ts';
import { MemberTable } from './member-table.ts';
import { readInfo, readTail, TAIL_MEMBERS } from './stream-tail.ts';

const STREAM_ID = /^(\d{1,20})-(\d{1,20})$/;
const LOW = 0xffff_ffffn;
const MOST = 2n ** 64n - 1n;

/** The value of a stream, over all lines of its key. */
export class ForeignStream {
  readonly #tokens: JsonTokens;
  readonly #header: LineHeader;
  readonly #texts: ElementTexts;
  readonly #value = new MemberTable(['entries', ...TAIL_MEMBERS]);
  readonly #entry = new MemberTable(['id', 'fields']);
  /** The entry that came last: its id, and how many of its pairs are not complete. */
  #ms = -1n;
  #seq = -1n;
  #pairsLeft = 0;
  #continues = false;
  #parts: StreamInfoJson[] = [];

  constructor(tokens: JsonTokens, header: LineHeader, texts: ElementTexts) {
    this.#tokens = tokens;
    this.#header = header;
    this.#texts = texts;
  }

  beginKey(): void {
    this.#ms = -1n;
    this.#seq = -1n;
    this.#continues = false;
    this.#parts = [];
  }

  /** The value of one line. */
  read(sink: ValueSink): void {
    const tokens = this.#tokens;
    const table = this.#value;
    table.scan(tokens);
    table.need(tokens, 'entries');
    tokens.demand(OPEN_ARRAY);
    let isCut = false;
    if (!tokens.accept(CLOSE_ARRAY)) {
      do isCut = this.#readEntry(sink);
      while (tokens.accept(COMMA));
      tokens.demand(CLOSE_ARRAY);
    } else if (this.#continues) throw tokens.invalid('the rest of the entry before');
    if (this.#header.entryMore > 0 && !isCut) {
      throw tokens.wrong('"entryMore", but no entry at the end of the line');
    }
    this.#continues = isCut;
    this.#parts.push(readTail(tokens, table));
    tokens.pos = table.end;
  }

  endKey(sink: ValueSink): void {
    const info = readInfo(this.#tokens, this.#parts, this.#texts.count);
    const { ms, seq } = info.lastId;
    if (ms < this.#ms || (ms === this.#ms && seq < this.#seq)) {
      throw this.#tokens.wrong('"lastId" of a stream is smaller than its last entry');
    }
    sink.streamEnd(info);
  }

  /** True: the entry goes on in the next line. */
  #readEntry(sink: ValueSink): boolean {
    const tokens = this.#tokens;
    const table = this.#entry;
    const { elementMore, entryMore } = this.#header;
    table.scan(tokens);
    const isCut = entryMore > 0 && tokens.peek() === CLOSE_ARRAY;
    table.need(tokens, 'id');
    const isNew = this.#readId();
    table.need(tokens, 'fields');
    const pairs = this.#countPairs();
    if (isNew) {
      // A pair that is cut stands in this line and is counted as missing too.
      const twice = elementMore === '' ? 0 : 1;
      const total = isCut ? pairs + entryMore - twice : pairs;
      this.#pairsLeft = total;
      sink.streamEntry(...words(this.#ms), ...words(this.#seq), total);
    }
    this.#readPairs(sink, pairs, isCut);
    if (this.#pairsLeft !== (isCut ? entryMore : 0)) {
      throw tokens.wrong('an entry has not as many pairs as "entryMore" said');
    }
    if (!isCut) this.#texts.complete();
    tokens.pos = table.end;
    return isCut;
  }

  /** False: it is the id of the entry that goes on. */
  #readId(): boolean {
    const tokens = this.#tokens;
    tokens.readString();
    const match = tokens.textEnd - tokens.textStart <= 41 ? STREAM_ID.exec(tokens.latin1()) : null;
    if (match === null) throw tokens.invalid('a stream id');
    const ms = BigInt(match[1]);
    const seq = BigInt(match[2]);
    if (ms > MOST || seq > MOST) throw tokens.invalid('a stream id of two times 64 bits');
    if (this.#continues) {
      if (ms !== this.#ms || seq !== this.#seq)
        throw tokens.wrong('the entry before is not complete');
      this.#continues = false;
      return false;
    }
    if (ms < this.#ms || (ms === this.#ms && seq <= this.#seq)) {
      throw tokens.wrong('the ids of a stream do not ascend');
    }
    this.#ms = ms;
    this.#seq = seq;
    return true;
  }

  /** Looks ahead over the list at the cursor, which stays. */
  #countPairs(): number {
    const tokens = this.#tokens;
    const at = tokens.pos;
    let pairs = 0;
    tokens.demand(OPEN_ARRAY);
    if (!tokens.accept(CLOSE_ARRAY)) {
      do {
        tokens.skipSpaces();
        tokens.skipValue();
        pairs++;
      } while (tokens.accept(COMMA));
      tokens.demand(CLOSE_ARRAY);
    }
    tokens.pos = at;
    return pairs;
  }

  #readPairs(sink: ValueSink, pairs: number, isCut: boolean): void {
    const tokens = this.#tokens;
    tokens.demand(OPEN_ARRAY);
    for (let i = 0; i < pairs; i++) {
      if (i > 0) tokens.demand(COMMA);
      tokens.demand(OPEN_ARRAY);
      if (!this.#readPair(sink, isCut && i === pairs - 1)) this.#pairsLeft--;
      tokens.demand(CLOSE_ARRAY);
    }
    tokens.demand(CLOSE_ARRAY);
    if (pairs === 0) this.#texts.refuseRest();
  }

  /** `["field","value"]`, or one text where either is cut. True: it goes on in the next line. */
  #readPair(sink: ValueSink, mayBeCut: boolean): boolean {
    const tokens = this.#tokens;
    const texts = this.#texts;
    if (texts.continues !== 'value') {
      tokens.readString();
      if (texts.take(sink, 'name', mayBeCut)) return true;
      tokens.demand(COMMA);
    }
    tokens.readString();
    return texts.take(sink, 'value', mayBeCut);
  }
}

/** The high and the low half of 64 bits. */
function words(value: bigint): [high: number, low: number] {
  return [Number(value >> 32n), Number(value & LOW)];
}
