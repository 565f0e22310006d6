import { isUtf8 } from 'node:buffer';

/** A key as people may read it in a message: quoted, control characters escaped, cut at 100. */
export function printableBytes(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const shown = bytes.subarray(start, Math.min(end, start + 100));
  const buffer = Buffer.from(shown.buffer, shown.byteOffset, shown.length);
  const text = isUtf8(shown) ? buffer.toString('utf8') : buffer.toString('latin1');
  const more = end - start > 100 ? `… (${end - start} bytes)` : '';
  return JSON.stringify(text) + more;
}
