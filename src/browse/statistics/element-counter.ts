import type { StreamInfo, ValueKind, ValueSink } from '../../rdb/index.ts';

/** Counts the elements of one value, whatever its kind; strings and opaque values have none. */
export class ElementCounter implements ValueSink {
  #kind: ValueKind = 'string';
  #texts = 0;
  #entries = 0;

  /** Null for a string or an opaque value. */
  get elements(): number | null {
    switch (this.#kind) {
      case 'string':
      case 'opaque':
        return null;
      case 'hash':
        return this.#texts / 2;
      case 'stream':
        return this.#entries;
      default:
        return this.#texts;
    }
  }

  begin(kind: ValueKind): void {
    this.#kind = kind;
    this.#texts = 0;
    this.#entries = 0;
  }
  text(_bytes: Uint8Array, _start: number, _end: number, last: boolean): void {
    if (last) this.#texts++;
  }
  score(): void {}
  fieldExpireAt(): void {}
  streamEntry(): void {
    this.#entries++;
  }
  streamEnd(_info: StreamInfo): void {}
  arrayInsertIndex(): void {}
  arrayIndex(): void {}
  opaque(): void {}
  end(): void {}
}
