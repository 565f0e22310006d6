import { ByteBuilder } from '../../base/index.ts';
import { EntrySelector, formatText, JsonLineReader, type LineHeader } from '../../entries/index.ts';
import { NONE, type ValueSink } from '../../rdb/index.ts';
import { CommandWriter } from '../../resp/index.ts';
import type { EncodedBlock, EncoderOptions, KeyProblem } from './encoded-block.ts';
import { ExpiringFields } from './expiring-fields.ts';
import { GuardedEncoder } from './guarded-encoder.ts';
import { EXPIRED, expiryOf, NO_EXPIRY } from '../policies.ts';

/**
 * Turns the lines of a block into commands for one target: small strings as SET NX, everything else
 * as RESTORE with a payload in the target's native compact encoding. Neither touches a key that
 * exists: what then happens is decided by who reads the replies. Runs in a worker.
 */
export class BlockEncoder {
  readonly #options: EncoderOptions;
  readonly #selector: EntrySelector;
  readonly #reader = new JsonLineReader();
  readonly #payloads: GuardedEncoder;
  readonly #fields: ExpiringFields;
  readonly #text = new TextSink();
  readonly #out = new ByteBuilder(1 << 20);
  readonly #commands = new CommandWriter(this.#out);
  #ends = new Uint32Array(1024);
  #count = 0;
  #problems: KeyProblem[] = [];
  #nowMs = 0;

  constructor(options: EncoderOptions) {
    this.#options = options;
    this.#selector = new EntrySelector(options.selection);
    this.#payloads = new GuardedEncoder(options);
    this.#fields = new ExpiringFields(this.#payloads, options.ttl);
  }

  /** `nowMs`: the instant against which keys count as expired. The result is the caller's. */
  encode(raw: Uint8Array, nowMs: number): EncodedBlock {
    const reader = this.#reader;
    this.#nowMs = nowMs;
    this.#fields.nowMs = nowMs;
    this.#out.clear();
    this.#count = 0;
    this.#problems = [];
    let selected = 0;
    let expired = 0;
    reader.open(raw, 0, raw.length);
    while (reader.next()) {
      if (!this.#selector.wants(reader.header)) continue;
      selected++;
      const expireAtMs = expiryOf(reader.header.expireAtMs, this.#options.ttl, nowMs);
      if (expireAtMs === EXPIRED || !this.#entry(reader, expireAtMs)) expired++;
    }
    return {
      commands: Uint8Array.from(this.#out.view()),
      ends: this.#ends.slice(0, this.#count),
      count: this.#count,
      selected,
      expired,
      problems: this.#problems,
    };
  }

  /** False: all that the key had has expired. */
  #entry(reader: JsonLineReader, expireAtMs: number): boolean {
    const { header } = reader;
    if (this.#fitsSet(header, expireAtMs)) {
      reader.readValue(this.#text);
      this.#set(header, expireAtMs);
    } else {
      reader.readValue(header.fieldExpiries ? this.#fields : this.#payloads);
      if (header.fieldExpiries && this.#fields.kept === 0) return false;
      const verdict = this.#payloads.verdict(header);
      if (verdict !== undefined) this.#problem(header, verdict.code, verdict.reason);
      if (verdict?.code === 'failed') return true;
      this.#restore(header, expireAtMs);
    }
    if (this.#count === this.#ends.length) {
      const grown = new Uint32Array(this.#count * 2);
      grown.set(this.#ends);
      this.#ends = grown;
    }
    this.#ends[this.#count++] = this.#out.length;
    return true;
  }

  /** A string that needs nothing which only RESTORE can say. */
  #fitsSet(header: LineHeader, expireAtMs: number): boolean {
    return (
      header.kind === 'string' &&
      header.idleSeconds === NONE &&
      header.frequency === NONE &&
      (expireAtMs === NO_EXPIRY || this.#options.setPxat)
    );
  }

  #set(header: LineHeader, expireAtMs: number): void {
    const writer = this.#commands;
    const { bytes, textStart, textEnd } = this.#text;
    writer.begin(expireAtMs === NO_EXPIRY ? 4 : 6);
    writer.word('SET');
    writer.bytes(header.key, header.keyStart, header.keyEnd);
    writer.bytes(bytes, textStart, textEnd);
    if (expireAtMs !== NO_EXPIRY) {
      writer.word('PXAT');
      writer.integer(expireAtMs);
    }
    writer.word('NX');
  }

  #restore(header: LineHeader, expireAtMs: number): void {
    const writer = this.#commands;
    const payloads = this.#payloads;
    const hasExpiry = expireAtMs !== NO_EXPIRY;
    const { restoreOptions } = this.#options;
    const hasUse = restoreOptions && (header.idleSeconds !== NONE || header.frequency !== NONE);
    writer.begin(4 + (hasExpiry && restoreOptions ? 1 : 0) + (hasUse ? 2 : 0));
    writer.word('RESTORE');
    writer.bytes(header.key, header.keyStart, header.keyEnd);
    // Before 5.0 only a time to live can be given: at least one millisecond of it.
    const ttl = restoreOptions ? expireAtMs : Math.max(1, expireAtMs - this.#nowMs);
    writer.integer(hasExpiry ? ttl : 0);
    writer.bytes(payloads.bytes, payloads.start, payloads.payloadEnd);
    if (hasExpiry && restoreOptions) writer.word('ABSTTL');
    if (!hasUse) return;
    writer.word(header.idleSeconds === NONE ? 'FREQ' : 'IDLETIME');
    writer.integer(header.idleSeconds === NONE ? header.frequency : header.idleSeconds);
  }

  #problem(header: LineHeader, code: KeyProblem['code'], reason: string): void {
    const key = formatText(header.key.subarray(header.keyStart, header.keyEnd));
    this.#problems.push({ key, code, reason });
  }
}

/** Keeps the range of a string's one text. */
class TextSink implements ValueSink {
  bytes: Uint8Array = new Uint8Array(0);
  textStart = 0;
  textEnd = 0;

  begin(): void {}
  text(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.textStart = start;
    this.textEnd = end;
  }
  score(): void {}
  fieldExpireAt(): void {}
  streamEntry(): void {}
  streamEnd(): void {}
  arrayInsertIndex(): void {}
  arrayIndex(): void {}
  opaque(): void {}
  end(): void {}
}
