import { CodedError, printableBytes } from '../../base/index.ts';
import type { RdbFormat } from '../../rdb/index.ts';

/** Behind the value: u16 LE RDB version, u64 LE CRC64 of all before it (docs/formats/rdb.md). */
export const FOOTER_BYTES = 10;
const CHECKSUM_BYTES = 8;
const FIRST_VALKEY_RDB = 80;

/**
 * Checks the checksum of what DUMP answered for `key` and gives the format that its footer names.
 * Throws SOURCE_GARBAGE, RDB_CHECKSUM.
 */
export function checkPayload(payload: Buffer, key: Uint8Array): RdbFormat {
  const end = payload.length - CHECKSUM_BYTES;
  const name = printableBytes(key);
  if (payload.length <= FOOTER_BYTES) {
    const message = `Cannot use the reply to DUMP: ${payload.length} bytes are no payload`;
    throw new CodedError('SOURCE_GARBAGE', message, { key: name });
  }
  if (!hasChecksum(payload, end)) {
    throw new CodedError('RDB_CHECKSUM', 'Cannot use the reply to DUMP: its checksum is wrong', {
      key: name,
      hint: 'The value was damaged on the way, or in the memory of the server',
    });
  }
  const version = payload.readUInt16LE(end - 2);
  return { version, dialect: version >= FIRST_VALKEY_RDB ? 'valkey' : 'redis' };
}

const HIGH = new Int32Array(256);
const LOW = new Int32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let high = 0;
  let low = byte;
  for (let bit = 0; bit < 8; bit++) {
    const odd = low & 1;
    low = (low >>> 1) | (high << 31);
    high >>>= 1;
    if (odd === 1) {
      high ^= 0x95ac9329;
      low ^= 0xac4bc9b5;
    }
  }
  HIGH[byte] = high;
  LOW[byte] = low;
}

/** CRC-64 as Redis computes it: reflected, polynomial ad93d23594c935a9, nothing before or after. */
function hasChecksum(bytes: Buffer, end: number): boolean {
  let high = 0;
  let low = 0;
  for (let i = 0; i < end; i++) {
    const index = (low ^ bytes[i]) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ LOW[index];
    high = (high >>> 8) ^ HIGH[index];
  }
  return bytes.readInt32LE(end) === (low | 0) && bytes.readInt32LE(end + 4) === (high | 0);
}
