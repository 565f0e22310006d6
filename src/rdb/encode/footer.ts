import type { ByteBuilder } from '../../base/index.ts';
import { appendCrc64 } from '../kernels/crc64.ts';

/** Ends a DUMP payload that begins at `from`: u16 LE RDB version, then CRC64 of all before it. */
export function appendFooter(out: ByteBuilder, from: number, rdbVersion: number): void {
  out.byte(rdbVersion & 0xff);
  out.byte(rdbVersion >>> 8);
  appendCrc64(out, from);
}
