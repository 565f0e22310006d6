import { type ValueDigest, ValueDigester } from '../entries/index.ts';
import type { OpaqueInfo, StreamInfo, ValueKind, ValueSink } from '../rdb/index.ts';

/** Digests a value and counts on the way what it consists of. */
export class MeasuredValue implements ValueSink {
  readonly #digester = new ValueDigester();
  #kind: ValueKind = 'string';
  #bytes = 0;
  #count = 0;

  /** Bytes of all texts: fields, values, members, items, payload. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Items, members, fields or stream entries; null where a value has no elements. */
  get elements(): number | null {
    if (this.#kind === 'string' || this.#kind === 'opaque') return null;
    return this.#kind === 'hash' ? this.#count / 2 : this.#count;
  }

  digest(): ValueDigest {
    return this.#digester.digest();
  }

  begin(kind: ValueKind, count: number): void {
    this.#kind = kind;
    this.#bytes = 0;
    this.#count = 0;
    this.#digester.begin(kind, count);
  }

  text(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.#bytes += end - start;
    // The texts of a stream are fields: its entries are counted where they begin.
    if (last && this.#kind !== 'stream') this.#count++;
    this.#digester.text(bytes, start, end, last);
  }

  score(value: number): void {
    this.#digester.score(value);
  }

  fieldExpireAt(ms: number): void {
    this.#digester.fieldExpireAt(ms);
  }

  streamEntry(msHigh: number, msLow: number, seqHigh: number, seqLow: number): void {
    this.#count++;
    this.#digester.streamEntry(msHigh, msLow, seqHigh, seqLow);
  }

  streamEnd(info: StreamInfo): void {
    this.#digester.streamEnd(info);
  }

  arrayInsertIndex(index: bigint): void {
    this.#digester.arrayInsertIndex(index);
  }

  arrayIndex(index: bigint): void {
    this.#digester.arrayIndex(index);
  }

  opaque(value: OpaqueInfo): void {
    this.#digester.opaque(value);
  }

  end(): void {
    this.#digester.end();
  }
}
