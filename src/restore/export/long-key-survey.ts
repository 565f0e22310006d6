import type { LineHeader } from '../../entries/index.ts';
import type { OpaqueInfo, StreamInfo, ValueKind, ValueSink } from '../../rdb/index.ts';
import type { Verdict } from '../encode/guarded-encoder.ts';
import type { ExportOptions } from './exported-block.ts';
import { NamingEncoder } from './naming-encoder.ts';

/** Any text will do where only the shape of a value is asked about. */
const FIELD = Buffer.from('f');

/**
 * Looks through a value without keeping it: how many elements it has, and what the target cannot
 * hold of it. Both must be known before its first byte is written. The second is found by giving an
 * encoder the value without its texts.
 */
export class LongKeySurvey implements ValueSink {
  /** Elements: items, members, pairs, entries. */
  count = 0;
  readonly #shape: NamingEncoder;
  #kind: ValueKind = 'string';
  #isField = true;
  #expires = false;

  constructor(options: ExportOptions) {
    this.#shape = new NamingEncoder(options);
  }

  /** The module that the value belongs to, or ''. */
  get module(): string {
    return this.#shape.module;
  }

  /** About the value that was looked through; undefined: write it. */
  verdict(header: LineHeader): Verdict | undefined {
    return this.#shape.verdict(header);
  }

  begin(kind: ValueKind, _count: number): void {
    this.#kind = kind;
    this.#isField = true;
    this.#expires = false;
    this.count = 0;
    this.#shape.begin(kind, kind === 'string' ? 0 : -1);
  }

  text(_bytes: Uint8Array, _start: number, _end: number, last: boolean): void {
    if (!last) return;
    if (this.#kind === 'list' || this.#kind === 'set') this.count++;
    if (this.#kind !== 'hash') return;
    if (this.#isField) this.count++;
    this.#isField = !this.#isField;
  }

  fieldExpireAt(ms: number): void {
    if (this.#expires) return;
    this.#expires = true;
    this.#shape.text(FIELD, 0, FIELD.length, true, FIELD.length);
    this.#shape.text(FIELD, 0, FIELD.length, true, FIELD.length);
    this.#shape.fieldExpireAt(ms);
  }

  score(): void {
    this.count++;
  }

  streamEntry(): void {
    this.count++;
  }

  streamEnd(info: StreamInfo): void {
    this.#shape.streamEnd(info);
  }

  arrayInsertIndex(): void {}

  arrayIndex(): void {
    this.count++;
  }

  opaque(info: OpaqueInfo): void {
    this.#shape.opaque(info);
  }

  end(): void {
    this.#shape.end();
  }
}
