import { assert, ByteBuilder } from '../../base/index.ts';
import { TYPE } from '../format.ts';
import type { OpaqueInfo, StreamInfo, ValueKind, ValueSink } from '../value-sink.ts';
import { ArrayEncoder } from './array-encoder.ts';
import { HashEncoder } from './hash-encoder.ts';
import type { InexactReason } from './inexact.ts';
import { appendLength, appendString } from './length.ts';
import { ListEncoder } from './list-encoder.ts';
import { chooseOpaque } from './opaque.ts';
import { SetEncoder } from './set-encoder.ts';
import { StreamEncoder } from './stream-encoder.ts';
import { oldestVersionOf, type TargetFormat } from './target-format.ts';
import { DRAIN_BYTES, ValueBuffer, type ValueDrain } from './value-buffer.ts';
import { ZsetEncoder } from './zset-encoder.ts';

const KINDS = ['string', 'list', 'set', 'hash', 'zset', 'stream', 'array', 'opaque'] as const;
const STRING = 0;
const LIST = 1;
const SET = 2;
const HASH = 3;
const ZSET = 4;
const STREAM = 5;
const ARRAY = 6;
const OPAQUE = 7;

/** What is done with the pieces of a text longer than TEXT_PIECE_BYTES. */
const NO_PIECES = 0;
const APPENDED = 1;
const COLLECTED = 2;

/**
 * Encodes one value after another as type byte and body in the native compact encodings of a
 * target. With a drain, values whose element count is given leave in pieces of about DRAIN_BYTES,
 * whatever their size; others, and all without a drain, are held whole.
 */
export abstract class ValueEncoder implements ValueSink {
  protected readonly buffer: ValueBuffer;
  readonly #hash: HashEncoder;
  readonly #set: SetEncoder;
  readonly #zset: ZsetEncoder;
  readonly #list: ListEncoder;
  readonly #stream: StreamEncoder;
  readonly #array: ArrayEncoder;
  readonly #pieces = new ByteBuilder(64);
  readonly #canDrain: boolean;
  #kind = STRING;
  #pieceState = NO_PIECES;
  #isSkipped = false;
  #opaqueType = 0;
  #opaqueVersion = 0;

  constructor(format: TargetFormat, drain: ValueDrain | null) {
    this.buffer = new ValueBuffer(format, drain);
    this.#canDrain = drain !== null;
    this.#hash = new HashEncoder(this.buffer);
    this.#set = new SetEncoder(this.buffer);
    this.#zset = new ZsetEncoder(this.buffer);
    this.#list = new ListEncoder(this.buffer);
    this.#stream = new StreamEncoder(this.buffer);
    this.#array = new ArrayEncoder(this.buffer);
  }

  get format(): TargetFormat {
    return this.buffer.format;
  }

  /** What of the last value the target cannot hold; overwritten by the next value. */
  get inexact(): readonly InexactReason[] {
    return this.buffer.inexact;
  }

  /** False: the target cannot hold the last value at all, and nothing was written. */
  get representable(): boolean {
    return this.buffer.representable;
  }

  /** The RDB type of the last value. */
  get rdbType(): number {
    return this.buffer.type;
  }

  /** The oldest RDB version that has the type of the last value. */
  protected get neededVersion(): number {
    if (this.#kind === OPAQUE) return this.#opaqueVersion;
    const version = oldestVersionOf(this.buffer.type, this.buffer.format.dialect);
    assert(version !== undefined, 'we write only types of known versions');
    return version;
  }

  begin(kind: ValueKind, count: number): void {
    this.buffer.begin();
    this.#kind = KINDS.indexOf(kind);
    this.#pieceState = NO_PIECES;
    if (this.#kind === LIST) this.#list.begin(count);
    else if (this.#kind === SET) this.#set.begin(count);
    else if (this.#kind === HASH) this.#hash.begin(count);
    else if (this.#kind === ZSET) this.#zset.begin(count);
    else if (this.#kind === STREAM) this.#stream.begin(count);
    else if (this.#kind === ARRAY) this.#array.begin(count);
    this.#isSkipped = !this.buffer.representable;
  }

  text(bytes: Uint8Array, start: number, end: number, last: boolean, total: number): void {
    if (this.#isSkipped) return;
    if (last && this.#pieceState === NO_PIECES) this.#wholeText(bytes, start, end);
    else this.#piece(bytes, start, end, last, total);
    if (this.#canDrain && this.#kind !== STREAM) this.#drainIfLarge();
  }

  #wholeText(bytes: Uint8Array, start: number, end: number): void {
    switch (this.#kind) {
      case HASH:
        this.#hash.text(bytes, start, end);
        return;
      case LIST:
        this.#list.text(bytes, start, end);
        return;
      case SET:
        this.#set.text(bytes, start, end);
        return;
      case ZSET:
        this.#zset.text(bytes, start, end);
        return;
      case STREAM:
        this.#stream.text(bytes, start, end);
        return;
      case ARRAY:
        this.#array.text(bytes, start, end);
        return;
      case OPAQUE:
        this.buffer.out.append(bytes, start, end);
        return;
      default:
        appendString(this.buffer.out, bytes, start, end);
    }
  }

  #piece(bytes: Uint8Array, start: number, end: number, last: boolean, total: number): void {
    if (this.#pieceState === NO_PIECES) {
      this.#pieceState = this.#beginLongText(total) ? APPENDED : COLLECTED;
      this.#pieces.clear();
    }
    const isAppended = this.#pieceState === APPENDED;
    (isAppended ? this.buffer.out : this.#pieces).append(bytes, start, end);
    if (!last) return;
    this.#pieceState = NO_PIECES;
    if (!isAppended) this.#wholeText(this.#pieces.bytes, 0, this.#pieces.length);
  }

  /** Whether the text can be written as it comes, its length before it. */
  #beginLongText(total: number): boolean {
    switch (this.#kind) {
      case OPAQUE:
        return true;
      case STRING:
        appendLength(this.buffer.out, total);
        return true;
      case LIST:
        return this.#list.longText(total);
      case SET:
        return this.#set.longText(total);
      case HASH:
        return this.#hash.longText(total);
      case ZSET:
        return this.#zset.longText(total);
      default:
        return false;
    }
  }

  score(value: number): void {
    this.#zset.score(value);
  }

  fieldExpireAt(ms: number): void {
    this.#hash.fieldExpireAt(ms);
  }

  streamEntry(msHigh: number, msLow: number, seqHigh: number, seqLow: number, pairs: number): void {
    if (!this.#isSkipped) this.#stream.entry(msHigh, msLow, seqHigh, seqLow, pairs);
  }

  streamEnd(info: StreamInfo): void {
    if (!this.#isSkipped) this.#stream.end(info);
  }

  arrayInsertIndex(index: bigint): void {
    this.#array.insertIndex(index);
  }

  arrayIndex(index: bigint): void {
    if (!this.#isSkipped) this.#array.index(index);
  }

  opaque(info: OpaqueInfo): void {
    this.#opaqueType = info.rdbType;
    const version = chooseOpaque(info, this.buffer);
    if (version === undefined) this.#isSkipped = true;
    else this.#opaqueVersion = version;
  }

  end(): void {
    if (this.#isSkipped) return;
    if (this.#kind === LIST) this.#list.end();
    else if (this.#kind === SET) this.#set.end();
    else if (this.#kind === HASH) this.#hash.end();
    else if (this.#kind === ZSET) this.#zset.end();
    else if (this.#kind === ARRAY) this.#array.end();
    else if (this.#kind !== STREAM && !this.buffer.draining) this.#sealPlain();
    if (this.buffer.draining) this.buffer.drain();
  }

  #sealPlain(): void {
    this.buffer.seal(this.#kind === OPAQUE ? this.#opaqueType : TYPE.string);
  }

  #drainIfLarge(): void {
    const { buffer } = this;
    const staged = this.#kind === HASH ? this.#hash.stagedBytes : 0;
    if (buffer.out.length + staged < DRAIN_BYTES) return;
    if (buffer.draining || this.#settle()) buffer.drain();
  }

  #settle(): boolean {
    switch (this.#kind) {
      case LIST:
        return this.#list.settle();
      case SET:
        return this.#set.settle();
      case HASH:
        return this.#hash.settle();
      case ZSET:
        return this.#zset.settle();
      case ARRAY:
        return this.#array.settle();
      default:
        this.#sealPlain();
        return true;
    }
  }
}
