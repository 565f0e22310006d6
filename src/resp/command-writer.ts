import type { ByteBuilder } from '../base/index.ts';

/**
 * Writes commands part by part into one buffer, for pipelines of millions: nothing is allocated per
 * command. The caller keeps the promise of `begin`: exactly so many parts follow.
 */
export class CommandWriter {
  readonly out: ByteBuilder;

  constructor(out: ByteBuilder) {
    this.out = out;
  }

  /** Begins a command of `parts` parts, its name included. */
  begin(parts: number): void {
    this.#header(0x2a, parts);
  }

  /** One part: `[start, end)`, which stays the caller's. */
  bytes(source: Uint8Array, start = 0, end = source.length): void {
    const { out } = this;
    this.#header(0x24, end - start);
    out.append(source, start, end);
    out.reserve(2);
    out.bytes[out.length] = 0x0d;
    out.bytes[out.length + 1] = 0x0a;
    out.length += 2;
  }

  /** One part of two pieces, as a key with a suffix. */
  joined(first: Uint8Array, start: number, end: number, second: Uint8Array): void {
    const { out } = this;
    this.#header(0x24, end - start + second.length);
    out.append(first, start, end);
    out.append(second);
    out.ascii('\r\n');
  }

  /** A part in ASCII. */
  word(text: string): void {
    this.#header(0x24, text.length);
    this.out.ascii(text);
    this.out.ascii('\r\n');
  }

  /** A safe integer as decimal text. */
  integer(value: number): void {
    let digits = value < 0 ? 2 : 1;
    for (let rest = Math.abs(value); rest >= 10; rest = Math.floor(rest / 10)) digits++;
    this.#header(0x24, digits);
    this.#decimal(value, digits);
    this.out.ascii('\r\n');
  }

  #header(kind: number, value: number): void {
    const { out } = this;
    out.reserve(24);
    out.bytes[out.length++] = kind;
    let digits = 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    this.#decimal(value, digits);
    out.bytes[out.length] = 0x0d;
    out.bytes[out.length + 1] = 0x0a;
    out.length += 2;
  }

  /** Needs room for `digits` bytes, the sign counted. */
  #decimal(value: number, digits: number): void {
    const { out } = this;
    out.reserve(digits + 2);
    let rest = value;
    if (rest < 0) {
      out.bytes[out.length] = 0x2d;
      rest = -rest;
    }
    let at = out.length + digits;
    const first = value < 0 ? out.length + 1 : out.length;
    while (at > first) {
      const quotient = Math.floor(rest / 10);
      out.bytes[--at] = 0x30 + (rest - quotient * 10);
      rest = quotient;
    }
    out.length += digits;
  }
}
