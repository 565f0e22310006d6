import { ByteBuilder } from '../../base/index.ts';
import { EntrySelector, formatText, JsonLineReader, type LineHeader } from '../../entries/index.ts';
import { NONE } from '../../rdb/index.ts';
import { CommandWriter } from '../../resp/index.ts';
import type { EncodedBlock, EncoderOptions, KeyProblem } from './encoded-block.ts';
import { ExpiringFields } from './expiring-fields.ts';
import { GuardedEncoder } from './guarded-encoder.ts';
import { KernelEncoder } from './kernel-encoder.ts';
import { TextSink } from './text-sink.ts';
import { EXPIRED, expiryOf, NO_EXPIRY } from '../policies.ts';

/** Memory for commands comes in multiples of this: blocks are about as large as one another. */
const MEMORY_STEP = 512 << 10;

/**
 * Turns the lines of a block into commands for one target: small strings as SET NX, everything else
 * as RESTORE with a payload in the target's native compact encoding. Neither touches a key that
 * exists: what then happens is decided by who reads the replies. Runs in a worker. Most lines are
 * encoded in WebAssembly, the others here, in the same bytes.
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
  #selected = 0;
  #expired = 0;
  /** The commands, where they are not in `#out`. */
  #commandBytes: Uint8Array | undefined;
  #spare: ArrayBuffer | undefined;
  readonly #kernel: KernelEncoder | undefined;
  #problems: KeyProblem[] = [];
  #nowMs = 0;

  /** `useKernel`: false leaves every line to TypeScript; the result is the same. */
  constructor(options: EncoderOptions, useKernel = true) {
    this.#options = options;
    this.#selector = new EntrySelector(options.selection);
    this.#payloads = new GuardedEncoder(options);
    this.#fields = new ExpiringFields(this.#payloads, options.ttl);
    this.#kernel = useKernel ? KernelEncoder.create(options) : undefined;
  }

  /**
   * `nowMs`: the instant against which keys count as expired. The result is the caller's; its
   * commands lie in `spare` where they fit.
   */
  encode(raw: Uint8Array, nowMs: number, spare?: ArrayBuffer): EncodedBlock {
    this.#begin(nowMs);
    this.#spare = spare;
    const kernel = this.#kernel;
    const isDone = kernel?.open(raw, nowMs) === true && this.#encodeByKernel(kernel, raw);
    if (!isDone) {
      this.#begin(nowMs);
      this.#reader.open(raw, 0, raw.length);
      while (this.#reader.next()) this.#line();
    }
    return {
      commands: this.#commandBytes ?? this.#keep(this.#out.view()),
      ends: this.#ends.slice(0, this.#count),
      count: this.#count,
      selected: this.#selected,
      expired: this.#expired,
      problems: this.#problems,
    };
  }

  #begin(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#fields.nowMs = nowMs;
    this.#out.clear();
    this.#commandBytes = undefined;
    this.#count = 0;
    this.#selected = 0;
    this.#expired = 0;
    this.#problems = [];
  }

  /** False: the block holds a part of a long key, which only one reader can read. */
  #encodeByKernel(kernel: KernelEncoder, raw: Uint8Array): boolean {
    const reader = this.#reader;
    for (;;) {
      const verdict = kernel.run();
      this.#takeFrom(kernel, verdict === 'done');
      if (verdict === 'done') return true;
      if (verdict === 'full') continue;
      reader.open(raw, kernel.position, raw.length);
      reader.next();
      if (reader.header.part > 0 || reader.header.more) return false;
      this.#line();
      kernel.position = reader.lineEnd + 1;
    }
  }

  #takeFrom(kernel: KernelEncoder, isLast: boolean): void {
    this.#selected += kernel.selected;
    this.#expired += kernel.expired;
    const { ends } = kernel;
    const base = this.#out.length;
    this.#makeRoom(ends.length);
    if (base === 0) this.#ends.set(ends, this.#count);
    else for (let i = 0; i < ends.length; i++) this.#ends[this.#count + i] = base + ends[i];
    this.#count += ends.length;
    // Nearly always one run does it all: then its output is copied only once.
    if (isLast && base === 0) this.#commandBytes = this.#keep(kernel.commands);
    else this.#out.append(kernel.commands);
  }

  /** A copy for the caller, in memory that will fit the next blocks too. */
  #keep(bytes: Uint8Array): Uint8Array {
    let memory = this.#spare;
    if (memory === undefined || memory.byteLength < bytes.length) {
      memory = new ArrayBuffer(Math.ceil((bytes.length + 1) / MEMORY_STEP) * MEMORY_STEP);
    }
    const kept = new Uint8Array(memory, 0, bytes.length);
    kept.set(bytes);
    return kept;
  }

  #makeRoom(more: number): void {
    const need = this.#count + more;
    if (need <= this.#ends.length) return;
    const grown = new Uint32Array(Math.max(need, this.#ends.length * 2));
    grown.set(this.#ends);
    this.#ends = grown;
  }

  /** Encodes the line that the reader is at. */
  #line(): void {
    const { header } = this.#reader;
    if (!this.#selector.wants(header)) return;
    this.#selected++;
    const expireAtMs = expiryOf(header.expireAtMs, this.#options.ttl, this.#nowMs);
    if (expireAtMs === EXPIRED || !this.#entry(this.#reader, expireAtMs)) this.#expired++;
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
    this.#makeRoom(1);
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
