import { assert } from './assert.ts';

/**
 * A growing byte buffer for encoders. `bytes` is replaced when it grows: never keep it across a
 * call. Writers that know their size call `reserve` once and then write through `bytes`/`length`.
 */
export class ByteBuilder {
  bytes: Buffer;
  length = 0;

  constructor(capacity = 4096) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
  }

  /** Makes room for `size` more bytes; existing content stays. */
  reserve(size: number): void {
    const need = this.length + size;
    if (need <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(need, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  clear(): void {
    this.length = 0;
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** Copies `[start, end)` of `source`, which stays the caller's. */
  append(source: Uint8Array, start = 0, end = source.length): void {
    const size = end - start;
    this.reserve(size);
    if (size < 24) {
      for (let i = 0; i < size; i++) this.bytes[this.length + i] = source[start + i];
    } else {
      this.bytes.set(source.subarray(start, end), this.length);
    }
    this.length += size;
  }

  /** Appends text of the Latin-1 range: keywords, numbers. */
  ascii(text: string): void {
    this.reserve(text.length);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      assert(code < 128, 'ascii() is for ASCII text');
      this.bytes[this.length++] = code;
    }
  }

  /** A view of what was written; valid until the next write. */
  view(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  /** A copy of what was written, the caller's to keep. */
  copy(): Buffer {
    return Buffer.from(this.view());
  }
}
