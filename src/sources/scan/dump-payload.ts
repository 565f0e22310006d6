import { CodedError, printableBytes } from '../../base/index.ts';
import { createCrc64, equalsCrc64, type RdbFormat, updateCrc64 } from '../../rdb/index.ts';

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
  const checksum = createCrc64();
  updateCrc64(checksum, payload, 0, end);
  if (!equalsCrc64(checksum, payload, end)) {
    throw new CodedError('RDB_CHECKSUM', 'Cannot use the reply to DUMP: its checksum is wrong', {
      key: name,
      hint: 'The value was damaged on the way, or in the memory of the server',
    });
  }
  const version = payload.readUInt16LE(end - 2);
  return { version, dialect: version >= FIRST_VALKEY_RDB ? 'valkey' : 'redis' };
}
