import type { ByteBuilder } from '../../base/index.ts';
import { canonicalInt, parseCanonicalInt } from '../numbers/int-text.ts';

/**
 * Lengths, strings and integers as RDB writes them (docs/formats/rdb.md, lengths and strings):
 *
 *   00xxxxxx             0 to 63            80 + u32 BE     up to 2^32-1
 *   01xxxxxx xxxxxxxx    up to 16383        81 + u64 BE     beyond (RDB 8)
 *   c0, c1, c2           text of an int8, int16, int32 (LE)
 */

const TWO_32 = 4294967296;

/** Bytes that `writeLength` will take. */
export function lengthBytes(value: number): number {
  if (value < 64) return 1;
  if (value < 16384) return 2;
  return value < TWO_32 ? 5 : 9;
}

/** Writes a safe, non-negative integer at `at`; returns the position behind it. */
export function writeLength(bytes: Uint8Array, at: number, value: number): number {
  if (value < 64) {
    bytes[at] = value;
    return at + 1;
  }
  if (value < 16384) {
    bytes[at] = 0x40 | (value >>> 8);
    bytes[at + 1] = value & 0xff;
    return at + 2;
  }
  if (value < TWO_32) {
    bytes[at] = 0x80;
    return writeU32Be(bytes, at + 1, value);
  }
  bytes[at] = 0x81;
  return writeU32Be(bytes, writeU32Be(bytes, at + 1, Math.floor(value / TWO_32)), value % TWO_32);
}

function writeU32Be(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
  return at + 4;
}

export function appendLength(out: ByteBuilder, value: number): void {
  out.reserve(9);
  out.length = writeLength(out.bytes, out.length, value);
}

/** A length of up to 64 bits; negative values are their two's complement. */
export function appendBigLength(out: ByteBuilder, value: bigint): void {
  const unsigned = BigInt.asUintN(64, value);
  if (unsigned <= 0xffffffffn) {
    appendLength(out, Number(unsigned));
    return;
  }
  out.byte(0x81);
  appendU64Be(out, unsigned);
}

export function appendU64Be(out: ByteBuilder, value: bigint): void {
  out.reserve(8);
  out.length = out.bytes.writeBigUInt64BE(value, out.length);
}

/** An exact integer as int64 LE. */
export function writeInt64(bytes: Uint8Array, at: number, value: number): number {
  const high = Math.floor(value / TWO_32);
  const low = value - high * TWO_32;
  writeInt32(bytes, at, low);
  return writeInt32(bytes, at + 4, high);
}

export function appendInt64(out: ByteBuilder, value: number): void {
  out.reserve(8);
  out.length = writeInt64(out.bytes, out.length, value);
}

/** The lowest 32 bits of `value`, little-endian. */
export function writeInt32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
  return at + 4;
}

/** A text as servers write it: the canonical decimal of an int32 as integer, else its bytes. */
export function appendString(
  out: ByteBuilder,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const size = end - start;
  if (size <= 11 && size > 0 && bytes[start] <= 57 && parseCanonicalInt(bytes, start, end)) {
    const value = canonicalInt.value;
    if (value === (value | 0)) {
      appendIntString(out, value);
      return;
    }
  }
  appendRawString(out, bytes, start, end);
}

export function appendRawString(
  out: ByteBuilder,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  appendLength(out, end - start);
  out.append(bytes, start, end);
}

function appendIntString(out: ByteBuilder, value: number): void {
  out.reserve(5);
  const bytes = out.bytes;
  const at = out.length;
  bytes[at + 1] = value;
  if (value >= -128 && value <= 127) {
    bytes[at] = 0xc0;
    out.length = at + 2;
    return;
  }
  bytes[at + 2] = value >>> 8;
  if (value >= -32768 && value <= 32767) {
    bytes[at] = 0xc1;
    out.length = at + 3;
    return;
  }
  bytes[at] = 0xc2;
  out.length = writeInt32(bytes, at + 1, value);
}

/** Leaves room for the length of a block that follows; returns where, for `settleLength`. */
export function reserveLength(out: ByteBuilder): number {
  out.reserve(2);
  out.length += 2;
  return out.length - 2;
}

/** Writes the length of what came since `reserveLength`; moves that when it takes another size. */
export function settleLength(out: ByteBuilder, at: number): void {
  const size = out.length - at - 2;
  const width = lengthBytes(size);
  if (width > 2) out.reserve(width - 2);
  if (width !== 2) out.bytes.copyWithin(at + width, at + 2, at + 2 + size);
  writeLength(out.bytes, at, size);
  out.length = at + width + size;
}
